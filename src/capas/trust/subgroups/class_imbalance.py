"""Class imbalance of the training data, and the recall of rare classes compared with the others."""

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
    """One class: its number of training examples, whether it is rare, and the recall of its test examples."""

    name: str
    count: int
    rare: bool
    recall: Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassImbalance:
    """The imbalance of the training classes and its effect.

    Attributes:
        ratio: Most frequent to rarest class in training; ∞ where one is missing.
        classes: Each class with its recall.
        rare: Recall of all rare classes' test examples.
        common: Recall of all others'.
        gap: ``rare`` minus ``common``, −1..1.
        interval: 95 % interval of the gap.
    """

    ratio: float
    classes: tuple[ClassRecall, ...]
    rare: Rate
    common: Rate
    gap: float
    interval: tuple[float, float]


def class_imbalance(
    training_counts: Sequence[int], correct: Bool[Tensor, " N"], targets: Int[Tensor, " N"], classes: Sequence[str]
) -> ClassImbalance:
    """Compare the recall of rare classes, at most a tenth of the most frequent one in training, with that of the
    others.

    Raises:
        ValueError: Counts and classes differ in number, or there is no class.
    """
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
