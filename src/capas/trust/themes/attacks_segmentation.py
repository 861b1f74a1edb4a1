"""Theme of adversarial attacks on segmentation models: the share of pixels that stays correct."""

from typing import Final

import torch
from jaxtyping import Int
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_metric, format_percent
from capas.metrics.rate import Rate
from capas.metrics.segmentation import pixel_confusions, segmentation_metrics
from capas.trust.attacks.fgsm_pgd import fgsm, pgd, random_noise
from capas.trust.attacks.robust_accuracy import AttackFunction
from capas.trust.attacks.sanity_checks import AttackSanityCheck, invalidating_failures, run_sanity_checks
from capas.trust.attacks.segmentation_losses import PER_PIXEL_TASK
from capas.trust.rendering.blocks import Block, CaptionedImage, Grid, ImageGallery, Sentence
from capas.trust.subjects.image_inputs import image_to_array
from capas.trust.subjects.model_functions import ExampleLoss
from capas.trust.subjects.structured import PixelClassifier, StructuredModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext, hardly_tested
from capas.trust.themes.attacks_blocks import (
    EPSILONS,
    FRAGILE,
    invalid_attack_finding,
    robust_accuracy_plot,
    robust_accuracy_table,
    sanity_check_sentence,
)

ATTACKED, ATTACKED_LARGE, CHECKED = 24, 10, 8
QUERIES, QUERIES_LARGE = 60, 15
STEPS, STEPS_LARGE = 20, 8
LARGE: Final = 128 * 128  # pixels
MIDDLE: Final = 1
MIN_PICTURES: Final = 10  # each of many pixels


def segmentation_attacks_theme(context: ThemeContext, structured: StructuredModelUnderTest | None) -> Theme:
    """Return the theme for segmentation; other structured outputs say why there is none."""
    if structured is None:
        return Theme(name="attacks", not_computed_because=say("trust.zones.other_kind"))
    model = structured.adapter.pixels
    if model is None:
        return Theme(name="attacks", not_computed_because=say(structured.adapter.no_attacks))
    if context.level == "quick":
        return Theme(name="attacks", not_computed_because=say("trust.not_in_quick"))
    large = model.num_pixels > LARGE
    indices = [structured.indices[i] for i in structured.positions("test", ATTACKED_LARGE if large else ATTACKED)]
    x = torch.stack([model.image(i) for i in indices])
    y = torch.stack([model.mask(i) for i in indices]).long()
    rng, names, steps = context.run_context.rng("attacks"), model.classes, STEPS_LARGE if large else STEPS
    check = run_sanity_checks(
        model.forward, x[:CHECKED], y[:CHECKED], EPSILONS[MIDDLE], context.run_context.rng("attacks checks"),
        task_spec=PER_PIXEL_TASK, batch=4, steps=steps, queries=QUERIES_LARGE if large else QUERIES,
    )  # fmt: skip
    context.progress(1, 2 + len(EPSILONS))
    found: dict[str, list[Rate]] = {}
    overlap: dict[str, list[Rate]] = {}
    shown = x
    for number, eps in enumerate((0.0, *EPSILONS)):
        for name, attack in _attacks(model, eps, steps, check.loss, rng).items():
            adversarial = torch.cat([attack(a, b) for a, b in zip(torch.split(x, 4), torch.split(y, 4), strict=True)])
            figures = segmentation_metrics(_confusions(model, adversarial, y), names)
            found.setdefault(name, []).append(figures.pixel_accuracy)
            overlap.setdefault(name, []).append(figures.mean_iou)
            shown = adversarial if name == "pgd" and number == MIDDLE + 1 else shown
        context.progress(number + 2, 2 + len(EPSILONS))
    return _theme(context, model, found, overlap, x, shown, check)


