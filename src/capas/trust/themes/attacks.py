"""Theme of adversarial attacks on image classifiers: accuracy under random noise and under attacks of the same size."""

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_metric, format_percent
from capas.metrics.rate import Rate
from capas.trust.attacks.autoattack import autoattack
from capas.trust.attacks.fgsm_pgd import fgsm, pgd, random_noise
from capas.trust.attacks.robust_accuracy import AttackFunction, accuracy_under_attack
from capas.trust.attacks.sanity_checks import AttackSanityCheck, invalidating_failures, run_sanity_checks
from capas.trust.columns_beside.attacks import held_columns_attacks_theme
from capas.trust.rendering.blocks import Block, CaptionedImage, ImageGallery
from capas.trust.subjects.image_inputs import UnitRangeImageModel, image_to_array, images_to_unit_range
from capas.trust.subjects.model_functions import ForwardFunction
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.attacks_blocks import (
    ATTACKED,
    ATTACKED_LARGE,
    EPSILONS,
    MIDDLE,
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
from capas.trust.themes.attacks_regression_multilabel import output_attacks_theme
from capas.trust.themes.attacks_segmentation import segmentation_attacks_theme
from capas.trust.themes.attacks_text_tabular_audio import input_perturbation_attacks_theme
from capas.trust.time_budget import OutOfTime, uninterrupted

CHECKED = 30
QUERIES, QUERIES_LARGE = 60, 20
SHOWN = 4


def attacks_theme(context: ThemeContext) -> Theme:
    """Return the theme of adversarial attacks, for any task and medium."""
    subject = context.subject
    if subject is None:
        return segmentation_attacks_theme(context, context.structured)
    if context.level == "quick":
        return Theme(name="attacks", not_computed_because=say("trust.not_in_quick"))
    images = subject.adapter.images
    if subject.adapter.content is not None:
        return held_columns_attacks_theme(context, subject)
    if images is None:
        return input_perturbation_attacks_theme(context, subject)
    if subject.run_context.task != "classify":
        return output_attacks_theme(context, subject, images)
    large = subject.adapter.is_expensive
    forward, rng = UnitRangeImageModel(images), subject.run_context.rng("attacks")
    most = ATTACKED_LARGE if large else ATTACKED * (2 if context.level == "deep" else 1)
    chosen = torch.randperm(len(subject.test), generator=rng)[:most]
    x, y = images_to_unit_range([subject.test.prepared[i] for i in chosen.tolist()]), subject.test.targets[chosen]
    steps = STEPS_LARGE if large else STEPS
    check = run_sanity_checks(
        forward, x[:CHECKED], y[:CHECKED], EPSILONS[1], rng, steps=steps, queries=QUERIES_LARGE if large else QUERIES
    )
    context.progress(1, len(EPSILONS) + 1)
    found: dict[str, list[Rate]] = {}
    shown = Tensor()
    began = context.deadline.clock()
    for number, eps in enumerate(EPSILONS):
        if not context.deadline.allows_another(number, began):
            break
        ways = _attacks(forward, eps, check, rng, steps, deep=context.level == "deep")
        try:
            outcomes = {
                name: accuracy_under_attack(forward, x, y, attack, batch=32 if large else 256)
                for name, attack in ways.items()
            }
        except OutOfTime:
            if not found:
                raise
            break
        for name, outcome in outcomes.items():
            found.setdefault(name, []).append(outcome.accuracy)
        if number <= MIDDLE:
            shown = outcomes["pgd"].adversarial
        context.progress(number + 2, len(EPSILONS) + 1)
    with uninterrupted():
        return _theme(context, subject, forward, x, y, shown, found, check)


def _attacks(
    forward: ForwardFunction, eps: float, check: AttackSanityCheck, rng: torch.Generator, steps: int, *, deep: bool
) -> dict[str, AttackFunction]:
    restarts = 5 if deep else 1
    ways: dict[str, AttackFunction] = {
        "noise": lambda a, b: random_noise(a, eps, rng),
        "fgsm": lambda a, b: fgsm(forward, a, b, eps, loss=check.loss),
        "pgd": lambda a, b: pgd(forward, a, b, eps, steps=steps, generator=rng, restarts=restarts, loss=check.loss),
    }
    if deep:
        ways["strong"] = lambda a, b: autoattack(forward, a, b, eps, rng)
    return ways


def _theme(
    context: ThemeContext,
    subject: ModelUnderTest,
    forward: ForwardFunction,
    x: Tensor,
    y: Tensor,
    adversarial: Tensor,
    found: dict[str, list[Rate]],
    check: AttackSanityCheck,
) -> Theme:
    failures = invalidating_failures(check)
    facts: dict[str, object] = {
        "n": len(x),
        "sizes": [round(eps, 6) for eps in sizes_attacked(found)],
        "right_after": {name: [rate.as_json() for rate in rates] for name, rates in found.items()},
        "self_check": {"failures": list(check.failures), "n": check.n},
    }
    strongest = found["strong" if "strong" in found else "pgd"]
    sizes = sizes_attacked(found)
    middle = judged_size(found)
    findings = []
    if failures:
        findings.append(invalid_attack_finding(failures))
    elif fragility(found["noise"][middle], strongest[middle]) == "fragile":
        text = say(
            "trust.attacks.fragile",
            size=format_percent(sizes[middle], 0),
            after=format_metric(strongest[middle].as_json()),
            noise=format_metric(found["noise"][middle].as_json()),
        )
        findings.append(Finding(key="fragile", gravity="attention", text=text))
    blocks: list[Block] = [
        sanity_check_sentence(failures),
        robust_accuracy_table(found, say("trust.attacks.note", n=len(x))),
        robust_accuracy_plot(found),
        *_gallery(subject, forward, x, y, adversarial, sizes[middle]),
    ]
    left_out = sizes_left_out(context, found)
    return Theme(
        name="attacks",
        facts=facts,
        blocks=blocks,
        findings=findings,
        untested=[say("trust.attacks.untested")],
        partly_tested=[*hardly_attacked(context, found["noise"][middle], strongest[middle]), *left_out],
        out_of_time=bool(left_out),
    )


def _gallery(
    subject: ModelUnderTest, forward: ForwardFunction, x: Tensor, y: Tensor, adversarial: Tensor, size: float
) -> list[Block]:
    """Images whose answer changes of ``size`` changed: before, after."""
    with torch.no_grad():
        before, after = forward(x), forward(adversarial)
    fooled = ((before.argmax(1) == y) & (after.argmax(1) != y)).nonzero().flatten()[:SHOWN].tolist()
    shown = []
    for i in fooled:
        for logits, picture, key in ((before[i], x[i], "before"), (after[i], adversarial[i], "after")):
            best = int(logits.argmax())
            caption = say(
                f"trust.attacks.{key}",
                name=subject.run_context.classes[best],
                probability=format_percent(float(logits.softmax(0)[best]), 0),
            )
            shown.append(CaptionedImage(image=image_to_array(picture), caption=caption))
    title = say("trust.attacks.fooled", size=format_percent(size, 1))
    return [ImageGallery(title=title, images=shown)] if shown else []
