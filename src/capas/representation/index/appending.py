"""Appending to the files of an index: rows and lines first, then the record of the journal that makes them valid."""

import os
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capas.representation.index.journal import JournalRecord
from capas.representation.index.manifest import ITEMS, JOURNAL, VECTORS, IndexManifest


class GenerationFiles:
    """The three files of a generation, appended to: rows and lines first, then the record that makes them valid.

    Args:
        folder: The index.
        manifest: Names the generation.
        records, rows, line_bytes, journal_bytes, sources: What is valid so far; what lies behind it is cut off.
    """

    def __init__(
        self, folder: Path, manifest: IndexManifest, *, records: int = 0, rows: int = 0, line_bytes: int = 0,
        journal_bytes: int = 0, sources: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.manifest = manifest
        self.rows = rows
        self._records, self._line_bytes = records, line_bytes
        self._sources = {source: number for number, source in enumerate(sources)}
        row_bytes = manifest.dimensions * np.dtype(manifest.precision).itemsize
        valid = {VECTORS: rows * row_bytes, ITEMS: line_bytes, JOURNAL: journal_bytes}
        self._files: dict[str, FileIO] = {}
        with ExitStack() as opened:
            for kind, length in valid.items():
                path = manifest.file(folder, kind)
                # Without a buffer: what cannot be written shows at once, and not when the file is closed.
                self._files[kind] = opened.enter_context(open(path, "ab", buffering=0))
                if os.fstat(self._files[kind].fileno()).st_size > length:
                    os.truncate(path, length)
            self._open = opened.pop_all()

    def close(self) -> None:
        """Close the files."""
        self._open.close()

    def begin(self) -> None:
        """Write the first record."""
        self._record(JournalRecord(number=0, manifest=self.manifest.model_dump()))

    def append(
        self, source: str, rows: NDArray[np.floating], lines: Sequence[bytes], keys: NDArray[np.uint64],
        removed: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Add rows (n, D) of length one with n lines and keys, and take ``removed`` rows away: both or neither.

        Raises OSError; nothing is then acknowledged, and nothing further can be written with this object.
        """
        stored, text = np.ascontiguousarray(rows, self.manifest.precision).tobytes(), b"".join(lines)
        ends = self._line_bytes + np.cumsum([len(line) for line in lines], dtype=np.uint64)
        if len(lines):
            self._write(VECTORS, stored)
            self._write(ITEMS, text)
        new = source not in self._sources and len(lines) > 0
        number = self._sources.setdefault(source, len(self._sources)) if len(lines) else 0
        self._record(JournalRecord(
            number=self._records, source=number, new_source=source if new else None, first_row=self.rows,
            first_byte=self._line_bytes, vectors_crc=zlib.crc32(stored), items_crc=zlib.crc32(text),
            ends=ends.astype(np.uint64), keys=keys, removed=removed,
        ))  # fmt: skip
        self.rows += len(lines)
        self._line_bytes += len(text)

    def _record(self, record: JournalRecord) -> None:
        self._write(JOURNAL, record.as_bytes())
        self._records += 1

    def _write(self, kind: str, content: bytes) -> None:
        stream, rest = self._files[kind], memoryview(content)
        while rest:
            rest = rest[stream.write(rest) :]
        os.fsync(stream.fileno())
