"""Faithfulness checks of feature attributions, by method, and their report blocks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric
from capas.metrics.rate import Rate, rate
from capas.trust.explanations.feature_ablation import AblationFeatures, FeatureAttributions
from capas.trust.explanations.parameter_randomization import MAX_RANDOMIZATION_CORRELATION
from capas.trust.rendering.blocks import Grid, Plot, PlotSeries

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class AblatedExample:
    """An example with its feature attributions and their curves.

    Attributes:
        position: Position in the record.
        features: Its features.
        attributions: Leave-one-out attributions.
        weights: Weight of each feature, by method.
        randomization_correlations: Rank correlations with encoders of random weights, shape (R,), by method; empty
            where not measured.
        deletion: Score without the weightiest features, by method.
        insertion: Score with only the weightiest features, by method.
    """

    position: int
    features: AblationFeatures
    attributions: FeatureAttributions
    weights: dict[str, Tensor]
    randomization_correlations: dict[str, Tensor]
    deletion: dict[str, Tensor]
    insertion: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class AblationCheck:
    """What the checks of one method showed.

    Attributes:
        name: The method.
        deletion: Mean area under its deletion curves.
        insertion: Mean area under its insertion curves.
        better_than_random: Share of examples where it beats a random order.
        randomization_correlation: Mean rank correlation with encoders of random weights; None where not measured.
    """

    name: str
    deletion: float
    insertion: float
    better_than_random: Rate
    randomization_correlation: float | None

    @property
    def reliable(self) -> bool:
        """Whether it beats a random order, and depends on the weights."""
        return self.better_than_random.interval[0] > 0.5 and (
            self.randomization_correlation is None or self.randomization_correlation <= MAX_RANDOMIZATION_CORRELATION
        )

    def as_json(self) -> dict[str, object]:
        """Return the facts of the method."""
        return {
            "deletion": round(self.deletion, 4),
            "insertion": round(self.insertion, 4),
            "better_than_random": self.better_than_random.as_json(),
            "random_weights_correlation": None
            if self.randomization_correlation is None
            else round(self.randomization_correlation, 4),
            "reliable": self.reliable,
        }


def curve_areas(found: list[AblatedExample], name: str) -> tuple[float, float]:
    """Return the mean areas under the deletion and the insertion curves."""
    shares = torch.tensor(SHARES)

    def mean(curves_: list[Tensor]) -> float:
        return float(torch.stack([torch.trapezoid(c, shares) for c in curves_]).mean())

    return mean([a.deletion[name] for a in found]), mean([a.insertion[name] for a in found])


def check_ablation_method(found: list[AblatedExample], name: str) -> AblationCheck:
    """Run the checks of the method ``name`` over all examples."""
    correlations = [ablated.randomization_correlations[name] for ablated in found if ablated.randomization_correlations]
    deletion, insertion = curve_areas(found, name)
    return AblationCheck(
        name=name, deletion=deletion, insertion=insertion, better_than_random=_gain(found, name),
        randomization_correlation=float(torch.cat(correlations).mean()) if correlations else None,
    )  # fmt: skip


def _gain(found: list[AblatedExample], way: str) -> Rate:
    """In how many examples taking the important parts away moves the score more than taking parts away at random."""
    shares = torch.tensor(SHARES)

    def moved(ablated: AblatedExample, name: str) -> float:
        return float(torch.trapezoid((ablated.deletion[name] - ablated.attributions.score).abs(), shares))

    return rate(sum(moved(a, way) > moved(a, "random") for a in found), len(found))


def ablation_checks_table(checks: list[AblationCheck], random_areas: tuple[float, float]) -> Grid:
    """Return a table of the checks of every method, with ``random_areas`` (deletion, insertion) as the control."""
    heads = [say(f"trust.zones.heads.{name}") for name in ("method", "deletion", "insertion", "alike", "use")]
    rows = [
        [
            say(f"trust.zones.methods.{one.name}"),
            format_decimal(one.deletion, 3),
            format_decimal(one.insertion, 3),
            "–" if one.randomization_correlation is None else format_decimal(one.randomization_correlation, 2),
            say("trust.zones.reliable" if one.reliable else "trust.zones.unreliable"),
        ]
        for one in checks
    ]
    control = [say("trust.zones.methods.random"), *(format_decimal(area, 3) for area in random_areas), "–"]
    return Grid(
        title=say("trust.zones.checks"),
        heads=heads,
        rows=[*rows, [*control, say("trust.zones.control")]],
        right=(1, 2, 3),
        note=say("trust.zones.parts_note", share=format_metric(checks[0].better_than_random.as_json())),
    )


def ablation_deletion_plot(found: list[AblatedExample]) -> Plot:
    """Return the deletion curves by method."""
    lines = []
    for name in (*found[0].weights, "random"):
        mean = torch.stack([a.deletion[name] for a in found]).mean(0).tolist()
        lines.append(PlotSeries(name=say(f"trust.zones.methods.{name}"), xs=SHARES, ys=mean, dashed=name == "random"))
    rates = all(0 <= y <= 1 for line in lines for y in line.ys)
    description = "; ".join(f"{line.name}: {format_decimal(sum(line.ys) / len(line.ys), 2)}" for line in lines)
    return Plot(
        title=say("trust.zones.deletion_parts"),
        x=say("trust.zones.removed_parts"),
        y=say("trust.zones.score"),
        lines=lines,
        description=description,
        percent_x=True,
        percent_y=rates,
    )
