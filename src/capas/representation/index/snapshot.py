"""What an index holds at one moment; what a writer appends later is not seen.

Rows and lines are memory-mapped. In memory are 34 bytes for each row: where its line ends, its key, its data source and
whether it is still there. Batches are held against their checksum when something of them is shown.
"""

import json
import mmap
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from capas.core.errors import CapasError
from capas.core.parsing import parse_json
from capas.representation.index.journal import JournalContent, JournalRecord, read_journal
from capas.representation.index.manifest import (
    GENERATION_FILE,
    ITEMS,
    JOURNAL,
    VECTORS,
    read_index_manifest,
)
from capas.representation.vectors import VectorItem

CHECKED_AT_ONCE: Final = 32_000_000  # bytes of an index that is checked whole when it is opened
ATTEMPTS: Final = 3  # a writer may put a new generation in place while this one is opened


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedItem:
    """An item of an index.

    Attributes:
        row: Its row.
        item: What is known of it.
        data: The data source that it came from: an absolute path or a sample's name.
    """

    row: int
    item: VectorItem
    data: str


def item_line(item: VectorItem) -> bytes:
    """Return an item as a line of the file of items; its columns stand last."""
    entry = {"name": item.name, "index": item.index, "hash": item.hash, "columns": dict(item.columns)}
    return json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def read_item_line(line: bytes) -> VectorItem:
    """Return the item of a line. Raises ValueError, KeyError or TypeError where it is none."""
    entry = parse_json(line)
    if not isinstance(entry, dict) or not isinstance(entry["columns"], dict):
        raise TypeError(type(entry).__name__)
    columns = {str(name): str(value) for name, value in entry["columns"].items()}
    return VectorItem(name=str(entry["name"]), index=int(entry["index"]), hash=str(entry["hash"]), columns=columns)


