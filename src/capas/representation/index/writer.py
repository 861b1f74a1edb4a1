"""Writing into an index: items with their vectors are added or removed, and on the disk before that is acknowledged."""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.files import LOCK, is_file, is_folder, only_writer, sync_folder, write_error
from capas.representation.index.appending import GenerationFiles
from capas.representation.index.journal import no_rows
from capas.representation.index.manifest import (
    INDEX_FILE,
    IndexManifest,
    holds_index,
    write_index_manifest,
)
from capas.representation.index.snapshot import IndexSnapshot, generation_files, item_line
from capas.representation.vectors import VectorItem, refuse_without_direction, unit_length

BATCH_ROWS: Final = 8192  # that are acknowledged together


@dataclass(frozen=True, kw_only=True, slots=True)
class AddedItems:
    """What became of items that were to be added.

    Attributes:
        added: That were not there.
        replaced: That were there with another content, vector or columns.
        unchanged: That were there as they are.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0

    def __add__(self, other: "AddedItems") -> "AddedItems":
        return AddedItems(added=self.added + other.added, replaced=self.replaced + other.replaced,
                          unchanged=self.unchanged + other.unchanged)  # fmt: skip


def item_key(data: str, name: str, repetition: int = 0) -> int:
    """Return the key by which an item is found again, 64 bits.

    Args:
        data: Its data source.
        name: Its name there.
        repetition: How many items of that name came before it; names of foreign tables may repeat.
    """
    text = f"{data}\0{name}\0{repetition}".encode("utf-8", "backslashreplace")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def create_index(folder: str | Path, manifest: IndexManifest) -> None:
    """Make an index without items.

    Raises:
        CapasError: ``not_an_index`` where the folder holds something else, ``index_damaged`` where it holds an index
            without its ``index.json``, ``run_is_busy``, ``disk_full`` or ``cannot_write``.
    """
    place = Path(folder)
    if is_file(place):
        raise CapasError("not_an_index", where=place, received=place.name)
    if holds_index(place):
        raise CapasError("index_damaged", where=place, received=INDEX_FILE)
    _refuse_others(place)
    with only_writer(place):
        _refuse_others(place)
        try:
            for _, path in generation_files(place):
                path.unlink()
            with closing(GenerationFiles(place, manifest)) as files:
                files.begin()
            sync_folder(place)
        except OSError as error:
            raise write_error(place, error) from error
        write_index_manifest(place, manifest)


def _refuse_others(folder: Path) -> None:
    """Raise CapasError ``not_an_index`` where a folder holds more than a creation that was interrupted leaves."""
    if not is_folder(folder):
        return
    own = {LOCK, *(path.name for _, path in generation_files(folder))}
    for name in sorted(path.name for path in folder.iterdir()):
        if name not in own and not name.startswith(f".{INDEX_FILE}."):
            raise CapasError("not_an_index", where=folder, received=name)


class IndexWriter:
    """Adds items to an index and removes them. Use as a context manager; a second writer is refused.

    Args:
        folder: The index.

    Raises:
        CapasError: ``no_such_index``, ``index_damaged``, ``run_is_busy``, ``disk_full`` or ``cannot_write``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._open = ExitStack()

    def __enter__(self) -> "IndexWriter":
        if not holds_index(self.folder):
            raise CapasError("no_such_index", where=self.folder)
        with ExitStack() as opened:
            opened.enter_context(only_writer(self.folder))
            self.snapshot = IndexSnapshot(self.folder)
            self._known = _KnownKeys(self.snapshot)
            self._seen: set[int] = set()
            self._repetitions: dict[tuple[str, str], int] = {}
            size = len(self.snapshot.ends)
            try:
                self._files = GenerationFiles(
                    self.folder, self.snapshot.manifest, records=len(self.snapshot.records), rows=size,
                    line_bytes=int(self.snapshot.ends[-1]) if size else 0, journal_bytes=self.snapshot.journal_length,
                    sources=[source for source in self.snapshot.sources if source is not None],
                )  # fmt: skip
            except OSError as error:
                raise write_error(self.folder, error) from error
            opened.callback(self._files.close)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.close()

    def add(self, data: str, items: Sequence[VectorItem], matrix: NDArray[np.floating]) -> AddedItems:
        """Add items (n) with their vectors (n, D), which need no length of one.

        An item of the same data source and name takes the place of the one that is there; one that is there with the
        same hash, columns and vector stays. When this returns, all are on the disk.

        Raises:
            CapasError: ``vectors_not_finite``, ``vectors_without_direction``, ``vectors_of_other_encoder`` for another
                D, ``disk_full`` or ``cannot_write``.
        """
        manifest = self.snapshot.manifest
        if matrix.shape != (len(items), manifest.dimensions):
            received, expected = (f"({'×'.join(map(str, shape))})" for shape in
                                  (matrix.shape, (len(items), manifest.dimensions)))  # fmt: skip
            raise CapasError("vectors_of_other_encoder", where=data, received=received, expected_encoder=expected)
        refuse_without_direction(matrix, items, data)
        done = AddedItems()
        for start in range(0, len(items), BATCH_ROWS):
            some = slice(start, start + BATCH_ROWS)
            done += self._add_batch(data, items[some], unit_length(matrix[some]).astype(manifest.precision))
        return done

    def _add_batch(self, data: str, items: Sequence[VectorItem], rows: NDArray[np.floating]) -> AddedItems:
        keys = np.array([self._new_key(data, item.name) for item in items], np.uint64)
        former = self._known.rows(keys)
        lines = [item_line(item) for item in items]
        same = np.zeros(len(items), dtype=bool)
        there = np.flatnonzero(former >= 0)
        stored = self.snapshot.matrix[former[there]]
        starts, ends = self.snapshot.starts(former[there]), self.snapshot.ends[former[there]]
        for place, row, start, end in zip(there.tolist(), stored, starts.tolist(), ends.tolist(), strict=True):
            same[place] = np.array_equal(row, rows[place]) and self.snapshot.lines[start:end] == lines[place]
        new = np.flatnonzero(~same)
        replaced = former[new][former[new] >= 0]
        if len(new):
            self._append(data, rows[new], [lines[place] for place in new.tolist()], keys[new], replaced)
        return AddedItems(added=len(new) - len(replaced), replaced=len(replaced), unchanged=int(same.sum()))

    def _new_key(self, data: str, name: str) -> int:
        """The key of an item; its number among those of its name is part of it."""
        repetition = self._repetitions.get((data, name), 0)
        key = item_key(data, name, repetition)
        while key in self._seen:
            repetition += 1
            key = item_key(data, name, repetition)
        if repetition:
            self._repetitions[data, name] = repetition + 1
        self._seen.add(key)
        return key

    def known(self, data: str, name: str) -> VectorItem | None:
        """Return the first item of that data source and name that was there when the index was opened."""
        row = int(self._known.rows(np.array([item_key(data, name)], np.uint64))[0])
        return None if row < 0 else self.snapshot.items(np.array([row]))[0].item

    def remove(self, rows: NDArray[np.int64]) -> None:
        """Take rows away. Raises CapasError ``disk_full`` or ``cannot_write``."""
        if len(rows):
            nothing = np.zeros((0, self.snapshot.manifest.dimensions), self.snapshot.manifest.precision)
            self._append("", nothing, [], np.empty(0, np.uint64), rows)

    def _append(
        self, data: str, rows: NDArray[np.floating], lines: Sequence[bytes], keys: NDArray[np.uint64],
        removed: NDArray[np.int64],
    ) -> None:  # fmt: skip
        try:
            self._files.append(data, rows, lines, keys, removed)
        except OSError as error:
            raise write_error(self.folder, error) from error


class _KnownKeys:
    """The rows of keys that were there when the index was opened."""

    def __init__(self, snapshot: IndexSnapshot) -> None:
        rows = np.flatnonzero(snapshot.alive)
        order = np.argsort(snapshot.keys[rows], kind="stable")
        self._rows, self._keys = rows[order], snapshot.keys[rows][order]

    def rows(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the row of each key, −1 where there is none."""
        if not len(self._keys):
            return no_rows() if not len(keys) else np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        found: NDArray[np.int64] = np.where(self._keys[places] == keys, self._rows[places], -1)
        return found
