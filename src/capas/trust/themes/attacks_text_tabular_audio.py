"""Theme of adversarial attacks on texts (typos), rows (numbers a little off) and audio (faint noise)."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_metric, format_percent
from capas.data.tabular.preprocess import EncodedRows
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.metrics.rate import Rate, rate
from capas.trust.attacks.fgsm_pgd import pgd, random_noise
from capas.trust.attacks.robust_accuracy import AttackFunction, accuracy_under_attack
from capas.trust.attacks.sanity_checks import run_sanity_checks
from capas.trust.attacks.text_tabular_perturbations import (
    CandidatePerturbations,
    greedy_attack,
    numeric_perturbations,
    random_perturbations,
    typo_perturbations,
)
from capas.trust.rendering.blocks import Block, Grid, Sentence
from capas.trust.subjects.audio_inputs import UnitRangeAudioModel, waveforms_to_unit_range
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext

ATTACKED = 100
TYPOS = (1, 2, 4)
NUDGES = (0.1, 0.25, 0.5)
LOUDNESS = (0.0005, 0.002, 0.008)  # of the half range; full scale is 0.5
FRAGILE = 0.5


def input_perturbation_attacks_theme(context: ThemeContext, subject: ModelUnderTest) -> Theme:
    """Return the theme for text, tabular and audio inputs."""
    if subject.run_context.task != "classify":
        return Theme(name="attacks", not_computed_because=say("trust.attacks.only_classes"))
    rng = subject.run_context.rng("attacks")
    chosen = torch.randperm(len(subject.test), generator=rng)[:ATTACKED].tolist()
    if isinstance(subject.reader, TextReader):
        texts = [subject.test.prepared[i] for i in chosen]
        found = _greedily(context, subject, chosen, [typo_perturbations(str(text), rng) for text in texts], TYPOS, rng)
        return _theme("typos", [str(n) for n in TYPOS], found, len(chosen), subject)
    if isinstance(subject.reader, TabularReader):
        columns: dict[str, list[Rate]] = {"noise": [], "chosen": []}
        for size in NUDGES:
            ways = [
                numeric_perturbations(row, size)
                for row in (subject.test.prepared[i] for i in chosen)
                if isinstance(row, EncodedRows)
            ]
            if not any(way.count for way in ways):
                return Theme(name="attacks", not_computed_because=say("trust.attacks.no_numbers"))
            one = _greedily(context, subject, chosen, ways, (1,), rng)
            for name, rates in one.items():
                columns[name] += rates
        return _theme("nudges", [format_percent(size, 0) for size in NUDGES], columns, len(chosen), subject)
    if isinstance(subject.reader, AudioReader):
        return _sounds(context, subject, chosen, rng)
    return Theme(name="attacks", not_computed_because=say("trust.zones.other_kind"))


def _greedily(
    context: ThemeContext,
    subject: ModelUnderTest,
    chosen: Sequence[int],
    ways: Sequence[CandidatePerturbations],
    sizes: Sequence[int],
    rng: torch.Generator,
) -> dict[str, list[Rate]]:
    right = {name: [0] * len(sizes) for name in ("noise", "chosen")}
    for number, (i, changes) in enumerate(zip(chosen, ways, strict=True)):
        score = _margin(subject, int(subject.test.targets[i]))
        order = greedy_attack(changes, score, max(sizes)) if changes.count else []
        lots = random_perturbations(changes, max(sizes), rng)
        tried = [changes.apply(way[:size]) for way in (lots, order) for size in sizes]
        held = (score([subject.test.prepared[i], *tried]) > 0).tolist()
        for k in range(len(sizes)):
            right["noise"][k] += held[0] and held[1 + k]
            right["chosen"][k] += held[0] and held[1 + len(sizes) + k]
        context.progress(number + 1, len(chosen))
    return {name: [rate(count, len(chosen)) for count in counts] for name, counts in right.items()}


def _margin(subject: ModelUnderTest, target: int) -> Callable[[Sequence[object]], Tensor]:
    """The probability of the right class less that of the likeliest other."""

    def score(prepared: Sequence[object]) -> Tensor:
        p = subject.predictions(prepared)
        others = p.clone()
        others[:, target] = -1
        return p[:, target] - others.max(1).values

    return score


def _sounds(context: ThemeContext, subject: ModelUnderTest, chosen: Sequence[int], rng: torch.Generator) -> Theme:
    assert isinstance(subject.reader, AudioReader)
    forward = UnitRangeAudioModel(subject.reader)
    x = waveforms_to_unit_range([subject.test.prepared[i] for i in chosen])
    y = subject.test.targets[torch.tensor(chosen)]
    check = run_sanity_checks(forward, x[:30], y[:30], LOUDNESS[1], rng, steps=20, queries=40)
    found: dict[str, list[Rate]] = {"noise": [], "chosen": []}
    for number, eps in enumerate(LOUDNESS):
        ways: dict[str, AttackFunction] = {
            "noise": partial(_noise, eps=eps, rng=rng),
            "chosen": partial(pgd, forward, eps=eps, steps=20, loss=check.loss),
        }
        for name, attack in ways.items():
            found[name].append(accuracy_under_attack(forward, x, y, attack, batch=25).accuracy)
        context.progress(number + 1, len(LOUDNESS))
    return _theme("loudness", [format_percent(2 * eps) for eps in LOUDNESS], found, len(chosen), subject)


def _noise(x: Tensor, y: Tensor, *, eps: float, rng: torch.Generator) -> Tensor:
    return random_noise(x, eps, rng)


def _theme(kind: str, sizes: Sequence[str], found: dict[str, list[Rate]], n: int, subject: ModelUnderTest) -> Theme:
    heads = ["", *(say(f"trust.attacks.{kind}", size=size) for size in sizes)]
    rows = [
        [say(f"trust.attacks.{way}"), *(format_metric(r.as_json()) for r in rates)]
        for way, rates in ((f"{kind}_ways.{name}", rates) for name, rates in found.items())
    ]
    middle = len(sizes) // 2
    findings = []
    if found["chosen"][middle].interval[1] < FRAGILE * found["noise"][middle].interval[0]:
        after, noise = (format_metric(found[name][middle].as_json()) for name in ("chosen", "noise"))
        text = say(f"trust.attacks.{kind}_fragile", size=sizes[middle], after=after, noise=noise)
        findings.append(Finding(key="fragile", gravity="attention", text=text))
    facts: dict[str, object] = {
        "n": n,
        "kind": kind,
        "sizes": list(sizes),
        "right_after": {name: [r.as_json() for r in rates] for name, rates in found.items()},
    }
    blocks: list[Block] = [
        Sentence(text=say(f"trust.attacks.{kind}_about", n=n)),
        Grid(title=say("trust.attacks.right_after"), heads=heads, rows=rows, right=tuple(range(1, len(heads)))),
    ]
    return Theme(
        name="attacks", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.attacks.untested_parts")]
    )
