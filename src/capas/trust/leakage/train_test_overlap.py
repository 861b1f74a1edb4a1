"""Test examples that the network has already seen while learning: the same, or the same saved again, moved or mirrored.

Within a data set ``capas.data.inspect.duplicates`` joins what is nearly equal before the splits are made; this looks across the
splits that were used, and also for what that misses: pictures that are moved by a pixel or two, mirrored, made lighter,
or stored smaller. Two steps on grey *prints* of at most 32×32, smoothed by (1 2 1)/4 both ways:

1. candidates: each test picture, as it is and mirrored, is moved by up to 2 print pixels both ways and compared with
   all training pictures at 14×14; the six most alike go on;
2. each is compared at full size where both overlap, at the best shift (correlation, mean removed). At ``MIN_SIMILARITY`` or
   above it is a near duplicate. Measured on MNIST-5k (28×28, 1,000 against 3,500): of 100 planted copies each, saved as
   JPEG of quality 60, moved by 1 or 2 pixels, 20 % lighter, 30 % darker, at 56×56 or mirrored, all are found; of those
   at 20×20 99 %, at 14×14 a third. Of 1,000 test digits, which nobody planted, 7 or 8 are named too.

Texts: shingles of five letters of the normalised text, Jaccard similarity by MinHash (Broder, "On the resemblance and
containment of documents", 1997) to find candidates, exactly to decide. Tables: equal after normalising, no near ones.

Shapes: N training and M test examples, S = 32 the side of a print.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from capas.metrics.rate import Rate, rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """Test example ``test`` resembles training example ``train``, 0..1; ``mirrored`` where it is turned round."""

    test: int
    train: int
    similarity: float
    mirrored: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AccuracyByLeakage:
    """The share of right answers on all test examples, on the leaked ones, and on the others."""

    all: Rate
    leaked: Rate
    clean: Rate


def exact_train_test_duplicates(train: Sequence[str], test: Sequence[str]) -> tuple[Leak, ...]:
    """Test examples whose key (content hash, normalised text or row) is that of a training example, the first such."""
    first: dict[str, int] = {}
    for i, key in enumerate(train):
        first.setdefault(key, i)
    return tuple(
        Leak(test=j, train=first[key], similarity=1.0, mirrored=False) for j, key in enumerate(test) if key in first
    )


def accuracy_by_leakage(correct: Bool[Tensor, " M"], leaks: Sequence[Leak]) -> AccuracyByLeakage:
    """The share of right answers with the leaked test examples and without them."""
    leaked = torch.zeros(len(correct), dtype=torch.bool)
    leaked[torch.tensor([leak.test for leak in leaks], dtype=torch.long)] = True
    counts = ((correct, torch.ones_like(leaked)), (correct & leaked, leaked), (correct & ~leaked, ~leaked))
    whole, seen, clean = (rate(int(hits.sum()), int(members.sum())) for hits, members in counts)
    return AccuracyByLeakage(all=whole, leaked=seen, clean=clean)


def merge_leaks(*groups: Sequence[Leak]) -> tuple[Leak, ...]:
    """One leak per test example, the most alike; exact ones given first win ties."""
    best: dict[int, Leak] = {}
    for leak in (leak for group in groups for leak in group):
        if leak.test not in best or leak.similarity > best[leak.test].similarity:
            best[leak.test] = leak
    return tuple(best[j] for j in sorted(best))
