"""Do tiny changes fool it, where the answer is a class for every pixel? The share of the pixels that stays right."""

from typing import Final

import torch
from jaxtyping import Int
from torch import Tensor

from capas.core.figures import figure_text, percent
from capas.core.messages import say
from capas.tasks.metrics import Rate
from capas.tasks.segmentation import pixel_confusions, segmentation_figures
from capas.trust.adversarial import Attack, Loss, fgsm, pgd, random_noise
from capas.trust.asked import Asked
from capas.trust.attack_check import SelfCheck, broken, self_check
from capas.trust.blocks import Block, Gallery, Grid, Sentence, Shown
from capas.trust.many import Many
from capas.trust.many_masks import MaskAnswers
from capas.trust.pixel_attacks import EVERY_PIXEL
from capas.trust.pixels import as_array, as_shares
from capas.trust.theme import Finding, Theme
from capas.trust.themes.attacks_shown import (
    FRAGILE,
    SIZES,
    checks_said,
    not_valid,
    right_after_plot,
    right_after_table,
)

ATTACKED, ATTACKED_LARGE, CHECKED = 24, 10, 8
QUERIES, QUERIES_LARGE = 60, 15
STEPS, STEPS_LARGE = 20, 8
LARGE: Final = 128 * 128  # pixels
MIDDLE: Final = 1


def attacks_on_masks(asked: Asked, many: Many | None) -> Theme:
    """See the module; other kinds of many answers say why not."""
    answers = None if many is None else many.answers
    if many is None or not isinstance(answers, MaskAnswers):
        return Theme(name="attacks", not_computed_because=_why_not(many))
    if asked.level == "quick":
        return Theme(name="attacks", not_computed_because=say("trust.not_in_quick"))
    large = answers.model.preparation.shape[1] * answers.model.preparation.shape[2] > LARGE
    indices = [many.indices[i] for i in many.positions("test", ATTACKED_LARGE if large else ATTACKED)]
    x = as_shares([answers.prepared(i).prepared for i in indices])
    y = torch.stack([answers.mask(i) for i in indices]).long()
    rng, names, steps = asked.case.chance("attacks"), answers.model.classes, STEPS_LARGE if large else STEPS
    check = self_check(
        answers.forward, x[:CHECKED], y[:CHECKED], SIZES[MIDDLE], asked.case.chance("attacks checks"),
        kind=EVERY_PIXEL, batch=4, steps=steps, queries=QUERIES_LARGE if large else QUERIES,
    )  # fmt: skip
    asked.progress(1, 2 + len(SIZES))
    found: dict[str, list[Rate]] = {}
    overlap: dict[str, list[Rate]] = {}
    shown = x
    for number, eps in enumerate((0.0, *SIZES)):
        for name, attack in _attacks(answers, eps, steps, check.loss, rng).items():
            changed = torch.cat([attack(a, b) for a, b in zip(torch.split(x, 4), torch.split(y, 4), strict=True)])
            figures = segmentation_figures(_confusions(answers, changed, y), names)
            found.setdefault(name, []).append(figures.pixel_accuracy)
            overlap.setdefault(name, []).append(figures.mean_iou)
            shown = changed if name == "pgd" and number == MIDDLE + 1 else shown
        asked.progress(number + 2, 2 + len(SIZES))
    return _theme(answers, found, overlap, x, shown, check)


def _why_not(many: Many | None) -> str:
    reasons = {
        "words": say("trust.many.no_attack_words"),
        "frames": say("trust.many.no_attack_sounds"),
        "transcripts": say("trust.many.no_attack_transcripts"),
        "transforms": say("trust.many.no_attack_transforms"),
        "translations": say("trust.many.no_attack_words"),
    }
    return say("trust.zones.other_kind") if many is None else reasons[many.kind]


