"""Whether what the parts of inputs weigh can be believed, method by method, and how that is shown."""

from dataclasses import dataclass

import torch
from torch import Tensor

from capas.core.figures import decimal, figure_text
from capas.core.messages import say
from capas.tasks.metrics import Rate, rate
from capas.trust.blocks import Grid, Line, Plot
from capas.trust.parts import Contributions, Parts
from capas.trust.saliency_checks import MOST_ALIKE

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """An example that was taken apart: its position, parts, what each brings, what each weighs by method, and the score
    without and with only the weightiest parts. ``alike`` (R): how alike the weights of readers with random weights are,
    where that was asked."""

    position: int
    parts: Parts
    brought: Contributions
    weights: dict[str, Tensor]
    alike: dict[str, Tensor]
    deletion: dict[str, Tensor]
    insertion: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What the checks of one method showed: areas under its curves, in how many examples it does better than chance,
    and the mean rank correlation with readers with random weights, where that was asked."""

    name: str
    deletion: float
    insertion: float
    gain: Rate
    alike: float | None

    @property
    def reliable(self) -> bool:
        """Whether it finds more than chance does, and depends on the weights."""
        return self.gain.interval[0] > 0.5 and (self.alike is None or self.alike <= MOST_ALIKE)

    def as_json(self) -> dict[str, object]:
        """In the facts of the theme."""
        return {
            "deletion": round(self.deletion, 4), "insertion": round(self.insertion, 4),
            "better_than_random": self.gain.as_json(),
            "random_weights_correlation": None if self.alike is None else round(self.alike, 4),
            "reliable": self.reliable,
        }  # fmt: skip


def areas(found: list[Asking], name: str) -> tuple[float, float]:
    """The mean areas under the curves of deletion and insertion."""
    shares = torch.tensor(SHARES)

    def mean(curves_: list[Tensor]) -> float:
        return float(torch.stack([torch.trapezoid(c, shares) for c in curves_]).mean())

    return mean([a.deletion[name] for a in found]), mean([a.insertion[name] for a in found])


def checked_by(found: list[Asking], name: str) -> Checked:
    """The checks of the method ``name`` over all examples."""
    correlations = [asking.alike[name] for asking in found if asking.alike]
    deletion, insertion = areas(found, name)
    return Checked(
        name=name, deletion=deletion, insertion=insertion, gain=_gain(found, name),
        alike=float(torch.cat(correlations).mean()) if correlations else None,
    )  # fmt: skip


def _gain(found: list[Asking], way: str) -> Rate:
    """In how many examples taking the important parts away moves the score more than taking parts away at random."""
    shares = torch.tensor(SHARES)

    def moved(asking: Asking, name: str) -> float:
        return float(torch.trapezoid((asking.deletion[name] - asking.brought.score).abs(), shares))

    return rate(sum(moved(a, way) > moved(a, "random") for a in found), len(found))


def checks_table(checked: list[Checked], chance: tuple[float, float]) -> Grid:
    """The checks of every method, with ``chance`` (deletion, insertion) as the control."""
    heads = [say(f"trust.zones.heads.{name}") for name in ("method", "deletion", "insertion", "alike", "use")]
    rows = [
        [
            say(f"trust.zones.methods.{one.name}"),
            decimal(one.deletion, 3),
            decimal(one.insertion, 3),
            "–" if one.alike is None else decimal(one.alike, 2),
            say("trust.zones.reliable" if one.reliable else "trust.zones.unreliable"),
        ]
        for one in checked
    ]
    control = [say("trust.zones.methods.random"), *(decimal(area, 3) for area in chance), "–"]
    return Grid(
        title=say("trust.zones.checks"),
        heads=heads,
        rows=[*rows, [*control, say("trust.zones.control")]],
        right=(1, 2, 3),
        note=say("trust.zones.parts_note", share=figure_text(checked[0].gain.as_json())),
    )


def deletion_plot(found: list[Asking]) -> Plot:
    """The deletion curves."""
    lines = []
    for name in (*found[0].weights, "random"):
        mean = torch.stack([a.deletion[name] for a in found]).mean(0).tolist()
        lines.append(Line(name=say(f"trust.zones.methods.{name}"), xs=SHARES, ys=mean, dashed=name == "random"))
    rates = all(0 <= y <= 1 for line in lines for y in line.ys)
    description = "; ".join(f"{line.name}: {decimal(sum(line.ys) / len(line.ys), 2)}" for line in lines)
    return Plot(
        title=say("trust.zones.deletion_parts"),
        x=say("trust.zones.removed_parts"),
        y=say("trust.zones.score"),
        lines=lines,
        description=description,
        percent_x=True,
        percent_y=rates,
    )