def _attacks(
    model: PixelClassifier, eps: float, steps: int, loss: ExampleLoss, rng: torch.Generator
) -> dict[str, AttackFunction]:
    """At ε = 0 the images stay as they are."""
    forward = model.forward
    ways: dict[str, AttackFunction] = {
        "noise": lambda a, b: random_noise(a, eps, rng),
        "fgsm": lambda a, b: fgsm(forward, a, b, eps, loss=loss),
        "pgd": lambda a, b: pgd(forward, a, b, eps, steps=steps, loss=loss),
    }
    return ways if eps else {name: lambda a, b: a for name in ways}


@torch.no_grad()
def _confusions(model: PixelClassifier, pictures: Tensor, y: Tensor) -> Int[Tensor, "N K K"]:
    predicted = torch.cat([model.forward(part).argmax(1) for part in torch.split(pictures, 4)])
    return pixel_confusions(predicted, y, len(model.classes))


def _theme(
    context: ThemeContext,
    model: PixelClassifier,
    found: dict[str, list[Rate]],
    overlap: dict[str, list[Rate]],
    x: Tensor,
    adversarial: Tensor,
    check: AttackSanityCheck,
) -> Theme:
    clean, left = found["noise"][0], {name: rates[1:] for name, rates in found.items()}
    facts: dict[str, object] = {
        "n": len(x),
        "right_means": "share_of_pixels",
        "sizes": [round(eps, 6) for eps in EPSILONS],
        "without": clean.as_json(),
        "right_after": {name: [one.as_json() for one in rates] for name, rates in left.items()},
        "mean_iou_after": {name: [one.as_json() for one in rates[1:]] for name, rates in overlap.items()},
        "self_check": {"failures": list(check.failures), "n": check.n},
    }
    findings = []
    failures = invalidating_failures(check)
    if failures:
        findings.append(invalid_attack_finding(failures))
    elif left["pgd"][MIDDLE].interval[1] < FRAGILE * left["noise"][MIDDLE].interval[0]:
        after, noise = (format_metric(left[name][MIDDLE].as_json()) for name in ("pgd", "noise"))
        text = say("trust.many.fragile_masks", size=format_percent(EPSILONS[MIDDLE], 0), after=after, noise=noise)
        findings.append(Finding(key="fragile", gravity="attention", text=text))
    note = say("trust.many.attacks_note_masks", n=len(x))
    blocks: list[Block] = [
        sanity_check_sentence(failures),
        Sentence(text=say("trust.many.right_pixels", without=format_metric(clean.as_json()))),
        robust_accuracy_table(left, note),
        _overlap_table(overlap),
        robust_accuracy_plot(left),
        _pictures(model, x, adversarial),
    ]
    return Theme(
        name="attacks",
        facts=facts,
        blocks=blocks,
        findings=findings,
        untested=[say("trust.many.attacks_untested")],
        partly_tested=hardly_tested(context, len(x), MIN_PICTURES),
    )


def _overlap_table(overlap: dict[str, list[Rate]]) -> Grid:
    heads = ["", *(say("trust.attacks.size", size=format_percent(eps, 1)) for eps in (0.0, *EPSILONS))]
    rows = [
        [say(f"trust.attacks.ways.{name}"), *(format_metric(one.as_json()) for one in rates)]
        for name, rates in overlap.items()
    ]
    return Grid(title=say("trust.many.overlap_after"), heads=heads, rows=rows, right=tuple(range(1, len(heads))))


@torch.no_grad()
def _pictures(model: PixelClassifier, x: Tensor, adversarial: Tensor) -> ImageGallery:
    """An image changed on purpose, and where its answer changed."""
    before, after = (model.forward(part[:2]).argmax(1) for part in (x, adversarial))
    shown = []
    for i in range(len(before)):
        heat = (before[i] != after[i]).float().numpy()
        caption = say("trust.many.changed_pixels", share=format_percent(float(heat.mean()), 0))
        shown += [CaptionedImage(image=image_to_array(adversarial[i]), caption=say("trust.many.changed_picture")),
                  CaptionedImage(image=image_to_array(x[i]), caption=caption, heatmap=heat)]  # fmt: skip
    return ImageGallery(title=say("trust.attacks.fooled", size=format_percent(EPSILONS[MIDDLE], 1)), images=shown)
