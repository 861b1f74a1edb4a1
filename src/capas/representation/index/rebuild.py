"""Writing an index anew from all that is whole of it: after damage, or to give back the room of what was removed."""

import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ValidationError

from capas.core.errors import CapasError
from capas.core.files import is_folder, only_writer, open_regular, sync_folder, write_error
from capas.representation.index.appending import GenerationFiles
from capas.representation.index.journal import JournalContent, JournalRecord, read_journal
from capas.representation.index.manifest import (
    INDEX_FILE,
    ITEMS,
    JOURNAL,
    VECTORS,
    IndexManifest,
    holds_index,
    read_index_manifest,
    write_index_manifest,
)
from capas.representation.index.snapshot import IndexSnapshot, generation_files

MIN_GONE_ROWS: Final = 10_000  # that are worth writing the others anew
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class RebuiltIndex:
    """What became of an index that was written anew.

    Attributes:
        kept: Items.
        lost: Items whose row or line was damaged.
        records_lost: Damaged records of the journal; what they took away may be there again.
    """

    kept: int
    lost: int
    records_lost: int


def mostly_gone(snapshot: IndexSnapshot) -> bool:
    """Whether more rows of an index are gone than there, and many."""
    gone = len(snapshot.alive) - len(snapshot)
    return gone > max(MIN_GONE_ROWS, len(snapshot))


def rebuild_index(folder: str | Path, progress: Progress = lambda done, total: None) -> RebuiltIndex:
    """Write an index anew, without what is gone and what is damaged; its cells are then to be made again.

    Killed at any moment, either the former index stands or the new one.

    Raises:
        CapasError: ``no_such_index``, ``index_damaged`` where nothing says what it holds, ``run_is_busy``,
            ``disk_full`` or ``cannot_write``.
    """
    place = Path(folder)
    if not is_folder(place) or not holds_index(place):
        raise CapasError("no_such_index", where=place)
    with only_writer(place):
        try:
            return _rebuild(place, progress)
        except OSError as error:
            raise write_error(place, error) from error


def _rebuild(folder: Path, progress: Progress) -> RebuiltIndex:
    generation = _present_generation(folder)
    journal = read_journal(folder / f"{generation:08d}.{JOURNAL}", skip_damaged=True)
    former = _manifest(folder, journal).model_copy(update={"generation": generation})
    new = former.model_copy(update={"generation": max(number for number, _ in generation_files(folder)) + 1})
    total = sum(record.count for record in journal.records)
    with ExitStack() as opened:
        rows_file, lines_file = (opened.enter_context(_opened(former.file(folder, kind))) for kind in (VECTORS, ITEMS))
        files = opened.enter_context(closing(GenerationFiles(folder, new)))
        files.begin()
        alive = _alive(journal)
        sources = {record.source: record.new_source for record in journal.records if record.new_source is not None}
        lost = done = 0
        for record in journal.records:
            if record.count == 0:
                continue
            there = alive[record.first_row : record.first_row + record.count]
            stored = _read_batch(record, former, rows_file, lines_file)
            if stored is None:
                lost += int(there.sum())
            elif there.any():
                rows, lines = stored
                kept = np.flatnonzero(there)
                chosen = [lines[row] for row in kept.tolist()]
                source = sources.get(record.source) or ""
                files.append(source, rows[kept], chosen, record.keys[kept], np.empty(0, np.int64))
            done += record.count
            progress(done, total)
        lost += _unnamed_rows(journal, former, rows_file)
        kept_rows = files.rows
    sync_folder(folder)
    write_index_manifest(folder, new)
    for number, path in generation_files(folder):
        if number != new.generation:
            path.unlink(missing_ok=True)
    return RebuiltIndex(kept=kept_rows, lost=lost, records_lost=len(journal.skipped))


def _present_generation(folder: Path) -> int:
    """The generation that ``index.json`` names, else the newest that has rows: a newer one may never have been
    finished.
    """
    numbers = sorted({number for number, path in generation_files(folder) if path.suffix == f".{JOURNAL}"})
    if not numbers:
        raise CapasError("index_damaged", where=folder, received=JOURNAL)
    try:
        named = read_index_manifest(folder).generation
    except CapasError:
        return numbers[0]  # a generation is removed when the next one stands
    return named if named in numbers else numbers[-1]


def _manifest(folder: Path, journal: JournalContent) -> IndexManifest:
    try:
        return read_index_manifest(folder)
    except CapasError:
        pass
    for record in journal.records:
        if record.manifest is not None:
            try:
                return IndexManifest.model_validate(record.manifest)
            except ValidationError:
                break
    raise CapasError("index_damaged", where=folder, received=INDEX_FILE)


def _opened(path: Path) -> BufferedReader:
    path.touch()  # a file that is gone holds nothing
    return open_regular(path)


def _alive(journal: JournalContent) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    last = max((record.first_row + record.count for record in journal.records), default=0)
    alive = np.ones(last, dtype=bool)
    for record in journal.records:
        alive[record.removed[record.removed < last]] = False
    return alive


def _read_batch(
    record: JournalRecord, manifest: IndexManifest, rows_file: BufferedReader, lines_file: BufferedReader
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.floating]], Sequence[bytes]] | None:
    """The rows and lines of a record; None where they are not those that were written."""
    row_bytes = manifest.dimensions * np.dtype(manifest.precision).itemsize
    rows_file.seek(record.first_row * row_bytes)
    stored = rows_file.read(record.count * row_bytes)
    lines_file.seek(record.first_byte)
    text = lines_file.read(record.last_byte - record.first_byte)
    if zlib.crc32(stored) != record.vectors_crc or zlib.crc32(text) != record.items_crc:
        return None
    if len(stored) != record.count * row_bytes:
        return None
    rows = np.frombuffer(stored, manifest.precision).reshape(record.count, manifest.dimensions)
    return rows, text.splitlines(keepends=True)


def _unnamed_rows(journal: JournalContent, manifest: IndexManifest, rows_file: BufferedReader) -> int:
    """How many rows there are that no record names, where records are damaged."""
    if not journal.skipped:
        return 0
    row_bytes = manifest.dimensions * np.dtype(manifest.precision).itemsize
    there = rows_file.seek(0, 2) // row_bytes
    return max(0, there - sum(record.count for record in journal.records))
