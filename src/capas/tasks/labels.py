"""Labels of tokens: how entities are written as labels (IOB1, IOB2, BIOES), and how well they are found. BILOU is read
too: its L and U are the E and S of BIOES.

An entity counts as found when its ends and its type are right (Tjong Kim Sang 2002, "Introduction to the CoNLL-2002
Shared Task"). Ill-formed sequences are read as conlleval and seqeval read them: an I- (or E-) that continues nothing
begins an entity, a change of type ends one. The interval is a percentile bootstrap over sentences, since entities of
one sentence are not independent (Efron & Tibshirani 1993, Chapter 13).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from capas.tasks.metrics import Rate, rate

Scheme = Literal["IOB1", "IOB2", "BIOES"]
RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Entity:
    """Tokens ``start`` to ``end`` - 1 of a sentence are one ``kind``."""

    start: int
    end: int
    kind: str


def entities(labels: Sequence[str]) -> list[Entity]:
    """The entities in ``labels``, in order, whatever the scheme and however ill-formed.

    >>> [(e.start, e.end, e.kind) for e in entities(["I-PER", "I-PER", "B-PER", "O", "I-LOC"])]
    [(0, 2, 'PER'), (2, 3, 'PER'), (4, 5, 'LOC')]
    """
    found, start = [], 0
    for t, (before, here) in enumerate(pairwise(["O", *labels, "O"])):
        if _ends(before, here):
            found.append(Entity(start=start, end=t, kind=_kind(before)))
        if _begins(before, here):
            start = t
    return found


def write_labels(found: Sequence[Entity], length: int, scheme: Scheme) -> list[str]:
    """The labels of ``length`` tokens that hold these entities, which must not overlap (ValueError).

    >>> write_labels([Entity(start=0, end=2, kind="PER"), Entity(start=2, end=3, kind="PER")], 4, "IOB1")
    ['I-PER', 'I-PER', 'B-PER', 'O']
    """
    labels, before = ["O"] * length, Entity(start=-1, end=0, kind="")
    for entity in sorted(found):
        if not before.end <= entity.start < entity.end <= length:
            raise ValueError(f"{entity} overlaps {before} or leaves the {length} tokens")
        prefixes = ["I"] * (entity.end - entity.start)
        if scheme != "IOB1" or (before.end == entity.start and before.kind == entity.kind):
            prefixes[0] = "B"
        if scheme == "BIOES":
            prefixes[-1] = "S" if len(prefixes) == 1 else "E"
        labels[entity.start : entity.end] = [f"{prefix}-{entity.kind}" for prefix in prefixes]
        before = entity
    return labels


def convert(labels: Sequence[str], scheme: Scheme) -> list[str]:
    """The same entities in another scheme; ill-formed input comes out well-formed.

    >>> convert(["I-LOC", "B-LOC", "I-LOC"], "BIOES")
    ['S-LOC', 'B-LOC', 'E-LOC']
    """
    return write_labels(entities(labels), len(labels), scheme)


def forbidden_transitions(labels: Sequence[str], scheme: Scheme) -> tuple[Tensor, Tensor]:
    """What may not follow in ``scheme``: bool (K, K), from row to column, and bool (K), what may not begin.

    A pair is forbidden when no well-formed sequence holds it.
    """
    inside = {"IOB1": "", "IOB2": "I", "BIOES": "IE"}[scheme]
    unfinished = "BI" if scheme == "BIOES" else ""

    def wrong(before: str, here: str) -> bool:
        continues = before[:1] in ("B", "I") and _kind(before) == _kind(here)
        if here[:1] in tuple(inside):
            return not continues
        if scheme == "IOB1" and here[:1] == "B":
            return _kind(before) != _kind(here)
        return before[:1] in tuple(unfinished)

    table = [[wrong(before, here) for here in labels] for before in labels]
    return torch.tensor(table), torch.tensor([wrong("O", here) for here in labels])


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A figure in 0..1 with its 95 % bootstrap interval, from ``n`` sentences."""

    value: float
    n: int
    interval: tuple[float, float]

    def as_json(self) -> dict[str, object]:
        """The form that every ``--json`` uses."""
        low, high = self.interval
        return {"value": round(self.value, 6), "n": self.n, "interval": [round(low, 6), round(high, 6)]}


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityFigures:
    """``recall``: share of the entities that are found; ``precision``: share of what is found that is right."""

    precision: Rate
    recall: Rate
    f1: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelFigures:
    """All figures of a labeller on one set of sentences; ``f1`` is the micro-average over all entities."""

    overall: EntityFigures
    f1: Estimate
    per_kind: Mapping[str, EntityFigures]
    token_accuracy: Rate


