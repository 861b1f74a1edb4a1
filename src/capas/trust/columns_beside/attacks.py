"""Theme of attacks on the pictures or sounds of a model that takes columns beside them, each row's cells held fixed."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_metric, format_percent
from capas.engine.recipes.single_output.columns_beside.predictor import ReaderWithColumns
from capas.metrics.rate import Rate, rate
from capas.trust.attacks.fgsm_pgd import pgd, random_noise
from capas.trust.columns_beside.held_columns import forward_with_held_columns, unit_range_contents
from capas.trust.rendering.blocks import Block, Grid, Sentence
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.attacks_blocks import EPSILONS, fragility, hardly_attacked

LOUDNESS: Final = (0.0005, 0.002, 0.008)  # of the half range; full scale is 0.5
ATTACKED, ATTACKED_LARGE, BATCH = 100, 16, 25
STEPS, STEPS_LARGE = 20, 10


def held_columns_attacks_theme(context: ThemeContext, subject: ModelUnderTest) -> Theme:
    """Return the theme; answers other than classes are not attacked."""
    if subject.run_context.task != "classify":
        return Theme(name="attacks", not_computed_because=say("trust.beside.only_classes"))
    heard = subject.adapter.content.audio if subject.adapter.content else None
    if heard is not None and not heard.differentiable:
        return Theme(name="attacks", not_computed_because=say("hub.no_gradients"))
    large, sounds = subject.adapter.is_expensive, subject.run_context.medium == "audio"
    rng = subject.run_context.rng("attacks")
    chosen = torch.randperm(len(subject.test), generator=rng)[: ATTACKED_LARGE if large else ATTACKED]
    sizes = LOUDNESS if sounds else EPSILONS
    found: dict[str, list[Rate]] = {"noise": [], "chosen": []}
    for number, eps in enumerate(sizes):
        right = _right_after(subject, chosen, eps, rng, STEPS_LARGE if large else STEPS)
        for name, count in right.items():
            found[name].append(rate(count, len(chosen)))
        context.progress(number + 1, len(sizes))
    shown = [format_percent(2 * eps if sounds else eps) for eps in sizes]
    return _theme(context, shown, found, len(chosen))


def _right_after(
    subject: ModelUnderTest, chosen: Tensor, eps: float, rng: torch.Generator, steps: int
) -> dict[str, int]:
    """How many are right before and after random noise, and a search, of size ``eps``."""
    reader = subject.reader
    assert isinstance(reader, ReaderWithColumns)
    right = {"noise": 0, "chosen": 0}
    for part in torch.split(chosen, BATCH):
        prepared = [subject.test.prepared[i] for i in part.tolist()]
        forward = forward_with_held_columns(reader, prepared)
        x, y = unit_range_contents(reader, prepared), subject.test.targets[part]
        changed = {"noise": random_noise(x, eps, rng), "chosen": pgd(forward, x, y, eps, steps=steps)}
        with torch.no_grad():
            before = forward(x).argmax(1) == y
            for name, other in changed.items():
                right[name] += int((before & (forward(other).argmax(1) == y)).sum())
    return right


def _theme(context: ThemeContext, sizes: Sequence[str], found: dict[str, list[Rate]], n: int) -> Theme:
    ways = {"noise": say("trust.beside.attack_noise"), "chosen": say("trust.beside.attack_chosen")}
    rows = [[ways[name], *(format_metric(one.as_json()) for one in rates)] for name, rates in found.items()]
    middle = len(sizes) // 2
    findings = []
    if fragility(found["noise"][middle], found["chosen"][middle]) == "fragile":
        after, noise = (format_metric(found[name][middle].as_json()) for name in ("chosen", "noise"))
        text = say("trust.beside.fragile", size=sizes[middle], after=after, noise=noise)
        findings.append(Finding(key="fragile", gravity="attention", text=text))
    facts: dict[str, object] = {
        "n": n,
        "kind": "columns_held",
        "sizes": list(sizes),
        "right_after": {name: [one.as_json() for one in rates] for name, rates in found.items()},
    }
    heads = ["", *sizes]
    blocks: list[Block] = [
        Sentence(text=say("trust.beside.attack_about", n=n)),
        Grid(title=say("trust.attacks.right_after"), heads=heads, rows=rows, right=tuple(range(1, len(heads)))),
    ]
    return Theme(
        name="attacks",
        facts=facts,
        blocks=blocks,
        findings=findings,
        untested=[say("trust.beside.attack_untested")],
        partly_tested=hardly_attacked(context, found["noise"][middle], found["chosen"][middle]),
    )
