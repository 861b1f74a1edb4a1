"""Text and table files, read with the number of every line, so that an error can name it."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from capas.core.errors import CapasError
from capas.core.files import read_regular
from capas.data.tabular.io import decode_text, detect_delimiter

COMMENT = ";;"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextLine:
    """A line (1, 2, …) of a file, split; ``where`` names it."""

    where: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """A row of a table by column (their names in lower case)."""

    where: str
    cells: dict[str, str]


def read_text_file(path: Path) -> str:
    """Return a file's text.

    Raises CapasError ``no_such_file``, ``unreadable`` or ``table_encoding`` (with the line).
    """
    try:
        return decode_text(path, read_regular(path))
    except FileNotFoundError as error:
        raise CapasError("score_no_file", where=path) from error
    except OSError as error:
        raise CapasError("unreadable", where=path, received=error.strerror or str(error)) from error


def read_text_lines(path: Path) -> Iterator[TextLine]:
    """Iterate over the lines that are neither empty nor comments (``;;``), split at whitespace."""
    for number, line in enumerate(read_text_file(path).split("\n"), 1):
        words = tuple(line.split())
        if words and not words[0].startswith(COMMENT):
            yield TextLine(where=f"{path}:{number}", words=words)


def read_table_rows(path: Path, needed: Sequence[Sequence[str]]) -> list[TableRow]:
    """Read the rows of a CSV or TSV.

    Each of ``needed`` lists names of which one column must have one; it is then called by the first of them.

    Raises:
        CapasError: ``score_column``, ``score_ragged``, ``score_empty`` and those of ``read_text_file``.
    """
    text = read_text_file(path)
    delimiter = "\t" if path.suffix.casefold() == ".tsv" else detect_delimiter(text) if text.strip() else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        numbered = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise CapasError("table_broken", where=f"{path}:{reader.line_num}", received=str(error)) from error
    if len(numbered) < 2:
        raise CapasError("score_empty", where=path)
    header = [name.strip() for name in numbered[0][1]]
    names = _renamed(header, needed, path)
    rows = []
    for number, cells in numbered[1:]:
        if len(cells) != len(names):
            raise CapasError("score_ragged", where=f"{path}:{number}", received=len(cells), wanted=len(names))
        stripped = (cell.strip() for cell in cells)
        rows.append(TableRow(where=f"{path}:{number}", cells=dict(zip(names, stripped, strict=True))))
    return rows


def _renamed(header: Sequence[str], needed: Sequence[Sequence[str]], path: Path) -> list[str]:
    # A class keeps its spelling: p(Ñandú) is not p(ñandú).
    names = [name if name.startswith("p(") else name.casefold() for name in header]
    for choices in needed:
        found = next((choice for choice in choices if choice in names), None)
        if found is None:
            raise CapasError("score_column", where=f"{path}:1", received=", ".join(header), known=" / ".join(choices))
        names[names.index(found)] = choices[0]
    if len(set(names)) < len(names):
        raise CapasError("score_column_twice", where=f"{path}:1", received=", ".join(header))
    return names


def parse_number(text: str, where: str) -> float:
    """Parse a finite number. Raises CapasError ``score_number``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CapasError("score_number", where=where, received=text)
    return value


def parse_span(start: str, end: str, where: str) -> tuple[float, float]:
    """Parse start and end in seconds. Raises CapasError ``score_number`` or ``score_backwards``."""
    first, last = parse_number(start, where), parse_number(end, where)
    if last < first or first < 0:
        raise CapasError("score_backwards", where=where, received=f"{start} – {end}")
    return first, last


def shortened(names: Sequence[str], most: int = 3) -> str:
    """Return the first few of a list of names, for a note.

    >>> shortened(["a", "b", "c", "d"])
    'a, b, c, …'
    """
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