def label_figures(
    truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], *, seed: int = 0, resamples: int = RESAMPLES
) -> LabelFigures:
    """Figures of ``predicted`` labels against ``truth``, sentence by sentence.

    Raises ValueError when there is no sentence, or sentences differ in number or length.
    """
    if not truth or len(truth) != len(predicted) or any(map(_differ, truth, predicted)):
        raise ValueError(
            f"{len(truth)} and {len(predicted)} sentences; expected the same, of the same lengths, not none"
        )
    per_sentence = torch.zeros(len(truth), 3, dtype=torch.long)
    hits, wanted, found = Counter[str](), Counter[str](), Counter[str]()
    for row, (true, guess) in enumerate(zip(truth, predicted, strict=True)):
        actual, called = entities(true), entities(guess)
        both = set(actual) & set(called)
        per_sentence[row] = torch.tensor([len(both), len(actual), len(called)])
        for counter, items in ((hits, both), (wanted, actual), (found, called)):
            counter.update(entity.kind for entity in items)
    right = sum(a == b for true, guess in zip(truth, predicted, strict=True) for a, b in zip(true, guess, strict=True))
    overall = _figures(hits.total(), wanted.total(), found.total())
    interval = bootstrap_f1(per_sentence, seed=seed, resamples=resamples)
    return LabelFigures(
        overall=overall,
        f1=Estimate(value=overall.f1, n=len(truth), interval=interval),
        per_kind={kind: _figures(hits[kind], wanted[kind], found[kind]) for kind in sorted(wanted | found)},
        token_accuracy=rate(right, sum(map(len, truth))),
    )


def bootstrap_f1(counts_N3: Tensor, *, seed: int, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % interval of F1 from per-sentence counts (N, 3): right, true and called entities."""
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(counts_N3), (resamples, len(counts_N3)), generator=rng)
    right, true, called = torch.stack([counts_N3[rows].sum(0) for rows in drawn]).double().unbind(1)
    f1 = 2 * right / (true + called).clamp(min=1)
    low, high = f1.quantile(torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return low, high


def frame_error(truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Rate:
    """The share of frames (or tokens) whose label is wrong. Raises ValueError on differing lengths."""
    if len(truth) != len(predicted) or any(map(_differ, truth, predicted)):
        raise ValueError("truth and prediction differ in number or lengths")
    wrong = sum(a != b for true, guess in zip(truth, predicted, strict=True) for a, b in zip(true, guess, strict=True))
    return rate(wrong, sum(map(len, truth)))


def _figures(hits: int, wanted: int, found: int) -> EntityFigures:
    f1 = 2 * hits / (wanted + found) if wanted + found else 0.0
    return EntityFigures(precision=rate(hits, found), recall=rate(hits, wanted), f1=f1)


def _differ(true: Sequence[str], guess: Sequence[str]) -> bool:
    return len(true) != len(guess)


def _kind(label: str) -> str:
    return label.partition("-")[2] or ("_" if label != "O" else "")


def _ends(before: str, here: str) -> bool:
    if before == "O":
        return False
    return before[0] in "ESLU" or here[0] in "OBSU" or _kind(before) != _kind(here)


def _begins(before: str, here: str) -> bool:
    if here == "O":
        return False
    return here[0] in "BSU" or before[0] in "OESLU" or _kind(before) != _kind(here)
