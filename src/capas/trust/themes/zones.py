"""What does it look at? Maps of what an answer rests on, each checked before it is shown, and whether one place of all
pictures decides by itself.
"""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from capas.core.messages import say
from capas.engine.recipes.pictures import PictureReader
from capas.tasks.baseline import Majority
from capas.trust.adversarial import Forward
from capas.trust.asked import Asked
from capas.trust.blocks import Block, Gallery, Sentence, Shown
from capas.trust.map_ways import class_activation, maps_by_name, randomised
from capas.trust.pixels import Pixels, as_array, as_shares
from capas.trust.places import Place, places
from capas.trust.saliency import brightness, random_map
from capas.trust.saliency_checks import (
    Curve,
    beats_brightness,
    deletion,
    insertion,
    randomised_weights,
)
from capas.trust.subject import Subject
from capas.trust.theme import Theme
from capas.trust.themes.zones_of_masks import zones_of_masks
from capas.trust.themes.zones_of_parts import zones_of_parts
from capas.trust.themes.zones_of_values import zones_of_values
from capas.trust.themes.zones_shown import (
    Method,
    best_of,
    deletion_plot,
    method_facts,
    methods_table,
    place_blocks,
    place_facts,
    zone_findings,
)

CONTROLS: Final = ("brightness", "random")
EXAMPLES, EXAMPLES_QUICK, EXAMPLES_LARGE, EXAMPLES_CHECKED = 40, 12, 8, 8
PLACED, PLACED_QUICK, PLACED_LARGE = 100, 60, 40
SHOWN = 10
RANDOM_NETWORKS = 2
DECIDES_ALONE = 0.6  # of what is right beyond guessing


def zones(asked: Asked) -> Theme:
    """See the module."""
    subject = asked.subject
    if subject is None:
        return zones_of_masks(asked, asked.many)
    if not isinstance(subject.reader, PictureReader):
        return zones_of_parts(asked, subject)
    if subject.case.task != "classify":
        return zones_of_values(asked, subject)
    forward = Pixels(subject.reader)
    large = subject.costly
    quick = asked.level == "quick"
    chosen = _right_ones(subject, EXAMPLES_LARGE if large else EXAMPLES_QUICK if quick else EXAMPLES)
    if not len(chosen):
        return Theme(name="zones", not_computed_because=say("trust.zones.nothing_right"))
    x = as_shares([subject.test.prepared[i] for i in chosen.tolist()])
    classes = subject.test.answers.argmax(1)[chosen]
    background = _background(subject)
    methods = _methods(asked, forward, x, classes, background, steps=8 if large else 32)
    best = best_of(methods)
    decisive, all_places = _decisive(
        subject,
        forward,
        background,
        PLACED_LARGE if large else PLACED_QUICK if quick else PLACED,
        step=1.0 if large else 0.5,
    )
    facts: dict[str, object] = {
        "n": len(chosen),
        "methods": {m.name: method_facts(m) for m in methods},
        "shown": best.name if best else None,
        "place": place_facts(all_places),
    }
    findings = zone_findings(subject, best, decisive)
    blocks: list[Block] = [
        Sentence(text=say("trust.zones.shown_by", name=say(f"trust.zones.methods.{best.name}")))
        if best
        else Sentence(text=say("trust.zones.none_reliable"), tone="attention"),
        *_maps(subject, x, chosen, best or methods[0]),
        methods_table(methods, say("trust.zones.checks_note", n=len(chosen))),
        deletion_plot(methods, say("trust.zones.probability")),
        *place_blocks(subject, x, all_places),
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


def _methods(
    asked: Asked, forward: Pixels, x: Tensor, classes: Tensor, background: Tensor, *, steps: int
) -> list[Method]:
    subject = asked.subject
    assert subject is not None and isinstance(subject.reader, PictureReader)
    rng = subject.case.chance("zones checks")
    controls: Mapping[str, Tensor] = {"brightness": brightness(x), "random": random_map(x, rng)}
    curves = {name: _curves(forward, x, classes, maps, background) for name, maps in controls.items()}
    others = [randomised(subject, rng) for _ in range(RANDOM_NETWORKS)]
    few = slice(0, EXAMPLES_CHECKED)
    found = []
    ways = {**maps_by_name(background, steps), "grad_cam": class_activation}
    for number, (name, way) in enumerate(ways.items()):
        maps = torch.cat(
            [way(forward, a, c) for a, c in zip(torch.split(x, 25), torch.split(classes, 25), strict=True)]
        )
        both = _curves(forward, x, classes, maps, background)
        alike = randomised_weights(way, forward, others, x[few], classes[few]).mean
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


def _decisive(
    subject: Subject, forward: Forward, background: Tensor, most: int, *, step: float
) -> tuple[Place | None, list[Place]]:
    """The place that decides by itself, if there is one, and all places."""
    chosen = torch.randperm(len(subject.test), generator=subject.case.chance("places"))
    chosen = chosen[:most]
    x, targets = as_shares([subject.test.prepared[i] for i in chosen.tolist()]), subject.test.targets[chosen]
    found = places(forward, x, lambda outputs: outputs.argmax(1) == targets, background, step=step)
    first = found[0]
    whole = float((subject.test.answers.argmax(1) == subject.test.targets)[chosen].float().mean())
    k = len(subject.case.classes)
    guessed = float(Majority.fit(targets, k).predict(1).max())
    decides = first.alone.interval[0] - guessed > DECIDES_ALONE * max(0.05, whole - guessed)
    return (first if decides else None), found


def _maps(subject: Subject, x: Tensor, chosen: Tensor, method: Method) -> list[Block]:
    shown = []
    for i in range(min(SHOWN, len(x))):
        heat = method.maps[i].clamp(min=0)
        heat = heat / torch.quantile(heat.flatten(), 0.99).clamp(min=1e-12)
        name = subject.case.record.names[int(subject.test.positions[int(chosen[i])])]
        label = subject.case.classes[int(subject.test.targets[int(chosen[i])])]
        shown.append(Shown(picture=as_array(x[i]), caption=f"{name}: {label}", heat=heat.clamp(0, 1).numpy()))
    return [Gallery(title=say("trust.zones.maps"), pictures=shown, note=say("trust.zones.maps_note"))]
