"""Do tiny changes fool it, in texts (misspelt words), rows (numbers a little off) and sounds (faint noise)?"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from capas.core.figures import figure_text, percent
from capas.core.messages import say
from capas.data.rows import EncodedRows
from capas.engine.recipes.rows import RowReader
from capas.engine.recipes.sounds import SoundReader
from capas.engine.recipes.texts import TextReader
from capas.tasks.metrics import Rate, rate
from capas.trust.adversarial import Attack, accuracy_under, pgd, random_noise
from capas.trust.asked import Asked
from capas.trust.attack_check import self_check
from capas.trust.blocks import Block, Grid, Sentence
from capas.trust.small_changes import Changes, at_random, greedy, misspellings, nudges
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme
from capas.trust.waves import Waves, as_shares

ATTACKED = 100
TYPOS = (1, 2, 4)
NUDGES = (0.1, 0.25, 0.5)
LOUDNESS = (0.0005, 0.002, 0.008)  # of the half range; full scale is 0.5
FRAGILE = 0.5


def attacks_on_parts(asked: Asked, subject: Subject) -> Theme:
    """See the module."""
    if subject.case.task != "classify":
        return Theme(name="attacks", not_computed_because=say("trust.attacks.only_classes"))
    rng = subject.case.chance("attacks")
    chosen = torch.randperm(len(subject.test), generator=rng)[:ATTACKED].tolist()
    if isinstance(subject.reader, TextReader):
        texts = [subject.test.prepared[i] for i in chosen]
        found = _greedily(asked, subject, chosen, [misspellings(str(text), rng) for text in texts], TYPOS, rng)
        return _theme("typos", [str(n) for n in TYPOS], found, len(chosen), subject)
    if isinstance(subject.reader, RowReader):
        columns: dict[str, list[Rate]] = {"noise": [], "chosen": []}
        for size in NUDGES:
            ways = [
                nudges(row, size) for row in (subject.test.prepared[i] for i in chosen) if isinstance(row, EncodedRows)
            ]
            if not any(way.count for way in ways):
                return Theme(name="attacks", not_computed_because=say("trust.attacks.no_numbers"))
            one = _greedily(asked, subject, chosen, ways, (1,), rng)
            for name, rates in one.items():
                columns[name] += rates
        return _theme("nudges", [percent(size, 0) for size in NUDGES], columns, len(chosen), subject)
    if isinstance(subject.reader, SoundReader):
        return _sounds(asked, subject, chosen, rng)
    return Theme(name="attacks", not_computed_because=say("trust.zones.other_kind"))


def _greedily(
    asked: Asked,
    subject: Subject,
    chosen: Sequence[int],
    ways: Sequence[Changes],
    sizes: Sequence[int],
    rng: torch.Generator,
) -> dict[str, list[Rate]]:
    right = {name: [0] * len(sizes) for name in ("noise", "chosen")}
    for number, (i, changes) in enumerate(zip(chosen, ways, strict=True)):
        score = _margin(subject, int(subject.test.targets[i]))
        order = greedy(changes, score, max(sizes)) if changes.count else []
        lots = at_random(changes, max(sizes), rng)
        tried = [changes.apply(way[:size]) for way in (lots, order) for size in sizes]
        held = (score([subject.test.prepared[i], *tried]) > 0).tolist()
        for k in range(len(sizes)):
            right["noise"][k] += held[0] and held[1 + k]
            right["chosen"][k] += held[0] and held[1 + len(sizes) + k]
        asked.progress(number + 1, len(chosen))
    return {name: [rate(count, len(chosen)) for count in counts] for name, counts in right.items()}


def _margin(subject: Subject, target: int) -> Callable[[Sequence[object]], Tensor]:
    """The probability of the right class less that of the likeliest other."""

    def score(prepared: Sequence[object]) -> Tensor:
        p = subject.answers(prepared)
        others = p.clone()
        others[:, target] = -1
        return p[:, target] - others.max(1).values

    return score


def _sounds(asked: Asked, subject: Subject, chosen: Sequence[int], rng: torch.Generator) -> Theme:
    assert isinstance(subject.reader, SoundReader)
    forward = Waves(subject.reader)
    x = as_shares([subject.test.prepared[i] for i in chosen])
    y = subject.test.targets[torch.tensor(chosen)]
    check = self_check(forward, x[:30], y[:30], LOUDNESS[1], rng, steps=20, queries=40)
    found: dict[str, list[Rate]] = {"noise": [], "chosen": []}
    for number, eps in enumerate(LOUDNESS):
        ways: dict[str, Attack] = {
            "noise": partial(_noise, eps=eps, rng=rng),
            "chosen": partial(pgd, forward, eps=eps, steps=20, loss=check.loss),
        }
        for name, attack in ways.items():
            found[name].append(accuracy_under(forward, x, y, attack, batch=25).accuracy)
        asked.progress(number + 1, len(LOUDNESS))
    return _theme("loudness", [percent(2 * eps) for eps in LOUDNESS], found, len(chosen), subject)


def _noise(x: Tensor, y: Tensor, *, eps: float, rng: torch.Generator) -> Tensor:
    return random_noise(x, eps, rng)


def _theme(kind: str, sizes: Sequence[str], found: dict[str, list[Rate]], n: int, subject: Subject) -> Theme:
    heads = ["", *(say(f"trust.attacks.{kind}", size=size) for size in sizes)]
    rows = [
        [say(f"trust.attacks.{way}"), *(figure_text(r.as_json()) for r in rates)]
        for way, rates in ((f"{kind}_ways.{name}", rates) for name, rates in found.items())
    ]
    middle = len(sizes) // 2
    findings = []
    if found["chosen"][middle].interval[1] < FRAGILE * found["noise"][middle].interval[0]:
        after, noise = (figure_text(found[name][middle].as_json()) for name in ("chosen", "noise"))
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
