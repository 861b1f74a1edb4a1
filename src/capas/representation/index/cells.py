"""The cells of the approximate search: an inverted file by faiss, over 8-bit vectors.

k-means divides the vectors into cells, and a search looks only into those that are nearest to the query (Sivic &
Zisserman, "Video Google", ICCV 2003; Jégou, Douze & Schmid, "Product Quantization for Nearest Neighbor Search", PAMI
2011, section IV). It only names candidates: their similarities are computed from the stored rows. The file of cells is
made of the rows and says how many of them it covers; where it is missing or damaged, the search is exact.

Shapes: N rows, Q queries, D dimensions.
"""

import math
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.files import open_regular, read_regular, sync_folder, write_error, write_json
from capas.core.parsing import parse_json
from capas.representation.index.manifest import CELL_FACTS, CELLS
from capas.representation.index.snapshot import IndexSnapshot

CELLS_PER_ROOT: Final = 4  # cells for each unit of √N, as faiss's guidelines advise up to a million vectors
TRAINED_PER_CELL: Final = 50  # rows, at random; faiss advises 39 or more
KMEANS_STEPS: Final = 10
ADDED_ROWS: Final = 5_000  # between two reports of progress
MAX_FACTS_BYTES: Final = 100_000
_BLOCK: Final = 1 << 22
Progress = Callable[[int, int], None]


class CellFacts(BaseModel):
    """``GENERATION.cells.json``.

    Attributes:
        rows: The first so many rows of the index are in cells, those that are gone included.
        checksum: CRC-32 of the file.
        probes: Cells that a search looks into, chosen by measuring.
        recall: Share of the 10 nearest of its own items that the search finds, as a rate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: int
    checksum: int
    probes: int
    recall: dict[str, object]


def faiss_available() -> bool:
    """Whether faiss is installed (extra "search")."""
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


class CellIndex:
    """The cells of the first rows of an index.

    Args:
        index: That of faiss; a row's number there is the row.
        facts: What was measured of it; None before that.
    """

    def __init__(self, index: Any, facts: CellFacts | None = None) -> None:
        self._index = index
        self.facts = facts

    @property
    def rows(self) -> int:
        """How many rows of the index it covers."""
        return int(self._index.ntotal)

    @property
    def measured(self) -> CellFacts:
        """What was measured of cells that were read from an index."""
        assert self.facts is not None
        return self.facts

    @property
    def count(self) -> int:
        """Number of cells."""
        return int(self._index.nlist)

    def candidates(
        self, queries: NDArray[np.float32], count: int, probes: int, wanted: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Return rows near each query, shape (Q, count), −1 where no more were found; roughly the nearest first.

        Args:
            queries: Shape (Q, D), of length one.
            count: How many.
            probes: Cells that are looked into.
            wanted: Shape (N,), which rows may be returned; all of them if None.
        """
        faiss = _faiss()
        faiss.omp_set_num_threads(physical_cores())
        chosen = faiss.SearchParametersIVF(nprobe=min(probes, self.count))
        if wanted is not None:
            bits = np.packbits(wanted[: self.rows], bitorder="little")
            chosen = faiss.SearchParametersIVF(nprobe=min(probes, self.count), sel=faiss.IDSelectorBitmap(bits))
        rows: NDArray[np.int64] = self._index.search(queries, count, params=chosen)[1]
        return rows

    def extend(self, snapshot: IndexSnapshot, progress: Progress) -> None:
        """Add the rows that are not covered yet; ``progress`` is called with (done, total) rows."""
        _faiss().omp_set_num_threads(physical_cores())
        total = len(snapshot.alive)
        progress(self.rows, total)
        if not self._index.is_trained:
            some = np.sort(np.random.default_rng(0).permutation(total)[: TRAINED_PER_CELL * self.count])
            self._index.train(snapshot.vectors(some))
        while self.rows < total:
            block = slice(self.rows, min(self.rows + ADDED_ROWS, total))
            snapshot.check(np.arange(block.start, block.stop))
            self._index.add(snapshot.vectors(block))
            progress(self.rows, total)

    def save(self, snapshot: IndexSnapshot, probes: int, recall: dict[str, object]) -> None:
        """Write the cells, and what was measured. Raises CapasError ``disk_full`` or ``cannot_write``."""
        path = snapshot.manifest.file(snapshot.folder, CELLS)
        part = path.with_name(f".{path.name}.part")
        checksum = 0
        try:
            with open(part, "wb") as stream:

                def write(block: bytes) -> None:
                    nonlocal checksum
                    stream.write(block)
                    checksum = zlib.crc32(block, checksum)

                _faiss().write_index(self._index, _faiss().PyCallbackIOWriter(write, _BLOCK))
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, path)
            sync_folder(path.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise write_error(path, error) from error
        self.facts = CellFacts(rows=self.rows, checksum=checksum, probes=probes, recall=recall)
        write_json(snapshot.manifest.file(snapshot.folder, CELL_FACTS), self.facts.model_dump())


def new_cells(dimensions: int, rows: int) -> CellIndex:
    """Return empty cells for about so many rows. Raises CapasError ``extra_missing``."""
    faiss = _faiss()
    count = max(1, min(rows, round(CELLS_PER_ROOT * math.sqrt(rows))))
    index = faiss.index_factory(dimensions, f"IVF{count},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.min_points_per_centroid = KMEANS_STEPS, 1
    return CellIndex(index)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise CapasError("extra_missing", where="capas index", received="faiss-cpu", extra="search") from error
    return faiss


def read_cell_facts(snapshot: IndexSnapshot) -> CellFacts | None:
    """Return what stands beside the cells; None where there is none, or it fits no cells of this index."""
    try:
        content = read_regular(snapshot.manifest.file(snapshot.folder, CELL_FACTS), max_bytes=MAX_FACTS_BYTES)
        facts = CellFacts.model_validate(parse_json(content))
    except (OSError, ValueError, ValidationError):
        return None
    return facts if facts.rows <= len(snapshot.alive) else None


def open_cells(snapshot: IndexSnapshot) -> CellIndex | None:
    """Return the cells of an index; None where there are none that are whole, or faiss is not installed."""
    facts = read_cell_facts(snapshot)
    path = snapshot.manifest.file(snapshot.folder, CELLS)
    try:
        # faiss trusts what it reads: nothing is given to it before its checksum is right.
        if facts is None or not faiss_available() or _checksum(path) != facts.checksum:
            return None
        cells = CellIndex(_faiss().read_index(str(path)), facts)
    except (OSError, RuntimeError):
        return None
    return cells if cells.rows == facts.rows else None


def _checksum(path: Path) -> int:
    value = 0
    with open_regular(path) as stream:
        while block := stream.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value
