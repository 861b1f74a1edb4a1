"""Overlap between training and test examples: exact duplicates, the merge of all leaks, and accuracy with and without.

Within a dataset ``capas.data.inspect.duplicates`` groups near duplicates before the splits are made; the files of this
folder look across the splits that were used, also for what that misses: images that are shifted by a pixel or two,
mirrored, made lighter, or stored smaller (``near_duplicate_images``), and texts (``near_duplicate_texts``). Tables are
compared exactly, after normalising.

Shapes: M test examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from capas.metrics.rate import Rate, rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """A test example that resembles a training example.

    Attributes:
        test: Index of the test example.
        train: Index of the training example.
        similarity: Similarity, 0..1; 1 for exact duplicates.
        mirrored: Whether one is the mirror image of the other.
    """

    test: int
    train: int
    similarity: float
    mirrored: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AccuracyByLeakage:
    """Accuracy on all test examples, on the leaked ones, and on the others."""

    all: Rate
    leaked: Rate
    clean: Rate


def exact_train_test_duplicates(train: Sequence[str], test: Sequence[str]) -> tuple[Leak, ...]:
    """Return the test examples whose key equals that of a training example, with the first such.

    Keys are content hashes, or normalised texts or rows.
    """
    first: dict[str, int] = {}
    for i, key in enumerate(train):
        first.setdefault(key, i)
    return tuple(
        Leak(test=j, train=first[key], similarity=1.0, mirrored=False) for j, key in enumerate(test) if key in first
    )


def accuracy_by_leakage(correct: Bool[Tensor, " M"], leaks: Sequence[Leak]) -> AccuracyByLeakage:
    """Return the accuracy with the leaked test examples and without them."""
    leaked = torch.zeros(len(correct), dtype=torch.bool)
    leaked[torch.tensor([leak.test for leak in leaks], dtype=torch.long)] = True
    counts = ((correct, torch.ones_like(leaked)), (correct & leaked, leaked), (correct & ~leaked, ~leaked))
    whole, seen, clean = (rate(int(hits.sum()), int(members.sum())) for hits, members in counts)
    return AccuracyByLeakage(all=whole, leaked=seen, clean=clean)


def merge_leaks(*groups: Sequence[Leak]) -> tuple[Leak, ...]:
    """Return one leak per test example, the most similar; groups given first win ties."""
    best: dict[int, Leak] = {}
    for leak in (leak for group in groups for leak in group):
        if leak.test not in best or leak.similarity > best[leak.test].similarity:
            best[leak.test] = leak
    return tuple(best[j] for j in sorted(best))
