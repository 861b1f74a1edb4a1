"""The nearest rows by cosine similarity, exactly: matrix products in blocks, so that memory stays bounded.

Shapes: N rows, Q queries, D dimensions, k neighbours.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS: Final = 16_384
NOTHING: Final = -np.inf


def row_blocks(rows: NDArray[np.int64]) -> Iterator[slice | NDArray[np.int64]]:
    """Yield sorted ``rows`` in blocks; those without gaps as slices, which copy nothing."""
    for start in range(0, len(rows), BLOCK_ROWS):
        some = rows[start : start + BLOCK_ROWS]
        gapless = int(some[-1]) - int(some[0]) == len(some) - 1
        yield slice(int(some[0]), int(some[-1]) + 1) if gapless else some


VectorsOf = Callable[[slice | NDArray[np.int64]], NDArray[np.float32]]
SimilaritiesOf = Callable[[NDArray[np.float32], slice | NDArray[np.int64]], NDArray[np.float32]]


def exact_nearest(
    similarities: SimilaritiesOf, queries: NDArray[np.float32], k: int, rows: NDArray[np.int64],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # fmt: skip
    """Return the k most similar of ``rows`` for each query, and their similarities; the lower row first of equals.

    Args:
        similarities: Returns the cosines (Q, n) of queries and some of the N rows.
        queries: Shape (Q, D), rows of length one.
        k: At most so many; fewer where there are fewer rows.
        rows: Those that are looked at, sorted.
        progress: Called with (done, total) rows.

    Returns:
        Rows and cosine similarities, both (Q, min(k, n)), most similar first.
    """
    count = min(k, len(rows))
    best_rows = np.zeros((len(queries), 0), np.int64)
    best = np.zeros((len(queries), 0), np.float32)
    done = 0
    for block in row_blocks(rows):
        numbers = rows[done : done + BLOCK_ROWS]
        similar = similarities(queries, block)
        if similar.shape[1] > count:
            kept = _largest(similar, count)
            similar, numbers_of = np.take_along_axis(similar, kept, axis=1), numbers[kept]
        else:
            numbers_of = np.broadcast_to(numbers, similar.shape)
        best = np.concatenate([best, similar], axis=1)
        best_rows = np.concatenate([best_rows, numbers_of], axis=1)
        if best.shape[1] > 4 * count + BLOCK_ROWS // 16:
            best_rows, best = most_similar(best_rows, best, count)
        done += len(numbers)
        progress(done, len(rows))
    return most_similar(best_rows, best, count)


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Places of the ``count`` largest in each row; of equal values that compete for the last place, the first ones."""
    places = np.argpartition(-values, count - 1, axis=1)[:, :count]
    last = np.take_along_axis(values, places, axis=1).min(axis=1)
    tied = np.flatnonzero((values >= last[:, None]).sum(axis=1) > count)
    for query in tied.tolist():
        candidates = np.flatnonzero(values[query] >= last[query])
        places[query] = candidates[np.lexsort((candidates, -values[query][candidates]))[:count]]
    return places


def most_similar(
    rows: NDArray[np.int64], similarities: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k most similar columns of both (Q, n), most similar first, the lower row first of equals."""
    order = np.lexsort((rows, -similarities), axis=1)[:, :k]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(similarities, order, axis=1)
