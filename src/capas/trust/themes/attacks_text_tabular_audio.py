"""Theme of adversarial attacks on texts (typos), rows (numbers a little off) and audio (faint noise)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_metric, format_percent
from capas.metrics.rate import Rate, rate
from capas.trust.attacks.fgsm_pgd import pgd, random_noise
from capas.trust.attacks.robust_accuracy import AttackFunction, accuracy_under_attack
from capas.trust.attacks.sanity_checks import SanityCheckFailure, invalidating_failures, run_sanity_checks
from capas.trust.attacks.text_tabular_perturbations import (
    CandidatePerturbations,
    greedy_attack,
    random_perturbations,
)
from capas.trust.rendering.blocks import Block, Grid, Sentence
from capas.trust.subjects.audio_inputs import UnitRangeAudioModel, waveforms_to_unit_range
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.attacks_blocks import (
    fragility,
    hardly_attacked,
    invalid_attack_finding,
    sanity_check_sentence,
)

ATTACKED = 100
TYPOS = (1, 2, 4)
NUDGES = (0.1, 0.25, 0.5)
LOUDNESS = (0.0005, 0.002, 0.008)  # of the half range; full scale is 0.5
CHECKED = 30


def input_perturbation_attacks_theme(context: ThemeContext, subject: ModelUnderTest) -> Theme:
    """Return the theme for text, tabular and audio inputs."""
    if subject.run_context.task != "classify":
        return Theme(name="attacks", not_computed_because=say("trust.attacks.only_classes"))
    rng = subject.run_context.rng("attacks")
    chosen = torch.randperm(len(subject.test), generator=rng)[:ATTACKED].tolist()
    attack = BY_MEDIUM.get(subject.run_context.medium)
    if attack is None:
        return Theme(name="attacks", not_computed_because=say("trust.zones.other_kind"))
    return attack(context, subject, chosen, rng)


def _typos(context: ThemeContext, subject: ModelUnderTest, chosen: Sequence[int], rng: torch.Generator) -> Theme:
    ways = [subject.adapter.perturbations(subject.test.prepared[i], 0.0, rng) for i in chosen]
    found = _greedily(context, subject, chosen, ways, TYPOS, rng)
    return _theme(context, "typos", [str(n) for n in TYPOS], found, len(chosen))


def _nudges(context: ThemeContext, subject: ModelUnderTest, chosen: Sequence[int], rng: torch.Generator) -> Theme:
    columns: dict[str, list[Rate]] = {"noise": [], "chosen": []}
    for size in NUDGES:
        ways = [subject.adapter.perturbations(subject.test.prepared[i], size, rng) for i in chosen]
        if not any(way.count for way in ways):
            return Theme(name="attacks", not_computed_because=say("trust.attacks.no_numbers"))
        for name, rates in _greedily(context, subject, chosen, ways, (1,), rng).items():
            columns[name] += rates
    return _theme(context, "nudges", [format_percent(size, 0) for size in NUDGES], columns, len(chosen))


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
    assert subject.adapter.audio is not None
    if not subject.adapter.audio.differentiable:
        return Theme(name="attacks", not_computed_because=say("hub.no_gradients"))
    forward = UnitRangeAudioModel(subject.adapter.audio)
    x = waveforms_to_unit_range([subject.test.prepared[i] for i in chosen])
    y = subject.test.targets[torch.tensor(chosen)]
    check = run_sanity_checks(forward, x[:CHECKED], y[:CHECKED], LOUDNESS[1], rng, steps=20, queries=40)
    found: dict[str, list[Rate]] = {"noise": [], "chosen": []}
    for number, eps in enumerate(LOUDNESS):
        ways: dict[str, AttackFunction] = {
            "noise": partial(_noise, eps=eps, rng=rng),
            "chosen": partial(pgd, forward, eps=eps, steps=20, loss=check.loss),
        }
        for name, attack in ways.items():
            found[name].append(accuracy_under_attack(forward, x, y, attack, batch=25).accuracy)
        context.progress(number + 1, len(LOUDNESS))
    sizes, failures = [format_percent(2 * eps) for eps in LOUDNESS], invalidating_failures(check)
    return _theme(context, "loudness", sizes, found, len(chosen), failures, [sanity_check_sentence(failures)])


BY_MEDIUM: Final[Mapping[str, Callable[[ThemeContext, ModelUnderTest, Sequence[int], torch.Generator], Theme]]] = {
    "text": _typos,
    "table": _nudges,
    "audio": _sounds,
}


def _noise(x: Tensor, y: Tensor, *, eps: float, rng: torch.Generator) -> Tensor:
    return random_noise(x, eps, rng)


def _theme(
    context: ThemeContext,
    kind: str,
    sizes: Sequence[str],
    found: dict[str, list[Rate]],
    n: int,
    failures: Sequence[SanityCheckFailure] = (),
    checked: Sequence[Block] = (),
) -> Theme:
    heads = ["", *(say(f"trust.attacks.{kind}", size=size) for size in sizes)]
    rows = [
        [say(f"trust.attacks.{way}"), *(format_metric(r.as_json()) for r in rates)]
        for way, rates in ((f"{kind}_ways.{name}", rates) for name, rates in found.items())
    ]
    middle = len(sizes) // 2
    findings = []
    if failures:
        findings.append(invalid_attack_finding(failures))
    elif fragility(found["noise"][middle], found["chosen"][middle]) == "fragile":
        after, noise = (format_metric(found[name][middle].as_json()) for name in ("chosen", "noise"))
        text = say(f"trust.attacks.{kind}_fragile", size=sizes[middle], after=after, noise=noise)
        findings.append(Finding(key="fragile", gravity="attention", text=text))
    facts: dict[str, object] = {
        "n": n,
        "kind": kind,
        "sizes": list(sizes),
        "right_after": {name: [r.as_json() for r in rates] for name, rates in found.items()},
        **({"self_check": {"failures": [str(one) for one in failures], "n": min(n, CHECKED)}} if checked else {}),
    }
    blocks: list[Block] = [
        *checked,
        Sentence(text=say(f"trust.attacks.{kind}_about", n=n)),
        Grid(title=say("trust.attacks.right_after"), heads=heads, rows=rows, right=tuple(range(1, len(heads)))),
    ]
    return Theme(
        name="attacks",
        facts=facts,
        blocks=blocks,
        findings=findings,
        untested=[say("trust.attacks.untested_parts")],
        partly_tested=hardly_attacked(context, found["noise"][middle], found["chosen"][middle]),
    )