def _attacks(answers: MaskAnswers, eps: float, steps: int, loss: Loss, rng: torch.Generator) -> dict[str, Attack]:
    """At ε = 0 the pictures stay as they are."""
    forward = answers.forward
    ways: dict[str, Attack] = {
        "noise": lambda a, b: random_noise(a, eps, rng),
        "fgsm": lambda a, b: fgsm(forward, a, b, eps, loss=loss),
        # Few steps of a size that still crosses ±ε twice.
        "pgd": lambda a, b: pgd(forward, a, b, eps, steps=steps, step_size=4 * eps / steps, loss=loss),
    }
    return ways if eps else {name: lambda a, b: a for name in ways}


@torch.no_grad()
def _confusions(answers: MaskAnswers, pictures: Tensor, y: Tensor) -> Int[Tensor, "N K K"]:
    called = torch.cat([answers.forward(part).argmax(1) for part in torch.split(pictures, 4)])
    return pixel_confusions(called, y, len(answers.model.classes))


def _theme(
    answers: MaskAnswers,
    found: dict[str, list[Rate]],
    overlap: dict[str, list[Rate]],
    x: Tensor,
    changed: Tensor,
    check: SelfCheck,
) -> Theme:
    clean, left = found["noise"][0], {name: rates[1:] for name, rates in found.items()}
    facts: dict[str, object] = {
        "n": len(x),
        "right_means": "share_of_pixels",
        "sizes": [round(eps, 6) for eps in SIZES],
        "without": clean.as_json(),
        "right_after": {name: [one.as_json() for one in rates] for name, rates in left.items()},
        "mean_iou_after": {name: [one.as_json() for one in rates[1:]] for name, rates in overlap.items()},
        "self_check": {"failures": list(check.failures), "n": check.n},
    }
    findings = []
    failures = broken(check)
    if failures:
        findings.append(not_valid(failures))
    elif left["pgd"][MIDDLE].interval[1] < FRAGILE * left["noise"][MIDDLE].interval[0]:
        after, noise = (figure_text(left[name][MIDDLE].as_json()) for name in ("pgd", "noise"))
        text = say("trust.many.fragile_masks", size=percent(SIZES[MIDDLE], 0), after=after, noise=noise)
        findings.append(Finding(key="fragile", gravity="attention", text=text))
    note = say("trust.many.attacks_note_masks", n=len(x))
    blocks: list[Block] = [
        checks_said(failures),
        Sentence(text=say("trust.many.right_pixels", without=figure_text(clean.as_json()))),
        right_after_table(left, note),
        _overlap_table(overlap),
        right_after_plot(left),
        _pictures(answers, x, changed),
    ]
    return Theme(
        name="attacks", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.many.attacks_untested")]
    )


def _overlap_table(overlap: dict[str, list[Rate]]) -> Grid:
    heads = ["", *(say("trust.attacks.size", size=percent(eps, 1)) for eps in (0.0, *SIZES))]
    rows = [
        [say(f"trust.attacks.ways.{name}"), *(figure_text(one.as_json()) for one in rates)]
        for name, rates in overlap.items()
    ]
    return Grid(title=say("trust.many.overlap_after"), heads=heads, rows=rows, right=tuple(range(1, len(heads))))


@torch.no_grad()
def _pictures(answers: MaskAnswers, x: Tensor, changed: Tensor) -> Gallery:
    """A picture changed on purpose, and where its answer changed."""
    before, after = (answers.forward(part[:2]).argmax(1) for part in (x, changed))
    shown = []
    for i in range(len(before)):
        heat = (before[i] != after[i]).float().numpy()
        caption = say("trust.many.changed_pixels", share=percent(float(heat.mean()), 0))
        shown += [Shown(picture=as_array(changed[i]), caption=say("trust.many.changed_picture")),
                  Shown(picture=as_array(x[i]), caption=caption, heat=heat)]  # fmt: skip
    return Gallery(title=say("trust.attacks.fooled", size=percent(SIZES[MIDDLE], 1)), pictures=shown)
