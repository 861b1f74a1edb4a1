"""Dividing a large index into cells, or adding to them, and measuring what a search of them finds."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.files import only_writer
from capas.metrics.bootstrap import mean_with_interval
from capas.representation.index.cells import CellFacts, CellIndex, Progress, new_cells, open_cells
from capas.representation.index.exact_search import exact_nearest
from capas.representation.index.search import EXACT_ROWS, approximate_nearest
from capas.representation.index.snapshot import IndexSnapshot

NEIGHBOURS: Final = 10
TRIED, MEASURED = (
    100,
    200,
)  # own items that the number of probes is chosen with, and others that the recall is measured with
PROBES: Final = (4, 8, 16, 32, 64, 128, 256)
ENOUGH_RECALL: Final = 0.98
# New rows are compared one by one until there are so many: the file of cells is written whole each time.
MAX_NEWER_ROWS: Final = 20_000
MAX_GROWTH: Final = 4
TIE: Final = 1e-6


def cells_needed(snapshot: IndexSnapshot) -> bool:
    """Whether an index is large enough for cells."""
    return len(snapshot) > EXACT_ROWS


def update_cells(folder: str | Path, progress: Progress, *, anew: bool = False) -> CellFacts | None:
    """Divide a large index into cells, or add to them what is new, and measure the recall.

    Args:
        folder: The index.
        progress: Called with (done, total) rows.
        anew: Make them again though there are some.

    Returns:
        What was measured; None of an index that needs no cells.

    Raises:
        CapasError: ``extra_missing`` without faiss, ``run_is_busy``, ``index_damaged``, ``disk_full`` or
            ``cannot_write``.
    """
    with only_writer(Path(folder)):
        snapshot = IndexSnapshot(folder)
        if not cells_needed(snapshot):
            return None
        cells = None if anew else open_cells(snapshot)
        if cells is not None and cells.rows * MAX_GROWTH < len(snapshot.alive):
            cells = None  # they are too few now, and the ranges of the 8-bit numbers those of another collection
        if cells is None:
            cells = new_cells(snapshot.manifest.dimensions, len(snapshot.alive))
        elif len(snapshot.alive) - cells.rows <= MAX_NEWER_ROWS:
            return cells.measured
        cells.extend(snapshot, progress)
        cells.save(snapshot, *measure_recall(snapshot, cells))
        return cells.measured


def measure_recall(snapshot: IndexSnapshot, cells: CellIndex) -> tuple[int, dict[str, object]]:
    """Choose how many cells a search looks into, and measure the share of the 10 nearest that it then finds.

    Both against the exact search, with items of the index itself (which do not count as their own neighbours): the
    first of ``PROBES`` that finds ``ENOUGH_RECALL`` for some of them, measured with others.
    """
    rows = np.flatnonzero(snapshot.alive)
    chosen = np.random.default_rng(0).permutation(rows)[: TRIED + MEASURED]
    if len(chosen) < 2:
        raise CapasError("index_damaged", where=snapshot.folder, received=str(len(chosen)))
    queries = snapshot.vectors(chosen)
    exact = exact_nearest(snapshot.similarities, queries, NEIGHBOURS + 1, rows)
    cut = len(chosen) * TRIED // (TRIED + MEASURED)
    for probes in PROBES:
        tried = _found_shares(snapshot, cells, chosen[:cut], exact[0][:cut], exact[1][:cut], probes)
        if tried.mean() >= ENOUGH_RECALL:
            break
    shares = _found_shares(snapshot, cells, chosen[cut:], exact[0][cut:], exact[1][cut:], probes)
    return probes, mean_with_interval(torch.from_numpy(shares).float()).as_json()


def _found_shares(
    snapshot: IndexSnapshot, cells: CellIndex, own: NDArray[np.int64], exact_rows: NDArray[np.int64],
    exact_similarities: NDArray[np.float32], probes: int,
) -> NDArray[np.float64]:  # fmt: skip
    """The share of the exact neighbours of each own row that the cells give; one as near as the last of them counts."""
    rows = np.flatnonzero(snapshot.alive)
    vectors = snapshot.vectors(own)
    _, similarities = approximate_nearest(snapshot, cells, vectors, NEIGHBOURS + 1, rows, probes)
    shares = []
    for one, found in enumerate(similarities):
        nearest = exact_similarities[one][: min(NEIGHBOURS + 1, len(rows))]
        # The item itself is among both; what is left are its neighbours.
        last = nearest[-1] - TIE
        shares.append(max(0, int((found >= last).sum()) - 1) / max(1, len(nearest) - 1))
    return np.array(shares)
