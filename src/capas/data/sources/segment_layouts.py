"""Folders of audio with segments: a segment file beside each recording, or one table for all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import open_regular
from capas.data.audio.segments import Segment, SegmentCollection, remove_overlaps
from capas.data.naming import SplitName, normalise_name, split_from_name
from capas.data.problems import Problem, problems_from
from capas.data.sources.folder_listing import FolderListing
from capas.data.sources.path_columns import find_path_column
from capas.data.sources.segment_files import (
    SUFFIXES,
    SegmentRow,
    is_audacity_line,
    parse_seconds,
    read_segment_rows,
    segment_columns,
    segment_row,
)
from capas.data.tabular.columns import Cell, Table
from capas.data.tabular.io import read_table

# Of all lines in text files beside sounds so many must be Audacity's: a few may be bad, and reading says which.
_MIN_SEGMENT_LINE_SHARE: Final = 2 / 3
_PEEK: Final = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentedAudio:
    """Recordings with their segments; ``split_names`` are None where split folders say which split each belongs to."""

    audio_files: tuple[Path, ...]
    segments: SegmentCollection
    problems: tuple[Problem, ...]
    used: frozenset[Path]
    split_names: tuple[SplitName | None, ...] | None = None


@dataclass(kw_only=True, slots=True)
class _RowFaults:
    """Rows that are left out, as "file:line", by what is wrong with them."""

    broken: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)

    def tidied(self, name: str, rows: Sequence[SegmentRow]) -> tuple[Segment, ...]:
        """The segments of one recording; what is wrong with the rows of the file ``name`` is noted."""
        lines: dict[Segment, int] = {}
        for row in rows:
            if row.segment is not None:
                lines.setdefault(row.segment, row.line)
            else:
                (self.backward if row.reversed_times else self.broken).append(f"{name}:{row.line}")
        kept, left_out = remove_overlaps(list(lines))
        self.overlapping += [f"{name}:{lines[one]}" for one in left_out]
        return kept

    def problems(self) -> tuple[Problem, ...]:
        return (
            *problems_from("broken_segment", self.broken),
            *problems_from("backward_segment", self.backward),
            *problems_from("overlapping_segment", self.overlapping),
        )


def find_segmented_audio(listing: FolderListing) -> SegmentedAudio | None:
    """Return recordings with segment files of the same name, or with a table of segments; None without any."""
    return (_beside(listing) or _in_table(listing)) if listing.audio_files else None


def _beside(listing: FolderListing) -> SegmentedAudio | None:
    held = {
        (str(path.with_suffix("")), path.suffix.casefold()): path
        for path in (*listing.texts, *listing.tables, *listing.others)
        if path.suffix.casefold() in SUFFIXES
    }
    pairs = []
    for path in listing.audio_files:
        own = [held[key] for end in reversed(SUFFIXES) if (key := (str(path.with_suffix("")), end)) in held]
        if own:
            pairs.append((path, own[0]))
    if 2 * len(pairs) <= len(listing.audio_files) or not _are_segment_files([file for _, file in pairs]):
        return None
    segments, faults, failed = list[tuple[Segment, ...]](), _RowFaults(), dict[int, CapasError]()
    for i, (_, file) in enumerate(pairs):
        try:
            segments.append(faults.tidied(listing.relative_name(file), read_segment_rows(file)))
        except CapasError as error:
            segments.append(())
            failed[i] = error
    taken = {path for path, _ in pairs}
    missing = [listing.relative_name(path) for path in listing.audio_files if path not in taken]
    names = [listing.relative_name(file) for _, file in pairs]
    return SegmentedAudio(
        audio_files=tuple(path for path, _ in pairs), segments=SegmentCollection(segments, names, failed),
        problems=(*problems_from("without_target", missing), *faults.problems()),
        used=frozenset({*listing.audio_files, *(file for _, file in pairs)}),
    )  # fmt: skip


def _are_segment_files(files: Sequence[Path]) -> bool:
    """Whether these files are of segments: by their endings and columns, and in texts by most of their lines."""
    texts = [file for file in files if file.suffix.casefold() == ".txt"]
    tables = [file for file in files if file.suffix.casefold() in (".csv", ".tsv")]
    if len(texts) + len(tables) < len(files):
        return True
    lines = [line for file in texts for line in _first_lines(file) if not line.startswith("\\")]
    if lines:
        return sum(map(is_audacity_line, lines)) >= _MIN_SEGMENT_LINE_SHARE * len(lines)
    return 2 * sum(_has_columns(file) for file in tables) > len(files)


def _first_lines(path: Path) -> list[str]:
    try:
        with open_regular(path) as stream:
            start = stream.read(_PEEK).decode("utf-8-sig", "replace")
    except OSError:
        return []
    return [line for line in start.split("\n") if line.strip()]


def _has_columns(path: Path) -> bool:
    lines = _first_lines(path)
    return bool(lines) and any(segment_columns([n.strip(' "\r') for n in lines[0].split(d)]) for d in ",;\t")


def _in_table(listing: FolderListing) -> SegmentedAudio | None:
    """A table with a column that names sounds, and columns start, end and label: a row for each segment."""
    for path in listing.tables:
        try:
            table = read_table(path)
            marked = segmented_audio_in_table(table, listing.root)
        except CapasError:
            continue
        if marked is not None:
            extra = [
                listing.relative_name(p)
                for p in listing.audio_files
                if p.resolve() not in {s.resolve() for s in marked.audio_files}
            ]
            problems = (*marked.problems, *problems_from("not_in_table", extra, severity="note"))
            return SegmentedAudio(
                audio_files=marked.audio_files,
                segments=marked.segments,
                problems=problems,
                split_names=marked.split_names,
                used=frozenset({*marked.audio_files, *listing.audio_files}),
            )
    return None


def segmented_audio_in_table(table: Table, root: Path) -> SegmentedAudio | None:
    """Return the recordings and segments of a table of segments; None for other tables.

    A row without start, end and label names a recording without segments.
    """
    columns = segment_columns(list(table.columns))
    column = None if columns is None else find_path_column(table)
    if columns is None or column is None or column.medium != "audio":
        return None
    rows: dict[Path, list[SegmentRow]] = {}
    for number, (file, cells) in enumerate(zip(column.files, _cells(table, columns), strict=True), 2):
        if file is not None:
            own = rows.setdefault(file, [])
            if any(cell is not None for cell in cells):
                own.append(segment_row(number, _number(cells[0]), _number(cells[1]), _text(cells[2])))
    if not rows:
        return None
    faults = _RowFaults()
    segments = [faults.tidied(table.path.name, own) for own in rows.values()]
    absent = [value for value, file in zip(column.values, column.files, strict=True) if file is None]
    return SegmentedAudio(
        audio_files=tuple(rows),
        segments=SegmentCollection(segments, [_shown(file, root) for file in rows], rows=columns[2]),
        problems=(*table.problems, *problems_from("missing_file", absent), *faults.problems()),
        used=frozenset(rows),
        split_names=_sides(table, column.files, list(rows)),
    )


def _cells(table: Table, names: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    return zip(*(table.columns[name] for name in names), strict=True)


def _number(cell: Cell) -> float | None:
    return cell if isinstance(cell, float) or cell is None else parse_seconds(cell)


def _text(cell: Cell) -> str:
    return f"{cell:g}" if isinstance(cell, float) else cell or ""


def _shown(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def _sides(table: Table, files: Sequence[Path | None], sounds: Sequence[Path]) -> tuple[SplitName | None, ...] | None:
    """What a column of splits says in the first row of each sound: a recording is never divided."""
    for name, cells in table.columns.items():
        if normalise_name(name) in ("split", "subset", "partition", "set", "conjunto", "particion", "division"):
            said: Mapping[Path | None, Cell] = dict(reversed(list(zip(files, cells, strict=True))))
            return tuple(split_from_name(str(said[sound])) if said[sound] else None for sound in sounds)
    return None
