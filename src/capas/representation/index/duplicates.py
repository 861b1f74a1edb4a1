"""Groups of items that nearly equal each other.

Whoever has a neighbour at least as similar as asked is looked at, those with most such neighbours first: each that is
in no group yet begins one, of all that resemble it and are in no group yet. So every member of a group resembles its
first, and no chain of small changes joins what is unlike (star clustering: Aslam, Pelekhov & Rus, "The Star Clustering
Algorithm", JGAA 2004).

Shapes: N rows, D dimensions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.representation.index.cells import CellIndex
from capas.representation.index.column_filter import Conditions, matching_rows
from capas.representation.index.exact_search import BLOCK_ROWS, VectorsOf, row_blocks
from capas.representation.index.search import EXACT_ROWS, SimilarityIndex, approximate_nearest

NEAREST: Final = 10
ROUNDING: Final = 1e-6  # of the similarity of equal vectors
QUERY_ROWS: Final = 512  # whose similarities to a block of rows are in memory at once: 32 MB
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarGroup:
    """Rows that nearly equal the first of them.

    Attributes:
        rows: Its members, the one that all resemble first, then by similarity.
        similarities: Of each member to the first, in its order; the first has 1.
    """

    rows: Sequence[int]
    similarities: Sequence[float]


@dataclass(frozen=True, kw_only=True, slots=True)
class DuplicateGroups:
    """The groups of near duplicates of an index.

    Attributes:
        groups: The largest first.
        searched: Among how many items.
        exact: Whether every pair was compared.
        recall: Of an approximate search, the share of the 10 nearest that it finds, a rate measured with the cells.
    """

    groups: Sequence[SimilarGroup]
    searched: int
    exact: bool
    recall: dict[str, object] | None = None


def count_neighbours(
    vectors: VectorsOf, rows: NDArray[np.int64], min_similarity: float, progress: Progress
) -> NDArray[np.int64]:
    """Return for each of the sorted ``rows`` (n) how many of the others are at least so similar; each pair once."""
    counts = np.zeros(len(rows), np.int64)
    for start in range(0, len(rows), QUERY_ROWS):
        some = slice(start, min(start + QUERY_ROWS, len(rows)))
        queries = vectors(rows[some])
        place = start
        for block in row_blocks(rows[start:]):
            similar = queries @ vectors(block).T >= min_similarity
            own = len(queries) if place == start else 0  # the first columns are the queries themselves
            np.fill_diagonal(similar[:, :own], False)
            counts[some] += similar.sum(axis=1)
            counts[place + own : place + similar.shape[1]] += similar[:, own:].sum(axis=0)
            place += similar.shape[1]
        progress(some.stop, len(rows))
    return counts


def group_similar(
    vectors: VectorsOf, rows: NDArray[np.int64], counts: NDArray[np.int64], min_similarity: float, progress: Progress
) -> list[SimilarGroup]:
    """Return the groups among ``rows``, the largest first.

    Args:
        vectors: Returns rows of length one, (n, D).
        rows: Those that are looked at, shape (n,).
        counts: How many neighbours each of them has, shape (n,); they come in that order.
        min_similarity: Least cosine similarity to the first of a group, in −1..1.
        progress: Called with (done, total) rows.
    """
    order = rows[np.lexsort((rows, -counts))]
    first_of = np.full(len(order), -1)  # place of the first of its group
    similarity = np.ones(len(order), np.float32)
    for start in range(0, len(order), QUERY_ROWS):
        block = np.arange(start, min(start + QUERY_ROWS, len(order)))
        block = block[first_of[block] < 0]
        if not len(block):
            continue
        queries = vectors(order[block])
        # One after the other, each that is free takes what is free and like it ...
        firsts = []
        for number, own in enumerate(queries @ queries.T):
            if first_of[block[number]] < 0:
                firsts.append(number)
                taken = (first_of[block] < 0) & (own >= min_similarity)
                taken[number] = True
                first_of[block[taken]], similarity[block[taken]] = block[number], own[taken]
        # ... within the block, and then behind it: the first of those that resemble an item takes it.
        behind = np.arange(start + QUERY_ROWS, len(order))
        behind = behind[first_of[behind] < 0]
        for there in range(0, len(behind), BLOCK_ROWS):
            others = behind[there : there + BLOCK_ROWS]
            similar = queries[firsts] @ vectors(order[others]).T
            enough = similar >= min_similarity
            found, leading = enough.any(axis=0), enough.argmax(axis=0)
            first_of[others[found]] = block[firsts][leading[found]]
            similarity[others[found]] = similar[leading, np.arange(len(others))][found]
        progress(min(start + QUERY_ROWS, len(order)), len(order))
    return _as_groups(order, first_of, np.minimum(similarity, 1))


def _as_groups(
    order: NDArray[np.int64], first_of: NDArray[np.int64], similarity: NDArray[np.float32]
) -> list[SimilarGroup]:
    leads = first_of == np.arange(len(order))
    by_group = np.lexsort((order, -similarity, ~leads, first_of))
    bounds = np.flatnonzero(np.diff(first_of[by_group])) + 1
    groups = [
        SimilarGroup(rows=order[places].tolist(), similarities=[1.0, *similarity[places[1:]].tolist()])
        for places in np.split(by_group, bounds) if len(places) > 1
    ]  # fmt: skip
    return sorted(groups, key=lambda group: (-len(group.rows), group.rows[0]))


def near_duplicate_groups(
    index: SimilarityIndex, min_similarity: float, where: Conditions | None = None,
    progress: Progress = lambda done, total: None,
) -> DuplicateGroups:  # fmt: skip
    """Return the groups of near duplicates among the items of an index.

    Up to ``EXACT_ROWS`` items every pair is compared. Above, each is compared with what its nearest cells hold.

    Args:
        index: The index.
        min_similarity: Least cosine similarity to the first of a group, in 0..1.
        where: Only items whose columns fulfil these conditions.
        progress: Called with (done, total) rows, in two passes.

    Raises:
        CapasError: ``index_no_such_column`` or ``index_damaged``.
    """
    snapshot = index.snapshot
    rows = np.flatnonzero(snapshot.alive) if not where else matching_rows(snapshot, where)
    cells = index.cells if len(rows) > EXACT_ROWS else None
    least = min_similarity - ROUNDING
    if cells is None:
        counts = count_neighbours(snapshot.vectors, rows, least, progress)
    else:
        counts = _count_candidates(index, cells, rows, least, progress)
    alike, passed = rows[counts > 0], counts[counts > 0]
    groups = group_similar(snapshot.vectors, alike, passed, least, progress)
    recall = None if cells is None else cells.measured.recall
    return DuplicateGroups(groups=groups, searched=len(rows), exact=cells is None, recall=recall)


def _count_candidates(
    index: SimilarityIndex, cells: CellIndex, rows: NDArray[np.int64], min_similarity: float, progress: Progress
) -> NDArray[np.int64]:
    """As ``count_neighbours``, of the nearest ``NEAREST`` that the cells give."""
    counts = np.zeros(len(index.snapshot.alive), np.int64)
    for start in range(0, len(rows), QUERY_ROWS):
        some = rows[start : start + QUERY_ROWS]
        found, similar = approximate_nearest(
            index.snapshot, cells, index.snapshot.vectors(some), NEAREST + 1, rows, cells.measured.probes
        )
        enough = (similar >= min_similarity) & (found != some[:, None])
        counts[some] += enough.sum(axis=1)
        np.add.at(counts, found[enough], 1)
        progress(start + len(some), len(rows))
    return counts[rows]
