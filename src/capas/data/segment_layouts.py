"""Folders of sounds with their segments: a file of segments beside each sound, or one table for all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.data.folders import Listing, SplitName, plain, split_called
from capas.data.paths import find_file_column
from capas.data.problems import Problem, found
from capas.data.segment_files import SUFFIXES, Row, is_audacity_line, named_columns, read_rows, row_of, seconds
from capas.data.segments import Segment, Segments, without_overlaps
from capas.data.tables import Cell, Table, read_table

# Of all lines in text files beside sounds so many must be Audacity's: a few may be bad, and reading says which.
_MOST: Final = 2 / 3
_PEEK: Final = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Marked:
    """Sounds with their segments; ``sides`` are None where folders above say which split each belongs to."""

    sounds: tuple[Path, ...]
    segments: Segments
    problems: tuple[Problem, ...]
    used: frozenset[Path]
    sides: tuple[SplitName | None, ...] | None = None


@dataclass(kw_only=True, slots=True)
class _Faults:
    """Rows that are left out, as "file:line", by what is wrong with them."""

    broken: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)

    def tidied(self, name: str, rows: Sequence[Row]) -> tuple[Segment, ...]:
        """The segments of one recording; what is wrong with the rows of the file ``name`` is noted."""
        lines: dict[Segment, int] = {}
        for row in rows:
            if row.segment is not None:
                lines.setdefault(row.segment, row.line)
            else:
                (self.backward if row.backward else self.broken).append(f"{name}:{row.line}")
        kept, left_out = without_overlaps(list(lines))
        self.overlapping += [f"{name}:{lines[one]}" for one in left_out]
        return kept

    def problems(self) -> tuple[Problem, ...]:
        return (
            *found("broken_segment", self.broken),
            *found("backward_segment", self.backward),
            *found("overlapping_segment", self.overlapping),
        )


def find_marked(listing: Listing) -> Marked | None:
    """Sounds with a file of segments of the same name, or with a table of segments; None where there are none."""
    return (_beside(listing) or _in_table(listing)) if listing.sounds else None


def _beside(listing: Listing) -> Marked | None:
    held = {
        (str(path.with_suffix("")), path.suffix.casefold()): path
        for path in (*listing.texts, *listing.tables, *listing.others)
        if path.suffix.casefold() in SUFFIXES
    }
    pairs = []
    for path in listing.sounds:
        own = [held[key] for end in reversed(SUFFIXES) if (key := (str(path.with_suffix("")), end)) in held]
        if own:
            pairs.append((path, own[0]))
    if 2 * len(pairs) <= len(listing.sounds) or not _mark_sounds([file for _, file in pairs]):
        return None
    segments, faults, failed = list[tuple[Segment, ...]](), _Faults(), dict[int, CapasError]()
    for i, (_, file) in enumerate(pairs):
        try:
            segments.append(faults.tidied(listing.shown(file), read_rows(file)))
        except CapasError as error:
            segments.append(())
            failed[i] = error
    taken = {path for path, _ in pairs}
    missing = [listing.shown(path) for path in listing.sounds if path not in taken]
    names = [listing.shown(file) for _, file in pairs]
    return Marked(
        sounds=tuple(path for path, _ in pairs), segments=Segments(segments, names, failed),
        problems=(*found("without_target", missing), *faults.problems()),
        used=frozenset({*listing.sounds, *(file for _, file in pairs)}),
    )  # fmt: skip


def _mark_sounds(files: Sequence[Path]) -> bool:
    """Whether these files are of segments: by their endings and columns, and in texts by most of their lines."""
    texts = [file for file in files if file.suffix.casefold() == ".txt"]
    tables = [file for file in files if file.suffix.casefold() in (".csv", ".tsv")]
    if len(texts) + len(tables) < len(files):
        return True
    lines = [line for file in texts for line in _first_lines(file) if not line.startswith("\\")]
    if lines:
        return sum(map(is_audacity_line, lines)) >= _MOST * len(lines)
    return 2 * sum(_has_columns(file) for file in tables) > len(files)


def _first_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            start = stream.read(_PEEK).decode("utf-8-sig", "replace")
    except OSError:
        return []
    return [line for line in start.split("\n") if line.strip()]


def _has_columns(path: Path) -> bool:
    lines = _first_lines(path)
    return bool(lines) and any(named_columns([n.strip(' "\r') for n in lines[0].split(d)]) for d in ",;\t")


def _in_table(listing: Listing) -> Marked | None:
    """A table with a column that names sounds, and columns start, end and label: a row for each segment."""
    for path in listing.tables:
        try:
            table = read_table(path)
            marked = marked_in_table(table, listing.root)
        except CapasError:
            continue
        if marked is not None:
            extra = [
                listing.shown(p) for p in listing.sounds if p.resolve() not in {s.resolve() for s in marked.sounds}
            ]
            problems = (*marked.problems, *found("not_in_table", extra, severity="note"))
            return Marked(
                sounds=marked.sounds, segments=marked.segments, problems=problems, sides=marked.sides,
                used=frozenset({*marked.sounds, *listing.sounds}),
            )  # fmt: skip
    return None


def marked_in_table(table: Table, root: Path) -> Marked | None:
    """The sounds and segments of a table, if it is one of segments. A row without start, end and label only names a
    sound in which there is nothing."""
    columns, column = named_columns(list(table.columns)), find_file_column(table)
    if columns is None or column is None or column.medium != "audio":
        return None
    rows: dict[Path, list[Row]] = {}
    for number, (file, cells) in enumerate(zip(column.files, _cells(table, columns), strict=True), 2):
        if file is not None:
            own = rows.setdefault(file, [])
            if any(cell is not None for cell in cells):
                own.append(row_of(number, _number(cells[0]), _number(cells[1]), _text(cells[2])))
    if not rows:
        return None
    faults = _Faults()
    segments = [faults.tidied(table.path.name, own) for own in rows.values()]
    absent = [value for value, file in zip(column.values, column.files, strict=True) if file is None]
    return Marked(
        sounds=tuple(rows), segments=Segments(segments, [_shown(file, root) for file in rows], rows=columns[2]),
        problems=(*table.problems, *found("missing_file", absent), *faults.problems()), used=frozenset(rows),
        sides=_sides(table, column.files, list(rows)),
    )  # fmt: skip


def _cells(table: Table, names: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    return zip(*(table.columns[name] for name in names), strict=True)


def _number(cell: Cell) -> float | None:
    return cell if isinstance(cell, float) or cell is None else seconds(cell)


def _text(cell: Cell) -> str:
    return f"{cell:g}" if isinstance(cell, float) else cell or ""


def _shown(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def _sides(table: Table, files: Sequence[Path | None], sounds: Sequence[Path]) -> tuple[SplitName | None, ...] | None:
    """What a column of splits says in the first row of each sound: a recording is never divided."""
    for name, cells in table.columns.items():
        if plain(name) in ("split", "subset", "partition", "set", "conjunto", "particion", "division"):
            said: Mapping[Path | None, Cell] = dict(reversed(list(zip(files, cells, strict=True))))
            return tuple(split_called(str(said[sound])) if said[sound] else None for sound in sounds)
    return None