class IndexSnapshot:
    """An index as it is when it is opened.

    Args:
        folder: Its folder.

    Attributes:
        folder: The same.
        manifest: What it holds.
        matrix: Shape (N, D), rows of length one, float32 or float16, memory-mapped; those that are gone included.
        alive: Shape (N,), whether a row is still there.
        ends: Shape (N,), uint64: where a row's line ends.
        keys: Shape (N,), uint64: ``item_key`` of each row.
        sources: The data sources that items came from.
        cut: Bytes of the journal that were never acknowledged, and are passed over.

    Raises:
        CapasError: ``no_such_index`` or ``index_damaged``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        for attempt in range(ATTEMPTS):
            self.manifest = read_index_manifest(self.folder)
            try:
                self._open(read_journal(self._file(JOURNAL)))
                break
            except FileNotFoundError as error:
                if attempt == ATTEMPTS - 1 or read_index_manifest(self.folder) == self.manifest:
                    raise self._damage(Path(str(error.filename)).name) from error
            except OSError as error:
                raise self._damage(str(error)) from error
        self._checked: set[int] = set()
        if self.matrix.nbytes + len(self.lines) <= CHECKED_AT_ONCE:
            self.check(np.arange(len(self.matrix)))

    def __len__(self) -> int:
        """Number of items that are there."""
        return int(self.alive.sum())

    def _file(self, kind: str) -> Path:
        return self.manifest.file(self.folder, kind)

    def _damage(self, what: str) -> CapasError:
        return CapasError("index_damaged", where=self.folder, received=what)

    def _open(self, journal: JournalContent) -> None:
        self.records: Sequence[JournalRecord] = journal.records
        self.journal_length, self.cut = journal.length, journal.cut
        self.sources = [record.new_source for record in self.records if record.new_source is not None]
        added = [record for record in self.records if record.count]
        self._first_rows = np.array([record.first_row for record in added], np.int64)
        self._batches = added
        counts = [record.count for record in added]
        total = sum(counts)
        self.ends = np.concatenate([record.ends for record in added] or [np.empty(0, np.uint64)])
        self.keys = np.concatenate([record.keys for record in added] or [np.empty(0, np.uint64)])
        self._source_of = np.repeat(np.array([record.source for record in added], np.int32), counts)
        self.alive = np.ones(total, dtype=bool)
        for record in self.records:
            self.alive[record.removed] = False
        expected = np.concatenate([[0], np.cumsum(counts)[:-1]]) if added else self._first_rows
        if not np.array_equal(self._first_rows, expected) or not self.records or self.records[0].manifest is None:
            raise self._damage(self._file(JOURNAL).name)
        size = int(self.ends[-1]) if total else 0
        shape = (total, self.manifest.dimensions)
        matrix = _mapped_matrix(self._file(VECTORS), shape, self.manifest.precision)
        lines = _mapped_bytes(self._file(ITEMS), size)
        if matrix is None or lines is None:
            raise self._damage(self._file(VECTORS if matrix is None else ITEMS).name)
        self.matrix, self.lines = matrix, lines

    def starts(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the lines of ``rows`` begin."""
        starts: NDArray[np.int64] = np.where(rows > 0, self.ends[rows - 1], 0).astype(np.int64)
        return starts

    def check(self, rows: NDArray[np.int64]) -> None:
        """Hold the batches of ``rows`` against their checksums, each once. Raises CapasError ``index_damaged``."""
        batches = np.unique(np.searchsorted(self._first_rows, rows, side="right") - 1)
        for number in batches.tolist():
            if number in self._checked:
                continue
            record = self._batches[number]
            if not batch_is_whole(record, self.matrix, self.lines):
                where = f"{self._file(VECTORS).name}, {record.first_row + 1}–{record.first_row + record.count}"
                raise self._damage(where)
            self._checked.add(number)

    def items(self, rows: NDArray[np.int64]) -> list[IndexedItem]:
        """Return the items of ``rows``, checked. Raises CapasError ``index_damaged``."""
        self.check(rows)
        return list(self._read(rows))

    def _read(self, rows: NDArray[np.int64]) -> Iterator[IndexedItem]:
        for row, start, end in zip(rows.tolist(), self.starts(rows).tolist(), self.ends[rows].tolist(), strict=True):
            try:
                item = read_item_line(self.lines[start:end])
            except (ValueError, KeyError, TypeError) as error:
                raise self._damage(f"{self._file(ITEMS).name}, {row + 1}") from error
            yield IndexedItem(row=row, item=item, data=self.sources[self._source_of[row]])

    def source_numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the number of each row's data source in ``sources``."""
        return self._source_of[rows]

    def vectors(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Return rows of length one, float32 (n, D); float16 is scaled again, so that equal rows have similarity 1."""
        found = _as_float32(self.matrix[rows])
        return found / _lengths(found)[:, None] if self.matrix.dtype == np.float16 else found

    def similarities(self, queries: NDArray[np.float32], rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosines (Q, n) of queries of length one (Q, D) and rows."""
        found = _as_float32(self.matrix[rows])
        # Not NumPy's product: its threads and those that torch converts with would wait for each other.
        products: NDArray[np.float32] = functional.linear(torch.from_numpy(queries), torch.from_numpy(found)).numpy()
        return products / _lengths(found) if self.matrix.dtype == np.float16 else products


def _as_float32(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows as float32. torch turns float16 into it several times as fast as NumPy."""
    if rows.dtype == np.float32:
        return np.array(rows, np.float32)
    exact: NDArray[np.float32] = torch.from_numpy(np.array(rows)).float().numpy()
    return exact


def _lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lengths (n,) of rows (n, D), 1 of a row of zeros: what is rounded to float16 has no length of one any more."""
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    lengths[lengths == 0] = 1
    return lengths


def batch_is_whole(record: JournalRecord, matrix: NDArray[np.floating], lines: bytes | mmap.mmap) -> bool:
    """Whether the rows and lines of a record are those that were written."""
    rows = matrix[record.first_row : record.first_row + record.count]
    text = lines[record.first_byte : record.last_byte]
    whole = len(rows) == record.count and len(text) == record.last_byte - record.first_byte
    return whole and zlib.crc32(rows.tobytes()) == record.vectors_crc and zlib.crc32(text) == record.items_crc


def _mapped_matrix(path: Path, shape: tuple[int, int], precision: str) -> NDArray[np.floating] | None:
    """Rows of a file; None where it holds fewer."""
    if path.stat().st_size < shape[0] * shape[1] * np.dtype(precision).itemsize:
        return None
    if shape[0] == 0:
        return np.zeros(shape, precision)
    return np.memmap(path, dtype=precision, mode="r", shape=shape)


def _mapped_bytes(path: Path, size: int) -> bytes | mmap.mmap | None:
    """The beginning of a file; None where it is shorter."""
    if path.stat().st_size < size:
        return None
    if size == 0:
        return b""
    with open(path, "rb") as stream:
        return mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)


def generation_files(folder: Path) -> list[tuple[int, Path]]:
    """Return the files of all generations with their numbers."""
    found = ((GENERATION_FILE.fullmatch(path.name), path) for path in folder.iterdir())
    return [(int(match[1]), path) for match, path in found if match is not None]
