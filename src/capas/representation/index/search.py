"""Searching an index: exactly up to ``EXACT_ROWS`` items, above within the nearest cells.

Shapes: N rows, Q queries, D dimensions, k neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.representation.index.cells import CellIndex, faiss_available, open_cells
from capas.representation.index.column_filter import Conditions, matching_rows
from capas.representation.index.exact_search import exact_nearest, most_similar
from capas.representation.index.snapshot import IndexedItem, IndexSnapshot
from capas.representation.vectors import have_direction, unit_length

EXACT_ROWS: Final = 100_000
FETCHED: Final = 4  # candidates for each neighbour that is asked for: 8-bit vectors order them only roughly
MIN_FETCHED: Final = 64
MAX_PROBED_SHARE: Final = 1 / 4  # where more cells than that would be looked into, all rows are
Reason = Literal["no_extra", "no_cells"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarItem:
    """An item that a search found.

    Attributes:
        found: The item.
        similarity: Cosine of the angle between its vector and the query's, −1..1.
    """

    found: IndexedItem
    similarity: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarItems:
    """What a search found.

    Attributes:
        items: Of each query the items, most similar first.
        searched: Among how many items.
        exact: Whether every item was compared.
        recall: Of an approximate search, the share of the 10 nearest that it finds, a rate measured with the cells.
        reason: Why a large index was searched exactly: faiss is not installed, or there are no whole cells.
        conditions: Whether only items that fulfil conditions were looked at.
    """

    items: Sequence[Sequence[SimilarItem]]
    searched: int
    exact: bool
    recall: dict[str, object] | None = None
    reason: Reason | None = None
    conditions: bool = False


class SimilarityIndex:
    """An index that is searched, as it was when it was opened.

    Args:
        folder: Its folder.

    Raises:
        CapasError: ``no_such_index`` or ``index_damaged``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.snapshot = IndexSnapshot(folder)

    def __len__(self) -> int:
        return len(self.snapshot)

    @cached_property
    def cells(self) -> CellIndex | None:
        """The cells; None where there are none that are whole."""
        return open_cells(self.snapshot)

    def search(
        self, queries: NDArray[np.floating], k: int = 10, where: Conditions | None = None,
        without: Sequence[int] = (),
    ) -> SimilarItems:  # fmt: skip
        """Return the k most similar items for each query; of equal ones those that were added first.

        Args:
            queries: Vectors of the index's encoder, (Q, D) or (D,).
            k: At most so many, 1 or more.
            where: Only items whose columns fulfil these conditions.
            without: Rows that are left out, such as the query's own.

        Raises:
            CapasError: ``search_k``, ``vectors_of_other_encoder`` for another D, ``query_without_direction``,
                ``index_no_such_column`` or ``index_damaged``.
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise CapasError("search_k", where="k", received=str(k))
        vectors = self._unit_queries(queries)
        snapshot = self.snapshot
        rows = np.flatnonzero(snapshot.alive) if not where else matching_rows(snapshot, where)
        rows = rows[~np.isin(rows, without)] if len(without) else rows
        reason: Reason | None = None
        cells = None
        if len(rows) > EXACT_ROWS:
            cells = self.cells
            reason = None if cells is not None else "no_cells" if faiss_available() else "no_extra"
        if cells is None:
            found, similarities = exact_nearest(snapshot.similarities, vectors, k, rows)
        else:
            found, similarities = approximate_nearest(snapshot, cells, vectors, k, rows, cells.measured.probes)
        return SimilarItems(
            items=self._as_items(found, similarities), searched=len(rows), exact=cells is None, reason=reason,
            recall=None if cells is None else cells.measured.recall, conditions=bool(where),
        )  # fmt: skip

    def _unit_queries(self, queries: NDArray[np.floating]) -> NDArray[np.float32]:
        rows, manifest = np.atleast_2d(queries), self.snapshot.manifest
        if rows.ndim != 2 or rows.shape[1] != manifest.dimensions:
            raise CapasError("vectors_of_other_encoder", where=self.snapshot.folder, received=f"({rows.shape[-1]})",
                             expected_encoder=f"{manifest.encoder or '?'} ({manifest.dimensions})")  # fmt: skip
        bad = ~have_direction(rows)
        if bad.any():
            raise CapasError("query_without_direction", where=self.snapshot.folder, received=int(bad.argmax()) + 1,
                             count=len(rows))  # fmt: skip
        return unit_length(rows)

    def _as_items(self, found: NDArray[np.int64], similarities: NDArray[np.float32]) -> list[list[SimilarItem]]:
        lists = []
        for rows, values in zip(found, similarities.clip(-1, 1), strict=True):
            items = self.snapshot.items(rows)
            lists.append([SimilarItem(found=item, similarity=value)
                          for item, value in zip(items, values.tolist(), strict=True)])  # fmt: skip
        return lists


def approximate_nearest(
    snapshot: IndexSnapshot, cells: CellIndex, queries: NDArray[np.float32], k: int, rows: NDArray[np.int64],
    probes: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # fmt: skip
    """Return what ``exact_nearest`` returns, from the nearest ``probes`` cells and the rows that are in none yet.

    Where ``rows`` are few among the others, or too few of them are in these cells, more are looked into; in the end all
    are compared.
    """
    count = min(k, len(rows))
    wanted = None
    if len(rows) < len(snapshot.alive):
        wanted = np.zeros(len(snapshot.alive), dtype=bool)
        wanted[rows] = True
    newer = rows[np.searchsorted(rows, cells.rows) :]
    best_rows = np.zeros((len(queries), count), np.int64)
    best = np.zeros((len(queries), count), np.float32)
    left = np.arange(len(queries))
    looked_into = probes * max(1, len(snapshot.alive) // max(1, len(rows)))
    while len(left):
        if looked_into > max(probes, MAX_PROBED_SHARE * cells.count):
            best_rows[left], best[left] = exact_nearest(snapshot.similarities, queries[left], count, rows)
            break
        found = cells.candidates(queries[left], max(MIN_FETCHED, FETCHED * count), looked_into, wanted)
        short = []
        for query, named in zip(left.tolist(), found, strict=True):
            named = np.concatenate([np.sort(named[named >= 0]), newer])
            if len(named) < count:
                short.append(query)
                continue
            similar = snapshot.vectors(named) @ queries[query]
            best_rows[query], best[query] = (one[0] for one in most_similar(named[None], similar[None], count))
        left = np.array(short, np.int64)
        looked_into *= 2
    return best_rows, best
