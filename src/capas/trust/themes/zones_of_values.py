"""What does it look at, where the answer is numbers or tags of a picture: maps of one output, each checked.

Of tags the output is the one that it is surest of, and the score its probability. Of numbers it is the first one, and
the score how far the number is from that of the mean training picture, in units of its spread in training: what a map
calls important must move the number back when it is covered.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from capas.core.figures import percent
from capas.core.messages import say
from capas.engine.recipes.pictures import PictureReader
from capas.trust.adversarial import Forward
from capas.trust.asked import Asked
from capas.trust.blocks import Block, Gallery, Sentence, Shown
from capas.trust.map_ways import maps_by_name, randomised
from capas.trust.pixels import Pixels, as_array, as_shares
from capas.trust.places import Place, places
from capas.trust.saliency import brightness, random_map
from capas.trust.saliency_checks import Curve, Score, beats_brightness, randomised_weights, turning
from capas.trust.subject import Subject
from capas.trust.theme import Theme
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
from capas.trust.values import values_of

EXAMPLES, EXAMPLES_QUICK, EXAMPLES_LARGE, CHECKED = 40, 12, 8, 8
PLACED, PLACED_LARGE, SHOWN = 100, 40, 10
RANDOM_NETWORKS = 2
DECIDES_ALONE: Final = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Pictures ``x``, the number of the ``output`` that is asked for each (N), the ``sign`` that its maps get (N), and
    the ``score`` that is to fall when what matters is covered with the ``background``."""

    x: Tensor
    output: Tensor
    sign: Tensor
    score: Score
    background: Tensor


