"""TODO docstring."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from capas.metrics.rate import Rate, rate
from capas.trust.subgroups.significance import (
    difference_interval,
)

RARE: Final = 0.1  # of the commonest class


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRecall:
    """One class: its number of training examples, whether it is rare, and how many of its test examples are found."""

    name: str
    count: int
    rare: bool
    recall: Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassImbalance:
    """``ratio``: commonest to rarest class in training, ∞ where one is missing; ``rare`` and ``common``: the recall of
    all rare classes' test examples, and of all others'; ``gap``: the first minus the second with its interval."""

    ratio: float
    classes: tuple[ClassRecall, ...]
    rare: Rate
    common: Rate
    gap: float
    interval: tuple[float, float]


def class_imbalance(
    training_counts: Sequence[int], correct: Bool[Tensor, " N"], targets: Int[Tensor, " N"], classes: Sequence[str]
) -> ClassImbalance:
    """How uneven the training classes are, and what it does: rare classes have at most a tenth of the commonest's."""
    if len(training_counts) != len(classes) or not classes:
        raise ValueError(f"{len(training_counts)} counts, {len(classes)} classes; expected as many, 1 or more")
    most, fewest = max(training_counts), min(training_counts)
    rare = torch.tensor([count <= RARE * most for count in training_counts])
    hits = torch.bincount(targets[correct], minlength=len(classes))
    counts = torch.bincount(targets, minlength=len(classes))
    low = rate(int(hits[rare].sum()), int(counts[rare].sum()))
    high = rate(int(hits[~rare].sum()), int(counts[~rare].sum()))
    return ClassImbalance(
        ratio=most / fewest if fewest else math.inf,
        classes=tuple(
            ClassRecall(
                name=name, count=training_counts[k], rare=bool(rare[k]), recall=rate(int(hits[k]), int(counts[k]))
            )
            for k, name in enumerate(classes)
        ),
        rare=low,
        common=high,
        gap=low.value - high.value if low.n and high.n else 0.0,
        interval=difference_interval(low, high),
    )
