"""What the model looks at, in words: maps with their checks, and the places that decide."""

from dataclasses import dataclass

import torch
from torch import Tensor

from capas.core.figures import decimal, figure_text, percent
from capas.core.messages import say
from capas.engine.recipes.pictures import PictureReader
from capas.trust.blocks import Block, Gallery, Grid, Line, Plot, Shown
from capas.trust.pixels import as_array
from capas.trust.places import Place
from capas.trust.saliency_checks import Advantage, Curve
from capas.trust.subject import Subject
from capas.trust.theme import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A way of making maps: what it showed. ``alike`` is the rank correlation with maps of random networks."""

    name: str
    maps: Tensor
    deletion: Curve
    insertion: Curve
    alike: float | None
    advantage: Advantage | None

    @property
    def reliable(self) -> bool:
        """Whether it depends on the weights and finds more than bright places."""
        return self.alike is not None and self.alike <= 0.3 and self.advantage is not None and self.advantage.reliable


def method_facts(method: Method) -> dict[str, object]:
    """One map in the facts."""
    facts: dict[str, object] = {
        "deletion": round(method.deletion.area, 4),
        "insertion": round(method.insertion.area, 4),
    }
    if method.advantage is not None and method.alike is not None:
        facts |= {
            "random_weights_correlation": round(method.alike, 4),
            "advantage_over_brightness": {
                "value": round(method.advantage.value, 4),
                "n": method.advantage.n,
                "interval": [round(end, 4) for end in method.advantage.interval],
                "unit": "",
            },
            "reliable": method.reliable,
        }
    return facts


def best_of(methods: list[Method]) -> Method | None:
    """The most telling of the reliable ones."""
    reliable = [m for m in methods if m.reliable]
    return max(reliable, key=lambda m: m.insertion.area - m.deletion.area) if reliable else None


def place_facts(found: list[Place]) -> dict[str, object]:
    """The places that matter most."""
    first = found[0]
    worst = min(found, key=lambda place: place.covered.value)
    return {
        "most_telling_alone": {**_where(first), "right": first.alone.as_json()},
        "most_missed_when_covered": {**_where(worst), "right": worst.covered.as_json()},
    }


def _where(place: Place) -> dict[str, object]:
    return {"top": place.top, "left": place.left, "height": place.height, "width": place.width}


def zone_findings(subject: Subject, best: Method | None, decisive: Place | None) -> list[Finding]:
    """Of a place that decides, and of maps that cannot be believed."""
    found = []
    if decisive is not None:
        assert isinstance(subject.reader, PictureReader)
        text = say(
            "trust.zones.shortcut",
            where=where_text(decisive, subject.reader),
            right=figure_text(decisive.alone.as_json()),
            share=percent(_area(decisive, subject.reader), 0),
        )
        found.append(Finding(key="one_place_decides", gravity="problem", text=text))
    if best is None:
        found.append(Finding(key="no_reliable_map", gravity="attention", text=say("trust.zones.not_reliable")))
    return found


def where_text(place: Place, reader: PictureReader) -> str:
    """Where a place is, in words: "at the top left"."""
    _, height, width = reader.preparation.shape
    middle_y, middle_x = (place.top + place.height / 2) / height, (place.left + place.width / 2) / width
    row = "top" if middle_y < 1 / 3 else "bottom" if middle_y > 2 / 3 else "middle"
    column = "left" if middle_x < 1 / 3 else "right" if middle_x > 2 / 3 else "middle"
    where = f"{row}_{column}"
    return say(f"trust.zones.where.{where}")


def _area(place: Place, reader: PictureReader) -> float:
    _, height, width = reader.preparation.shape
    return place.height * place.width / (height * width)


def methods_table(methods: list[Method], note: str) -> Grid:
    """The checks of every map."""
    heads = [
        say(f"trust.zones.heads.{name}") for name in ("method", "deletion", "insertion", "alike", "advantage", "use")
    ]
    rows = []
    for m in methods:
        checked = m.alike is not None and m.advantage is not None
        rows.append(
            [
                say(f"trust.zones.methods.{m.name}"),
                decimal(m.deletion.area, 3),
                decimal(m.insertion.area, 3),
                decimal(m.alike or 0.0, 2) if checked else "–",
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


def _with_interval(found: Advantage) -> str:
    low, high = (decimal(end, 3) for end in found.interval)
    return f"{decimal(found.value, 3)} ({low}–{high})"


def deletion_plot(methods: list[Method], score: str, *, percent_y: bool = True) -> Plot:
    """The deletion curves; ``score`` says what falls."""
    lines = [
        Line(
            name=say(f"trust.zones.methods.{m.name}"),
            xs=m.deletion.shares.tolist(),
            ys=m.deletion.mean.tolist(),
            dashed=m.alike is None,
        )
        for m in methods
    ]
    description = "; ".join(f"{line.name}: {decimal(sum(line.ys) / len(line.ys), 2)}" for line in lines)
    return Plot(
        title=say("trust.zones.deletion"),
        x=say("trust.zones.removed"),
        y=score,
        lines=lines,
        description=description,
        percent_x=True,
        percent_y=percent_y,
    )


def place_blocks(subject: Subject, x: Tensor, found: list[Place]) -> list[Block]:
    """The most telling and the most missed place, and what covering costs everywhere."""
    assert isinstance(subject.reader, PictureReader)
    reader, worst = subject.reader, min(found, key=lambda place: place.covered.value)
    rows = [
        [say("trust.zones.alone"), where_text(found[0], reader), figure_text(found[0].alone.as_json())],
        [say("trust.zones.covered"), where_text(worst, reader), figure_text(worst.covered.as_json())],
    ]
    grid = Grid(
        title=say("trust.zones.places"),
        heads=["", say("trust.zones.place"), say("trust.zones.right")],
        rows=rows,
        right=(2,),
        note=say("trust.zones.places_note", n=found[0].alone.n),
    )
    mean = torch.zeros(reader.preparation.shape[1:])
    for place in found:
        rows_, columns = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
        mean[rows_, columns] = torch.maximum(mean[rows_, columns], torch.tensor(1 - place.covered.value))
    heat = (mean / mean.max().clamp(min=1e-6)).numpy()
    picture = Shown(picture=as_array(x.mean(0)), caption=say("trust.zones.cost"), heat=heat)
    return [grid, Gallery(title="", pictures=[picture])]