def zones_of_values(asked: Asked, subject: Subject) -> Theme:
    """See the module."""
    assert isinstance(subject.reader, PictureReader)
    large = subject.costly
    most = EXAMPLES_LARGE if large else EXAMPLES_QUICK if asked.level == "quick" else EXAMPLES
    chosen = torch.randperm(len(subject.test), generator=subject.case.chance("zones"))[:most]
    forward = Pixels(subject.reader)
    question = _question(subject, forward, chosen)
    methods = _methods(asked, subject, forward, question, steps=8 if large else 32)
    best = best_of(methods)
    decisive, all_places = _places(subject, forward, question.background, large=large)
    facts: dict[str, object] = {
        "n": len(chosen),
        "score": "probability" if subject.case.task == "tag" else "spreads_from_mean_picture",
        "methods": {m.name: method_facts(m) for m in methods},
        "shown": best.name if best else None,
        "place": place_facts(all_places) if all_places else None,
    }
    tags = subject.case.task == "tag"
    about = say("trust.zones.none_reliable")
    if best is not None:
        about = say("trust.zones.shown_by", name=say(f"trust.zones.methods.{best.name}"))
    blocks: list[Block] = [
        Sentence(text=about, tone="plain" if best else "attention"),
        _maps(subject, question, chosen, best or methods[0]),
        methods_table(methods, say("trust.many.checks_note", n=len(chosen))),
        deletion_plot(
            methods, say("trust.many.probability_of_tag") if tags else say("trust.many.spreads"), percent_y=tags
        ),
        *(place_blocks(subject, question.x, all_places) if all_places else ()),
    ]  # fmt: skip
    findings = zone_findings(subject, best, decisive)
    return Theme(name="zones", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.zones.untested")])


def _question(subject: Subject, forward: Pixels, chosen: Tensor) -> Question:
    x = as_shares([subject.test.prepared[i] for i in chosen.tolist()])
    background = as_shares(subject.train.prepared[:1000]).mean(0)
    if subject.case.task == "tag":
        output, temperature = subject.test.answers[chosen].argmax(1), subject.temperature

        def probability(pictures: Tensor, rows: Tensor) -> Tensor:
            outputs = forward(pictures)
            probabilities: Tensor = (outputs.gather(1, output[rows][:, None])[:, 0] / temperature).sigmoid()
            return probabilities

        return Question(x=x, output=output, sign=torch.ones(len(x)), score=probability, background=background)
    with torch.no_grad():
        nothing = forward(background[None])[0, 0]
    sign = torch.where(subject.test.outputs[chosen, 0] < nothing, -1.0, 1.0)

    def away(pictures: Tensor, rows: Tensor) -> Tensor:
        distance: Tensor = sign[rows] * (forward(pictures)[:, 0] - nothing)
        return distance

    first = torch.zeros(len(x), dtype=torch.long)
    return Question(x=x, output=first, sign=sign, score=away, background=background)


def _methods(asked: Asked, subject: Subject, forward: Pixels, question: Question, *, steps: int) -> list[Method]:
    rng, few = subject.case.chance("zones checks"), slice(0, CHECKED)
    x, output = question.x, question.output
    controls: Mapping[str, Tensor] = {"brightness": brightness(x), "random": random_map(x, rng)}
    curves = {name: _curves(question, maps) for name, maps in controls.items()}
    others: list[Forward] = [randomised(subject, rng) for _ in range(RANDOM_NETWORKS)]
    ways, found = maps_by_name(question.background, steps), []
    for number, (name, way) in enumerate(ways.items()):
        parts = zip(torch.split(x, 25), torch.split(output, 25), strict=True)
        maps = torch.cat([way(forward, a, k) for a, k in parts])
        # The size of a gradient has no sign.
        # Signed maps: what moved a number away from that of the background counts for it, down or up.
        maps = maps if name == "gradient" else maps * question.sign[:, None, None]
        both = _curves(question, maps)
        found.append(
            Method(
                name=name, maps=maps, deletion=both[0], insertion=both[1],
                alike=randomised_weights(way, forward, others, x[few], output[few]).mean,
                advantage=beats_brightness(both, curves["brightness"], rng),
            )
        )  # fmt: skip
        asked.progress(number + 1, len(ways) + 1)
    found += [
        Method(name=name, maps=controls[name], deletion=d, insertion=i, alike=None, advantage=None)
        for name, (d, i) in curves.items()
    ]
    return found


def _curves(question: Question, maps: Tensor) -> tuple[Curve, Curve]:
    covered = question.background.expand_as(question.x)
    return turning(question.score, question.x, covered, maps), turning(question.score, covered, question.x, maps)


def _places(subject: Subject, forward: Pixels, background: Tensor, *, large: bool) -> tuple[Place | None, list[Place]]:
    """The place that decides by itself, if there is one, and all; none where nothing says what is right."""
    values = values_of(subject)
    if values is None:
        return None, []
    chosen = torch.randperm(len(subject.test), generator=subject.case.chance("places"))
    chosen = chosen[: PLACED_LARGE if large else PLACED]
    x, wanted = as_shares([subject.test.prepared[i] for i in chosen.tolist()]), values.wanted[chosen]
    right: Callable[[Tensor], Tensor] = lambda outputs: values.right(outputs, wanted)  # noqa: E731
    found = places(forward, x, right, background, step=1.0 if large else 0.5)
    with torch.no_grad():
        guessed = float(right(forward(background[None]).expand(len(x), -1)).float().mean())
    whole = float(right(subject.test.outputs[chosen]).float().mean())
    decides = found[0].alone.interval[0] - guessed > DECIDES_ALONE * max(0.05, whole - guessed)
    return (found[0] if decides else None), found


def _maps(subject: Subject, question: Question, chosen: Tensor, method: Method) -> Gallery:
    shown, part, case = [], subject.test, subject.case
    for i in range(min(SHOWN, len(question.x))):
        heat = method.maps[i].clamp(min=0)
        heat = heat / torch.quantile(heat.flatten(), 0.99).clamp(min=1e-12)
        number, k = int(chosen[i]), int(question.output[i])
        answer = float(part.answers[number, k])
        told = (
            f"{case.classes[k]} {percent(answer, 0)}"
            if case.task == "tag"
            else f"{answer:.4g} {case.record.spec.targets[0].unit}".rstrip()
        )
        caption = f"{case.record.names[int(part.positions[number])]}: {told}"
        shown.append(Shown(picture=as_array(question.x[i]), caption=caption, heat=heat.clamp(0, 1).numpy()))
    return Gallery(title=say("trust.zones.maps"), pictures=shown, note=say("trust.many.maps_note"))
