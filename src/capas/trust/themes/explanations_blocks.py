"""Report blocks, facts and findings of saliency maps and of decisive regions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, format_percent
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.trust.explanations.faithfulness import AdvantageOverBrightness, FaithfulnessCurve
from capas.trust.explanations.region_importance import RegionImportance
from capas.trust.rendering.blocks import Block, CaptionedImage, Grid, ImageGallery, Plot, PlotSeries
from capas.trust.subjects.image_inputs import image_to_array
from capas.trust.theme import Finding

NEEDED = 0.5  # of what is right where the least telling place is covered


@dataclass(frozen=True, kw_only=True, slots=True)
class SaliencyMethod:
    """A saliency method with its checks.

    Attributes:
        name: The method.
        maps: Its maps.
        deletion: Deletion curve.
        insertion: Insertion curve.
        randomization_correlation: Rank correlation with maps of randomised networks; None where not measured.
        advantage: Advantage over the brightness control; None where not measured.
    """

    name: str
    maps: Tensor
    deletion: FaithfulnessCurve
    insertion: FaithfulnessCurve
    randomization_correlation: float | None = None
    advantage: AdvantageOverBrightness | None = None

    @property
    def reliable(self) -> bool:
        """Whether it depends on the weights and beats the brightness control."""
        return (
            self.randomization_correlation is not None
            and self.randomization_correlation <= 0.3
            and self.advantage is not None
            and self.advantage.reliable
        )


def method_facts(method: SaliencyMethod) -> dict[str, object]:
    """Return the facts of one method."""
    facts: dict[str, object] = {
        "deletion": round(method.deletion.area, 4),
        "insertion": round(method.insertion.area, 4),
    }
    if method.advantage is not None and method.randomization_correlation is not None:
        facts |= {
            "random_weights_correlation": round(method.randomization_correlation, 4),
            "advantage_over_brightness": {
                "value": round(method.advantage.value, 4),
                "n": method.advantage.n,
                "interval": [round(end, 4) for end in method.advantage.interval],
                "unit": "",
            },
            "reliable": method.reliable,
        }
    return facts


def best_method(methods: list[SaliencyMethod]) -> SaliencyMethod | None:
    """Return the best of the reliable methods; None where none is."""
    reliable = [m for m in methods if m.reliable]
    return max(reliable, key=lambda m: m.insertion.area - m.deletion.area) if reliable else None


def region_facts(found: list[RegionImportance]) -> dict[str, object]:
    """Return the facts of the most important regions."""
    first = found[0]
    worst = min(found, key=lambda place: place.accuracy_covered.value)
    return {
        "most_telling_alone": {**_where(first), "right": first.accuracy_alone.as_json()},
        "most_missed_when_covered": {**_where(worst), "right": worst.accuracy_covered.as_json()},
    }


def _where(place: RegionImportance) -> dict[str, object]:
    return {"top": place.top, "left": place.left, "height": place.height, "width": place.width}


def explanation_findings(
    reader: ImageReader, best: SaliencyMethod | None, decisive: RegionImportance | None
) -> list[Finding]:
    """Return findings about a decisive region, and about maps that cannot be believed."""
    found = []
    if decisive is not None:
        text = say(
            "trust.zones.shortcut",
            where=region_text(decisive, reader),
            right=format_metric(decisive.accuracy_alone.as_json()),
            share=format_percent(_area(decisive, reader), 0),
        )
        found.append(Finding(key="one_place_decides", gravity="problem", text=text))
    if best is None:
        found.append(Finding(key="no_reliable_map", gravity="attention", text=say("trust.zones.not_reliable")))
    return found


def needed_findings(reader: ImageReader, found: list[RegionImportance]) -> list[Finding]:
    """Return a finding for a place off the middle without which nothing is left of what is right beyond guessing.

    In the middle lies, as a rule, what a picture is about.
    """
    worst = min(found, key=lambda place: place.accuracy_covered.value, default=None)
    if worst is None or _in_the_middle(worst, reader):
        return []
    best = max(place.accuracy_covered.value for place in found)
    if best - worst.accuracy_covered.interval[1] < NEEDED * best:
        return []
    text = say(
        "trust.zones.needed",
        where=region_text(worst, reader),
        share=format_percent(_area(worst, reader), 0),
        right=format_metric(worst.accuracy_covered.as_json()),
        others=format_percent(best, 0),
    )
    return [Finding(key="one_place_needed", gravity="attention", text=text)]


def _in_the_middle(place: RegionImportance, reader: ImageReader) -> bool:
    _, height, width = reader.preparation.shape
    middle = ((place.top + place.height / 2) / height, (place.left + place.width / 2) / width)
    return all(1 / 3 <= one <= 2 / 3 for one in middle)


def region_text(place: RegionImportance, reader: ImageReader) -> str:
    """Say where a region is: "at the top left"."""
    _, height, width = reader.preparation.shape
    middle_y, middle_x = (place.top + place.height / 2) / height, (place.left + place.width / 2) / width
    row = "top" if middle_y < 1 / 3 else "bottom" if middle_y > 2 / 3 else "middle"
    column = "left" if middle_x < 1 / 3 else "right" if middle_x > 2 / 3 else "middle"
    where = f"{row}_{column}"
    return say(f"trust.zones.where.{where}")


def _area(place: RegionImportance, reader: ImageReader) -> float:
    _, height, width = reader.preparation.shape
    return place.height * place.width / (height * width)


def methods_table(methods: list[SaliencyMethod], note: str) -> Grid:
    """Return a table of the checks of every method."""
    heads = [
        say(f"trust.zones.heads.{name}") for name in ("method", "deletion", "insertion", "alike", "advantage", "use")
    ]
    rows = []
    for m in methods:
        checked = m.randomization_correlation is not None and m.advantage is not None
        rows.append(
            [
                say(f"trust.zones.methods.{m.name}"),
                format_decimal(m.deletion.area, 3),
                format_decimal(m.insertion.area, 3),
                format_decimal(m.randomization_correlation or 0.0, 2) if checked else "–",
                _with_interval(m.advantage) if m.advantage else "–",
                say("trust.zones.reliable" if m.reliable else "trust.zones.unreliable")
                if checked
                else say("trust.zones.control"),
            ]
        )
    return Grid(
        title=say("trust.zones.checks"),
        heads=heads,
        rows=rows,
        right=(1, 2, 3, 4),
        note=note,
    )


def _with_interval(found: AdvantageOverBrightness) -> str:
    low, high = (format_decimal(end, 3) for end in found.interval)
    return f"{format_decimal(found.value, 3)} ({low}–{high})"


def saliency_deletion_plot(methods: list[SaliencyMethod], score: str, *, percent_y: bool = True) -> Plot:
    """Return the deletion curves; ``score`` names the y axis."""
    lines = [
        PlotSeries(
            name=say(f"trust.zones.methods.{m.name}"),
            xs=m.deletion.shares.tolist(),
            ys=m.deletion.mean.tolist(),
            dashed=m.randomization_correlation is None,
        )
        for m in methods
    ]
    description = "; ".join(f"{line.name}: {format_decimal(sum(line.ys) / len(line.ys), 2)}" for line in lines)
    return Plot(
        title=say("trust.zones.deletion"),
        x=say("trust.zones.removed"),
        y=score,
        lines=lines,
        description=description,
        percent_x=True,
        percent_y=percent_y,
    )


def region_blocks(reader: ImageReader, x: Tensor, found: list[RegionImportance]) -> list[Block]:
    """Return the most decisive and the most missed region, and the accuracy lost by covering, as a heatmap."""
    worst = min(found, key=lambda place: place.accuracy_covered.value)
    rows = [
        [say("trust.zones.alone"), region_text(found[0], reader), format_metric(found[0].accuracy_alone.as_json())],
        [say("trust.zones.covered"), region_text(worst, reader), format_metric(worst.accuracy_covered.as_json())],
    ]
    grid = Grid(
        title=say("trust.zones.places"),
        heads=["", say("trust.zones.place"), say("trust.zones.right")],
        rows=rows,
        right=(2,),
        note=say("trust.zones.places_note", n=found[0].accuracy_alone.n),
    )
    mean = torch.zeros(reader.preparation.shape[1:])
    for place in found:
        rows_, columns = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
        mean[rows_, columns] = torch.maximum(mean[rows_, columns], torch.tensor(1 - place.accuracy_covered.value))
    heat = (mean / mean.max().clamp(min=1e-6)).numpy()
    picture = CaptionedImage(image=image_to_array(x.mean(0)), caption=say("trust.zones.cost"), heatmap=heat)
    return [grid, ImageGallery(title="", images=[picture])]
