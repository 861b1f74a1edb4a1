"""What does it look at? Maps of what an answer rests on, each checked before it is shown, and whether one place of all
pictures decides by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from capas.core.figures import decimal, figure_text, percent
from capas.core.messages import say
from capas.engine.recipes.pictures import PictureReader
from capas.tasks.baseline import Majority
from capas.trust.adversarial import Forward
from capas.trust.asked import Asked
from capas.trust.blocks import Block, Gallery, Grid, Line, Plot, Sentence, Shown
from capas.trust.pixels import Pixels, as_array, as_shares
from capas.trust.places import Place, places
from capas.trust.saliency import brightness, gradient, integrated_gradients, occlusion, random_map
from capas.trust.saliency_checks import (
    Advantage,
    Curve,
    MapOf,
    beats_brightness,
    deletion,
    insertion,
    randomised_weights,
    with_random_weights,
)
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme
from capas.trust.themes.zones_of_parts import zones_of_parts

CONTROLS: Final = ("brightness", "random")
EXAMPLES, EXAMPLES_QUICK, EXAMPLES_LARGE, EXAMPLES_CHECKED = 40, 12, 8, 8
PLACED, PLACED_QUICK, PLACED_LARGE = 100, 60, 40
SHOWN = 10
LARGE_SIDE = 96
RANDOM_NETWORKS = 2
DECIDES_ALONE = 0.6  # of what is right beyond guessing


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


def zones(asked: Asked) -> Theme:
    """See the module."""
    subject = asked.subject
    if subject is None:
        return Theme(name="zones", not_computed_because=say("trust.zones.other_kind"))
    if not isinstance(subject.reader, PictureReader):
        return zones_of_parts(asked, subject)
    if subject.case.task != "classify":
        return Theme(name="zones", not_computed_because=say("trust.zones.only_classes"))
    forward = Pixels(subject.reader)
    large = min(subject.reader.preparation.shape[1:]) > LARGE_SIDE
    quick = asked.level == "quick"
    chosen = _right_ones(subject, EXAMPLES_LARGE if large else EXAMPLES_QUICK if quick else EXAMPLES)
    if not len(chosen):
        return Theme(name="zones", not_computed_because=say("trust.zones.nothing_right"))
    x = as_shares([subject.test.prepared[i] for i in chosen.tolist()])
    classes = subject.test.answers.argmax(1)[chosen]
    background = _background(subject)
    methods = _methods(asked, forward, x, classes, background, steps=8 if large else 32)
    best = _best(methods)
    decisive, all_places = _decisive(
        subject,
        forward,
        background,
        PLACED_LARGE if large else PLACED_QUICK if quick else PLACED,
        step=1.0 if large else 0.5,
    )
    facts: dict[str, object] = {
        "n": len(chosen),
        "methods": {m.name: _facts(m) for m in methods},
        "shown": best.name if best else None,
        "place": _place_facts(all_places),
    }
    findings = _findings(subject, best, decisive)
    blocks: list[Block] = [
        Sentence(text=say("trust.zones.shown_by", name=say(f"trust.zones.methods.{best.name}")))
        if best
        else Sentence(text=say("trust.zones.none_reliable"), tone="attention"),
        *_maps(subject, x, chosen, best or methods[0]),
        _table(methods),
        _plot(methods),
        *_place_blocks(subject, x, all_places),
    ]
    return Theme(name="zones", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.zones.untested")])


def _right_ones(subject: Subject, most: int) -> Tensor:
    """Test examples that it answers rightly: numbers in the part, drawn by chance."""
    right = (subject.test.answers.argmax(1) == subject.test.targets).nonzero().flatten()
    order = torch.randperm(len(right), generator=subject.case.chance("zones"))[:most]
    return right[order]


def _background(subject: Subject) -> Tensor:
    """The mean of (at most 1,000) training pictures."""
    return as_shares(subject.train.prepared[:1000]).mean(0)


def maps_by_name(background: Tensor, steps: int) -> dict[str, MapOf]:
    """The methods that are tried."""

    def integrated(forward: Forward, x: Tensor, classes: Tensor) -> Tensor:
        return integrated_gradients(forward, x, classes, baseline=background, steps=steps)

    def covered(forward: Forward, x: Tensor, classes: Tensor) -> Tensor:
        return occlusion(forward, x, classes, fill=background)

    return {"integrated_gradients": integrated, "occlusion": covered, "gradient": gradient}


def _methods(
    asked: Asked, forward: Pixels, x: Tensor, classes: Tensor, background: Tensor, *, steps: int
) -> list[Method]:
    subject = asked.subject
    assert subject is not None and isinstance(subject.reader, PictureReader)
    rng = subject.case.chance("zones checks")
    controls: Mapping[str, Tensor] = {"brightness": brightness(x), "random": random_map(x, rng)}
    curves = {name: _curves(forward, x, classes, maps, background) for name, maps in controls.items()}
    randomised = [_randomised(subject, rng) for _ in range(RANDOM_NETWORKS)]
    few = slice(0, EXAMPLES_CHECKED)
    found = []
    ways = maps_by_name(background, steps)
    for number, (name, way) in enumerate(ways.items()):
        maps = torch.cat(
            [way(forward, a, c) for a, c in zip(torch.split(x, 25), torch.split(classes, 25), strict=True)]
        )
        both = _curves(forward, x, classes, maps, background)
        alike = randomised_weights(way, forward, randomised, x[few], classes[few]).mean
        found.append(
            Method(
                name=name,
                maps=maps,
                deletion=both[0],
                insertion=both[1],
                alike=alike,
                advantage=beats_brightness(both, curves["brightness"], rng),
            )
        )
        asked.progress(number + 1, len(ways) + 2)
    found += [
        Method(name=name, maps=controls[name], deletion=d, insertion=i, alike=None, advantage=None)
        for name, (d, i) in curves.items()
    ]
    return found


def _curves(forward: Forward, x: Tensor, classes: Tensor, maps: Tensor, background: Tensor) -> tuple[Curve, Curve]:
    return (deletion(forward, x, classes, maps, fill=background), insertion(forward, x, classes, maps, fill=background))


def _randomised(subject: Subject, rng: torch.Generator) -> Forward:
    reader = subject.reader
    assert isinstance(reader, PictureReader)
    return Pixels(PictureReader(with_random_weights(reader.network, rng).eval(), reader.preparation))


def _best(methods: list[Method]) -> Method | None:
    """The most telling of the reliable ones."""
    reliable = [m for m in methods if m.reliable]
    return max(reliable, key=lambda m: m.insertion.area - m.deletion.area) if reliable else None


def _facts(method: Method) -> dict[str, object]:
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


def _decisive(
    subject: Subject, forward: Forward, background: Tensor, most: int, *, step: float
) -> tuple[Place | None, list[Place]]:
    """The place that decides by itself, if there is one, and all places."""
    chosen = torch.randperm(len(subject.test), generator=subject.case.chance("places"))
    chosen = chosen[:most]
    x, targets = as_shares([subject.test.prepared[i] for i in chosen.tolist()]), subject.test.targets[chosen]
    found = places(forward, x, targets, background, step=step)
    first = found[0]
    whole = float((subject.test.answers.argmax(1) == subject.test.targets)[chosen].float().mean())
    k = len(subject.case.classes)
    guessed = float(Majority.fit(targets, k).predict(1).max())
    decides = first.alone.interval[0] - guessed > DECIDES_ALONE * max(0.05, whole - guessed)
    return (first if decides else None), found


def _place_facts(found: list[Place]) -> dict[str, object]:
    first = found[0]
    worst = min(found, key=lambda place: place.covered.value)
    return {
        "most_telling_alone": {**_where(first), "right": first.alone.as_json()},
        "most_missed_when_covered": {**_where(worst), "right": worst.covered.as_json()},
    }


def _where(place: Place) -> dict[str, object]:
    return {"top": place.top, "left": place.left, "height": place.height, "width": place.width}


def _findings(subject: Subject, best: Method | None, decisive: Place | None) -> list[Finding]:
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
    return say(f"trust.zones.where.{row}_{column}")


def _area(place: Place, reader: PictureReader) -> float:
    _, height, width = reader.preparation.shape
    return place.height * place.width / (height * width)


def _maps(subject: Subject, x: Tensor, chosen: Tensor, method: Method) -> list[Block]:
    shown = []
    for i in range(min(SHOWN, len(x))):
        heat = method.maps[i].clamp(min=0)
        heat = heat / torch.quantile(heat.flatten(), 0.99).clamp(min=1e-12)
        name = subject.case.record.names[int(subject.test.positions[int(chosen[i])])]
        label = subject.case.classes[int(subject.test.targets[int(chosen[i])])]
        shown.append(Shown(picture=as_array(x[i]), caption=f"{name}: {label}", heat=heat.clamp(0, 1).numpy()))
    return [Gallery(title=say("trust.zones.maps"), pictures=shown, note=say("trust.zones.maps_note"))]


def _table(methods: list[Method]) -> Grid:
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
        note=say("trust.zones.checks_note", n=len(methods[0].maps)),
    )


def _with_interval(found: Advantage) -> str:
    low, high = (decimal(end, 3) for end in found.interval)
    return f"{decimal(found.value, 3)} ({low}–{high})"


def _plot(methods: list[Method]) -> Plot:
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
        y=say("trust.zones.probability"),
        lines=lines,
        description=description,
        percent_x=True,
    )


def _place_blocks(subject: Subject, x: Tensor, found: list[Place]) -> list[Block]:
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
