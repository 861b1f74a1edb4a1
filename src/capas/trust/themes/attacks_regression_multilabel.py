"""Theme of adversarial attacks on image models that predict numbers or tags."""

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_metric, format_percent
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.metrics.rate import Rate
from capas.trust.attacks.fgsm_pgd import fgsm, input_gradient, pgd, random_noise
from capas.trust.attacks.robust_accuracy import AttackFunction, accuracy_under_attack
from capas.trust.attacks.sanity_checks import NEGLIGIBLE, SLACK, VANISHING_SHARE, SanityCheckFailure
from capas.trust.rendering.blocks import Block, Sentence
from capas.trust.subjects.image_inputs import UnitRangeImageModel, images_to_unit_range
from capas.trust.subjects.model_functions import ForwardFunction
from capas.trust.subjects.regression_multilabel import OutputTargets, output_targets
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.attacks_blocks import (
    ATTACKED,
    ATTACKED_LARGE,
    EPSILONS,
    STEPS,
    STEPS_LARGE,
    fragility,
    hardly_attacked,
    invalid_attack_finding,
    judged_size,
    robust_accuracy_plot,
    robust_accuracy_table,
    sanity_check_sentence,
    sizes_attacked,
    sizes_left_out,
)
from capas.trust.time_budget import OutOfTime, uninterrupted


def output_attacks_theme(context: ThemeContext, subject: ModelUnderTest, images: ImageReader) -> Theme:
    """Return the theme for regression and multi-label models."""
    values = output_targets(subject)
    if values is None:
        return Theme(name="attacks", not_computed_because=say("trust.many.no_interval"))
    large = subject.adapter.is_expensive
    forward, rng = UnitRangeImageModel(images), subject.run_context.rng("attacks")
    chosen = torch.randperm(len(subject.test), generator=rng)[: ATTACKED_LARGE if large else ATTACKED]
    x, y = images_to_unit_range([subject.test.prepared[i] for i in chosen.tolist()]), values.targets[chosen]
    steps, batch = (STEPS_LARGE, 16) if large else (STEPS, 128)
    found: dict[str, list[Rate]] = {}
    began = context.deadline.clock()
    for number, eps in enumerate(EPSILONS):
        if not context.deadline.allows_another(number, began):
            break
        try:
            rates = {
                name: accuracy_under_attack(forward, x, y, attack, batch=batch, is_correct=values.is_correct).accuracy
                for name, attack in _attacks(forward, values, eps, steps, rng).items()
            }
        except OutOfTime:
            if not found:
                raise
            break
        for name, accuracy in rates.items():
            found.setdefault(name, []).append(accuracy)
        context.progress(number + 1, len(EPSILONS))
    with uninterrupted():
        return _theme(context, subject, found, _failures(found, _vanishing(forward, values, x, y)), len(x))


def _attacks(
    forward: ForwardFunction, values: OutputTargets, eps: float, steps: int, rng: torch.Generator
) -> dict[str, AttackFunction]:
    return {
        "noise": lambda a, b: random_noise(a, eps, rng),
        "fgsm": lambda a, b: fgsm(forward, a, b, eps, loss=values.loss),
        "pgd": lambda a, b: pgd(
            forward, a, b, eps, steps=steps, generator=rng, loss=values.loss, is_correct=values.is_correct
        ),
    }  # fmt: skip


def _vanishing(forward: ForwardFunction, values: OutputTargets, x: Tensor, y: Tensor) -> float:
    """The share of (at most 30) images whose gradient is next to nothing everywhere."""
    largest = input_gradient(forward, x[:30], y[:30], values.loss).flatten(1).abs().amax(1)
    return float((largest < NEGLIGIBLE).float().mean())


def _failures(found: dict[str, list[Rate]], vanishing: float) -> list[SanityCheckFailure]:
    """Signs that the attacks were measured wrongly, as far as they mean something here."""
    noise, one_step, many_steps = (found[name][judged_size(found)].value for name in ("noise", "fgsm", "pgd"))
    signs = {
        SanityCheckFailure.VANISHING: vanishing > VANISHING_SHARE,
        SanityCheckFailure.WEAKER_THAN_NOISE: many_steps > noise + SLACK,
        SanityCheckFailure.WEAKER_THAN_ONE_STEP: many_steps > one_step + SLACK,
    }
    return [failure for failure, seen in signs.items() if seen]


def _theme(
    context: ThemeContext,
    subject: ModelUnderTest,
    found: dict[str, list[Rate]],
    failures: list[SanityCheckFailure],
    n: int,
) -> Theme:
    tags, judged, left_out = subject.run_context.task == "tag", judged_size(found), sizes_left_out(context, found)
    findings = []
    if failures:
        findings.append(invalid_attack_finding(failures))
    elif fragility(found["noise"][judged], found["pgd"][judged]) == "fragile":
        after, noise = (format_metric(found[name][judged].as_json()) for name in ("pgd", "noise"))
        text = say("trust.attacks.fragile", size=format_percent(EPSILONS[judged], 0), after=after, noise=noise)
        findings.append(Finding(key="fragile", gravity="attention", text=text))
    facts: dict[str, object] = {
        "n": n,
        "right_means": "same_tags" if tags else "inside_interval",
        "sizes": [round(eps, 6) for eps in sizes_attacked(found)],
        "right_after": {name: [one.as_json() for one in rates] for name, rates in found.items()},
        "self_check": {"failures": [str(failure) for failure in failures], "n": n},
    }
    blocks: list[Block] = [
        Sentence(text=say("trust.many.right_tags") if tags else say("trust.many.right_numbers")),
        sanity_check_sentence(failures),
        robust_accuracy_table(found, say("trust.attacks.note", n=n)),
        robust_accuracy_plot(found),
    ]
    return Theme(
        name="attacks",
        facts=facts,
        blocks=blocks,
        findings=findings,
        untested=[say("trust.attacks.untested")],
        partly_tested=[*hardly_attacked(context, found["noise"][judged], found["pgd"][judged]), *left_out],
        out_of_time=bool(left_out),
    )
