"""Do tiny changes fool it? Noise of a given size, then changes of the same size made on purpose, beside each other."""

import torch
from torch import Tensor

from capas.core.figures import figure_text, percent
from capas.core.messages import say
from capas.engine.recipes.pictures import PictureReader
from capas.tasks.metrics import Rate
from capas.trust.adversarial import Attack, Forward, accuracy_under, fgsm, pgd, random_noise
from capas.trust.asked import Asked
from capas.trust.attack_check import SelfCheck, broken, self_check
from capas.trust.blocks import Block, Gallery, Shown
from capas.trust.pixels import Pixels, as_array, as_shares
from capas.trust.strong_attack import strong
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme
from capas.trust.themes.attacks_on_masks import attacks_on_masks
from capas.trust.themes.attacks_on_parts import attacks_on_parts
from capas.trust.themes.attacks_on_values import attacks_on_values
from capas.trust.themes.attacks_shown import (
    FRAGILE,
    SIZES,
    checks_said,
    not_valid,
    right_after_plot,
    right_after_table,
)

ATTACKED, ATTACKED_LARGE, CHECKED = 150, 16, 30
STEPS, STEPS_LARGE = 40, 10
QUERIES, QUERIES_LARGE = 60, 20
SHOWN = 4


def attacks(asked: Asked) -> Theme:
    """See the module."""
    subject = asked.subject
    if subject is None:
        return attacks_on_masks(asked, asked.many)
    if asked.level == "quick":
        return Theme(name="attacks", not_computed_because=say("trust.not_in_quick"))
    if not isinstance(subject.reader, PictureReader):
        return attacks_on_parts(asked, subject)
    if subject.case.task != "classify":
        return attacks_on_values(asked, subject)
    large = subject.costly
    forward, rng = Pixels(subject.reader), subject.case.chance("attacks")
    most = ATTACKED_LARGE if large else ATTACKED * (2 if asked.level == "deep" else 1)
    chosen = torch.randperm(len(subject.test), generator=rng)[:most]
    x, y = as_shares([subject.test.prepared[i] for i in chosen.tolist()]), subject.test.targets[chosen]
    steps = STEPS_LARGE if large else STEPS
    check = self_check(
        forward, x[:CHECKED], y[:CHECKED], SIZES[1], rng, steps=steps, queries=QUERIES_LARGE if large else QUERIES
    )
    asked.progress(1, len(SIZES) + 1)
    found: dict[str, list[Rate]] = {}
    shown = Tensor()
    for number, eps in enumerate(SIZES):
        for name, attack in _attacks(forward, eps, check, rng, steps, deep=asked.level == "deep").items():
            outcome = accuracy_under(forward, x, y, attack, batch=32 if large else 256)
            found.setdefault(name, []).append(outcome.accuracy)
            if name == "pgd" and number == 1:
                shown = outcome.changed
        asked.progress(number + 2, len(SIZES) + 1)
    return _theme(subject, forward, x, y, shown, found, check)


def _attacks(
    forward: Forward, eps: float, check: SelfCheck, rng: torch.Generator, steps: int, *, deep: bool
) -> dict[str, Attack]:
    restarts = 5 if deep else 1
    ways: dict[str, Attack] = {
        "noise": lambda a, b: random_noise(a, eps, rng),
        "fgsm": lambda a, b: fgsm(forward, a, b, eps, loss=check.loss),
        "pgd": lambda a, b: pgd(forward, a, b, eps, steps=steps, generator=rng, restarts=restarts, loss=check.loss),
    }
    if deep:
        ways["strong"] = lambda a, b: strong(forward, a, b, eps, rng)
    return ways


def _theme(
    subject: Subject,
    forward: Forward,
    x: Tensor,
    y: Tensor,
    changed: Tensor,
    found: dict[str, list[Rate]],
    check: SelfCheck,
) -> Theme:
    failures = broken(check)
    facts: dict[str, object] = {
        "n": len(x),
        "sizes": [round(eps, 6) for eps in SIZES],
        "right_after": {name: [rate.as_json() for rate in rates] for name, rates in found.items()},
        "self_check": {"failures": list(check.failures), "n": check.n},
    }
    strongest = found["strong" if "strong" in found else "pgd"]
    findings = []
    if failures:
        findings.append(not_valid(failures))
    elif strongest[1].interval[1] < FRAGILE * found["noise"][1].interval[0]:
        text = say(
            "trust.attacks.fragile",
            size=percent(SIZES[1], 0),
            after=figure_text(strongest[1].as_json()),
            noise=figure_text(found["noise"][1].as_json()),
        )
        findings.append(Finding(key="fragile", gravity="attention", text=text))
    blocks: list[Block] = [
        checks_said(failures),
        right_after_table(found, say("trust.attacks.note", n=len(x))),
        right_after_plot(found),
        *_gallery(subject, forward, x, y, changed),
    ]
    return Theme(
        name="attacks", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.attacks.untested")]
    )


def _gallery(subject: Subject, forward: Forward, x: Tensor, y: Tensor, changed: Tensor) -> list[Block]:
    """Pictures whose answer the middle size changed: before, after."""
    with torch.no_grad():
        before, after = forward(x), forward(changed)
    fooled = ((before.argmax(1) == y) & (after.argmax(1) != y)).nonzero().flatten()[:SHOWN].tolist()
    shown = []
    for i in fooled:
        for logits, picture, key in ((before[i], x[i], "before"), (after[i], changed[i], "after")):
            best = int(logits.argmax())
            caption = say(
                f"trust.attacks.{key}",
                name=subject.case.classes[best],
                probability=percent(float(logits.softmax(0)[best]), 0),
            )
            shown.append(Shown(picture=as_array(picture), caption=caption))
    title = say("trust.attacks.fooled", size=percent(SIZES[1], 1))
    return [Gallery(title=title, pictures=shown)] if shown else []
