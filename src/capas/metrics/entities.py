"""Entity-level precision, recall and F1 of token classification.

An entity is correct when its boundaries and its type are (Tjong Kim Sang 2002, "Introduction to the CoNLL-2002 Shared
Task"); labels are read by ``capas.decoding.label_schemes``. The interval is a percentile bootstrap over sentences,
since entities of one sentence are not independent (Efron & Tibshirani 1993, Chapter 13).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from capas.decoding.label_schemes import (
    labels_to_entities,
)
from capas.metrics.bootstrap import percentile_interval
from capas.metrics.rate import Rate, interval_json, rate

BOOTSTRAP_RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class F1Estimate:
    """F1 in 0..1 with its 95 % bootstrap interval, from ``n`` sentences."""

    value: float
    n: int
    interval: tuple[float, float]

    def as_json(self) -> dict[str, object]:
        """Return the fields that every ``--json`` uses."""
        return {"value": round(self.value, 6), "n": self.n} | interval_json(self.interval)


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityMetrics:
    """Precision, recall and F1 of entities."""

    precision: Rate
    recall: Rate
    f1: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLabelMetrics:
    """The metrics of token labels on one set of sentences.

    Attributes:
        overall: Metrics over all entities.
        f1: Micro-averaged F1 with its interval.
        per_kind: Metrics by entity type.
        token_accuracy: Share of tokens whose label is correct.
    """

    overall: EntityMetrics
    f1: F1Estimate
    per_kind: Mapping[str, EntityMetrics]
    token_accuracy: Rate


def token_label_metrics(
    targets: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    seed: int = 0,
    resamples: int = BOOTSTRAP_RESAMPLES,
) -> TokenLabelMetrics:
    """Return the metrics of ``predicted`` labels against ``targets``, sentence by sentence.

    Raises:
        ValueError: There is no sentence, or sentences differ in number or length.
    """
    if not targets or len(targets) != len(predicted) or any(map(_differ, targets, predicted)):
        raise ValueError(
            f"{len(targets)} and {len(predicted)} sentences; expected the same, of the same lengths, not none"
        )
    per_sentence = torch.zeros(len(targets), 3, dtype=torch.long)
    hits, wanted, found = Counter[str](), Counter[str](), Counter[str]()
    for row, (true, guess) in enumerate(zip(targets, predicted, strict=True)):
        actual, called = labels_to_entities(true), labels_to_entities(guess)
        both = set(actual) & set(called)
        per_sentence[row] = torch.tensor([len(both), len(actual), len(called)])
        for counter, items in ((hits, both), (wanted, actual), (found, called)):
            counter.update(entity.kind for entity in items)
    right = sum(
        a == b for true, guess in zip(targets, predicted, strict=True) for a, b in zip(true, guess, strict=True)
    )
    overall = _figures(hits.total(), wanted.total(), found.total())
    interval = bootstrap_f1(per_sentence, seed=seed, resamples=resamples)
    return TokenLabelMetrics(
        overall=overall,
        f1=F1Estimate(value=overall.f1, n=len(targets), interval=interval),
        per_kind={kind: _figures(hits[kind], wanted[kind], found[kind]) for kind in sorted(wanted | found)},
        token_accuracy=rate(right, sum(map(len, targets))),
    )


def bootstrap_f1(counts_N3: Tensor, *, seed: int, resamples: int = BOOTSTRAP_RESAMPLES) -> tuple[float, float]:
    """Return the 95 % interval of F1 from per-sentence counts (N, 3): correct, target and predicted entities."""
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(counts_N3), (resamples, len(counts_N3)), generator=rng)
    right, true, called = torch.stack([counts_N3[rows].sum(0) for rows in drawn]).double().unbind(1)
    return percentile_interval(2 * right / (true + called).clamp(min=1), len(counts_N3))


def label_error_rate(targets: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Rate:
    """Return the share of frames (or tokens) whose label is wrong. Raises ValueError on differing lengths."""
    if len(targets) != len(predicted) or any(map(_differ, targets, predicted)):
        raise ValueError("truth and prediction differ in number or lengths")
    wrong = sum(
        a != b for true, guess in zip(targets, predicted, strict=True) for a, b in zip(true, guess, strict=True)
    )
    return rate(wrong, sum(map(len, targets)))


def _figures(hits: int, wanted: int, found: int) -> EntityMetrics:
    f1 = 2 * hits / (wanted + found) if wanted + found else 0.0
    return EntityMetrics(precision=rate(hits, found), recall=rate(hits, wanted), f1=f1)


def _differ(true: Sequence[str], guess: Sequence[str]) -> bool:
    return len(true) != len(guess)
