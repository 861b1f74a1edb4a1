"""The rows of a table as its file has them, so that they can be written again with further columns beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from capas.core.files import read_regular
from capas.core.i18n import say
from capas.core.parsing import parse_json
from capas.data.file_types import SPREADSHEET_SUFFIXES
from capas.data.tabular.columns import NumberColumn, Table, iterate_rows
from capas.data.tabular.io import decode_text, read_records, read_table
from capas.data.tabular.spreadsheet import read_sheet


@dataclass(frozen=True, kw_only=True, slots=True)
class RawTable:
    """A table with its cells as they were written, also those of rows that ``read_table`` skips.

    Attributes:
        names: Names of the columns.
        rows: Cells by row; a row that could not be read may be shorter or longer.
        unread: Why a row could not be read, by its index.
        table: The rows that could, with typed columns.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    unread: Mapping[int, str]
    table: Table

    @property
    def readable(self) -> list[int]:
        """The indices of the rows of ``table``."""
        return [i for i in range(len(self.rows)) if i not in self.unread]

    def columns(self, *, plain_numbers: bool = False) -> dict[str, list[object]]:
        """Return the cells of each column; what stands for a number in a column without unit is a number.

        Args:
            plain_numbers: Leave a number as the text that it is where that is written with a decimal point.
        """
        cells = {name: [row[i] if i < len(row) else None for row in self.rows] for i, name in enumerate(self.names)}
        for name, column in self.table.columns.items():
            if not isinstance(column, NumberColumn) or name in self.table.units:
                continue
            for i, value in zip(self.readable, column, strict=True):
                cell = cells[name][i]
                if not isinstance(cell, str) or not isinstance(value, float):
                    continue
                if not (plain_numbers and _is_plain(cell, value)):
                    cells[name][i] = value
        return cells


def read_raw_table(path: Path, sheet: str | None = None) -> RawTable:
    """Read a table and its rows as they were written. Raises what ``read_table`` raises."""
    table = read_table(path, sheet)
    suffix, unread = path.suffix.casefold(), dict[int, str]()
    names: Sequence[str] = tuple(table.columns)
    rows: list[tuple[object, ...]]
    if suffix in SPREADSHEET_SUFFIXES:
        read = read_sheet(path, sheet)
        names, rows = read.names, [tuple(None if cell == "" else cell for cell in row) for row in read.rows]
    elif suffix == ".parquet":
        rows = [tuple(row.values()) for row in iterate_rows(table.columns, table.rows)]
    elif suffix in (".jsonl", ".ndjson"):
        names, rows = _json_rows(path, unread)
    else:
        (_, header), *records = read_records(path)
        names, rows = [name.strip() for name in header], [tuple(cells) for _, cells in records]
        for i, row in enumerate(rows):
            if len(row) != len(names):
                unread[i] = say("predict.row_unread", n=len(row), expected=len(names))
    return RawTable(names=tuple(names), rows=tuple(rows), unread=unread, table=table)


def _json_rows(path: Path, unread: dict[int, str]) -> tuple[list[str], list[tuple[object, ...]]]:
    """The names and rows of JSON lines; a line that is no object has one cell, its text, and is added to ``unread``."""
    objects: list[dict[str, object]] = []
    for line in decode_text(path, read_regular(path), legacy=[]).split("\n"):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            unread[len(objects)] = say("predict.line_unread")
            value = {}
        objects.append(value)
    names = list(dict.fromkeys(name for one in objects for name in one))
    return names, [tuple(one.get(name) for name in names) for one in objects]


def _is_plain(cell: str, value: float) -> bool:
    try:
        return cell.isascii() and float(cell) == value
    except ValueError:
        return False
