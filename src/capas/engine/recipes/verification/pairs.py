"""Which pairs of examples are compared: all of the same identity and all of different ones, or so many drawn by lot."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_EXAMPLES: Final = 2000
MAX_PAIRS: Final = 10_000  # of each kind


@dataclass(frozen=True, kw_only=True, slots=True)
class PairIndices:
    """Pairs of examples.

    Attributes:
        first: Index of the first example of each pair, (P,).
        second: Index of the second one, (P,).
        same: Whether both are of one identity, (P,).
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]


def choose_examples(identities: NDArray[np.int64], *, limit: int = MAX_EXAMPLES, seed: int = 0) -> NDArray[np.int64]:
    """Return the indices of whole identities, drawn until ``limit`` examples are reached; ascending.

    Args:
        identities: Identity of each example, (N,).
        limit: Examples; two identities are returned whatever their size.
        seed: Of the draw.
    """
    if len(identities) <= limit:
        return np.arange(len(identities))
    names, counts = np.unique(identities, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    kept = max(2, int((np.cumsum(counts[order]) <= limit).sum()))
    return np.flatnonzero(np.isin(identities, names[order[:kept]]))


def choose_pairs(identities: NDArray[np.int64], *, limit: int = MAX_PAIRS, seed: int = 0) -> PairIndices:
    """Return all genuine and all impostor pairs among N examples, or ``limit`` of each drawn without replacement."""
    first, second = np.triu_indices(len(identities), k=1)
    same = identities[first] == identities[second]
    rng = np.random.default_rng(seed)
    chosen = []
    for kind in (same, ~same):
        rows = np.flatnonzero(kind)
        chosen.append(rows if len(rows) <= limit else np.sort(rng.choice(rows, limit, replace=False)))
    rows = np.concatenate(chosen)
    return PairIndices(first=first[rows], second=second[rows], same=same[rows])


def has_both_kinds(identities: NDArray[np.int64]) -> bool:
    """Return whether there are genuine and impostor pairs."""
    counts = np.unique(identities, return_counts=True)[1]
    return len(counts) > 1 and int(counts.max()) > 1
