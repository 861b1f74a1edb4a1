"""Do tiny changes fool it, where the answer is numbers or tags of a picture?"""

from typing import Final

import torch
from torch import Tensor

from capas.core.figures import figure_text, percent
from capas.core.messages import say
from capas.engine.recipes.pictures import PictureReader
from capas.tasks.metrics import Rate
from capas.trust.adversarial import Attack, Forward, accuracy_under, ascent, fgsm, pgd, random_noise
from capas.trust.asked import Asked
from capas.trust.attack_check import NEGLIGIBLE, SLACK, VANISHING_SHARE, Failure
from capas.trust.blocks import Block, Sentence
from capas.trust.pixels import Pixels, as_shares
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme
from capas.trust.themes.attacks_shown import FRAGILE, SIZES, right_after_plot, right_after_table
from capas.trust.values import Values, values_of

ATTACKED, ATTACKED_LARGE = 150, 16
STEPS, STEPS_LARGE = 40, 10
MIDDLE: Final = 1  # the size that the verdict goes by


def attacks_on_values(asked: Asked, subject: Subject) -> Theme:
    """See the module."""
    values = values_of(subject)
    if values is None:
        return Theme(name="attacks", not_computed_because=say("trust.many.no_interval"))
    assert isinstance(subject.reader, PictureReader)
    large = subject.costly
    forward, rng = Pixels(subject.reader), subject.case.chance("attacks")
    chosen = torch.randperm(len(subject.test), generator=rng)[: ATTACKED_LARGE if large else ATTACKED]
    x, y = as_shares([subject.test.prepared[i] for i in chosen.tolist()]), values.wanted[chosen]
    steps, batch = (STEPS_LARGE, 16) if large else (STEPS, 128)
    found: dict[str, list[Rate]] = {}
    for number, eps in enumerate(SIZES):
        for name, attack in _attacks(forward, values, eps, steps, rng).items():
            outcome = accuracy_under(forward, x, y, attack, batch=batch, right=values.right)
            found.setdefault(name, []).append(outcome.accuracy)
        asked.progress(number + 1, len(SIZES))
    return _theme(subject, found, _failures(found, _vanishing(forward, values, x, y)), len(x))


def _attacks(forward: Forward, values: Values, eps: float, steps: int, rng: torch.Generator) -> dict[str, Attack]:
    return {
        "noise": lambda a, b: random_noise(a, eps, rng),
        "fgsm": lambda a, b: fgsm(forward, a, b, eps, loss=values.loss),
        "pgd": lambda a, b: pgd(
            forward, a, b, eps, steps=steps, generator=rng, loss=values.loss, right=values.right
        ),
    }  # fmt: skip


def _vanishing(forward: Forward, values: Values, x: Tensor, y: Tensor) -> float:
    """The share of (at most 30) pictures whose gradient is next to nothing everywhere."""
    largest = ascent(forward, x[:30], y[:30], values.loss).flatten(1).abs().amax(1)
    return float((largest < NEGLIGIBLE).float().mean())


def _failures(found: dict[str, list[Rate]], vanishing: float) -> list[Failure]:
    """Signs that the attacks were measured wrongly, as far as they mean something here."""
    noise, one_step, many_steps = (found[name][MIDDLE].value for name in ("noise", "fgsm", "pgd"))
    signs = {
        Failure.VANISHING: vanishing > VANISHING_SHARE,
        Failure.WEAKER_THAN_NOISE: many_steps > noise + SLACK,
        Failure.WEAKER_THAN_ONE_STEP: many_steps > one_step + SLACK,
    }
    return [failure for failure, seen in signs.items() if seen]


def _theme(subject: Subject, found: dict[str, list[Rate]], failures: list[Failure], n: int) -> Theme:
    tags = subject.case.task == "tag"
    findings = []
    if failures:
        names = "; ".join(say(f"trust.attacks.failures.{failure.value}") for failure in failures)
        text = say("trust.attacks.invalid", names=names)
        findings.append(Finding(key="attacks_not_valid", gravity="problem", text=text))
    elif found["pgd"][MIDDLE].interval[1] < FRAGILE * found["noise"][MIDDLE].interval[0]:
        after, noise = (figure_text(found[name][MIDDLE].as_json()) for name in ("pgd", "noise"))
        text = say("trust.attacks.fragile", size=percent(SIZES[MIDDLE], 0), after=after, noise=noise)
        findings.append(Finding(key="fragile", gravity="attention", text=text))
    facts: dict[str, object] = {
        "n": n,
        "right_means": "same_tags" if tags else "inside_interval",
        "sizes": [round(eps, 6) for eps in SIZES],
        "right_after": {name: [one.as_json() for one in rates] for name, rates in found.items()},
        "self_check": {"failures": [str(failure) for failure in failures], "n": n},
    }
    blocks: list[Block] = [
        Sentence(text=say("trust.many.right_tags") if tags else say("trust.many.right_numbers")),
        Sentence(text=say("trust.attacks.no_verdict"), tone="problem")
        if failures
        else Sentence(text=say("trust.attacks.passed"), tone="good"),
        right_after_table(found, say("trust.attacks.note", n=n)),
        right_after_plot(found),
    ]
    return Theme(
        name="attacks", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.attacks.untested")]
    )
