"""How close two items are, in words that hold for any network: against pairs of the same index taken at random.

A cosine of 0.8 is close for one network and far for another. What can be told is how many random pairs are less alike.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from capas.representation.index.snapshot import IndexSnapshot

PAIRS: Final = 2000
MIN_ITEMS: Final = 20  # of fewer, random pairs say nothing
EQUAL: Final = 0.9995
Closeness = Literal["equal", "very_close", "close", "somewhat", "chance"]
# Least share of random pairs that are less alike.
LEVELS: Final[tuple[tuple[float, Closeness], ...]] = ((0.995, "very_close"), (0.95, "close"), (0.75, "somewhat"))


class RandomPairs:
    """Similarities of random pairs of items.

    Args:
        snapshot: The index.

    Attributes:
        similarities: Sorted, shape (P,), none of an index with fewer than ``MIN_ITEMS`` items.
    """

    def __init__(self, snapshot: IndexSnapshot) -> None:
        rows = np.flatnonzero(snapshot.alive)
        self.similarities: NDArray[np.float32] = np.empty(0, np.float32)
        if len(rows) >= MIN_ITEMS:
            rng = np.random.default_rng(0)
            first = rng.integers(0, len(rows), PAIRS)
            second = (first + rng.integers(1, len(rows), PAIRS)) % len(rows)
            one, other = snapshot.vectors(rows[first]), snapshot.vectors(rows[second])
            self.similarities = np.sort(np.einsum("nd,nd->n", one, other))

    def share_below(self, similarity: float) -> float | None:
        """Return the share of random pairs that are less alike; None where there are too few items."""
        if not len(self.similarities):
            return None
        return float(np.searchsorted(self.similarities, similarity)) / len(self.similarities)

    def closeness(self, similarity: float) -> Closeness | None:
        """Return how close that is; None where there are too few items to say so."""
        if similarity >= EQUAL:
            return "equal"
        share = self.share_below(similarity)
        if share is None:
            return None
        return next((name for least, name in LEVELS if share >= least), "chance")
