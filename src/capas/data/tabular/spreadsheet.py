"""Reads a sheet of a workbook (.xlsx, .xls, .xlsb, .ods) as a table: finds the sheet, the header and the columns.

People write titles above a table, leave rows and columns empty, and merge cells of the header. The header is the first
row that is about as wide as the table; what stands above it is left out and told. Cells keep their types: numbers are
numbers, dates become ISO dates, and a cell that holds an error (#N/A) is empty.
"""

import datetime
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

import numpy as np

from capas.core.errors import CapasError
from capas.core.files import open_regular
from capas.core.number_format import format_decimal
from capas.data.problems import Problem, problems_from
from capas.data.tabular.columns import MAX_WHOLE, NumberColumn, Table, TableColumn
from capas.data.tabular.number_columns import MendedColumns, mend_number_columns
from capas.data.tabular.number_notation import is_missing_sign
from capas.data.tabular.type_inference import ColumnBuilder
from capas.data.tabular.workbook_area import largest_area

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

SheetCell = str | int | float | bool | datetime.date | datetime.time | datetime.timedelta
Range = tuple[tuple[int, int], tuple[int, int]]

# What reading a damaged container raises: of the directory, of packed data, of the XML inside.
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, ParseError)
_MAX_UNPACKED: Final = 2_000_000_000
_MAX_CELLS: Final = 50_000_000  # of the rectangle that a sheet spans: a million rows of fifty columns
_HEADER_SHARE: Final = 0.75  # of the widest row's cells, in the header
_OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, kw_only=True, slots=True)
class SheetRows:
    """The table on a sheet.

    Attributes:
        names: Names of the columns.
        rows: The rows below the header, each with a cell for every column; "" is empty.
        problems: What was chosen and left out.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[SheetCell, ...], ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Grid:
    """All cells of a sheet. ``filled`` is the number of cells in each row that hold something, ``header`` the row of
    the header, ``merged`` the ranges of merged cells."""

    name: str
    cells: Sequence[Sequence[SheetCell]]
    filled: Sequence[int]
    header: int
    merged: Sequence[Range]

    @property
    def table_cells(self) -> int:
        """The number of cells that are laid out as a table."""
        width = max(self.filled, default=0)
        return sum(n for n in self.filled[self.header :] if 2 * n >= width)


def read_spreadsheet(path: Path, sheet: str | None = None) -> Table:
    """Read the table on a sheet. Raises what ``read_sheet`` raises."""
    read = read_sheet(path, sheet)
    columns = {name: [row[i] for row in read.rows] for i, name in enumerate(read.names)}
    mended = _as_columns(columns)
    problems = (*read.problems, *mended.problems)
    return Table(path=path, columns=mended.columns, rows=len(read.rows), problems=problems, units=mended.units)


def read_sheet(path: Path, sheet: str | None = None) -> SheetRows:
    """Read a sheet of a workbook.

    Args:
        path: The workbook.
        sheet: Name of the sheet; by default the one with most cells laid out as a table.

    Raises:
        CapasError: ``spreadsheet_password``, ``spreadsheet_broken``, ``no_such_sheet``, ``table_empty``,
            ``table_header``, ``table_no_header``, ``table_too_large`` or ``sheet_too_wide``.
    """
    grids, hidden = _read_grids(path, sheet)
    shown = [grid for grid in grids if grid.name not in hidden] or grids
    if not shown:
        raise CapasError("table_empty", where=path if sheet is None else f"{path} [{sheet}]")
    grid = max(shown, key=lambda grid: grid.table_cells)
    others = [other.name for other in shown if other is not grid]
    table = _find_table(path, grid)
    chosen = problems_from("sheet_chosen", others, severity="note", values={"sheet": grid.name})
    return replace(table, problems=(*chosen, *table.problems))


def _read_grids(path: Path, sheet: str | None) -> tuple[list[_Grid], frozenset[str]]:
    """The sheets that hold something, or only the one asked for; and the names of the hidden ones."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

    _refuse_encrypted_or_huge(path)
    try:
        workbook = CalamineWorkbook.from_path(path)
        metadata = [one for one in workbook.sheets_metadata if one.typ is SheetTypeEnum.WorkSheet]
        names = [one.name for one in metadata]
        hidden = frozenset(one.name for one in metadata if one.visible is not SheetVisibleEnum.Visible)
        if sheet is not None and sheet not in names:
            raise CapasError("no_such_sheet", where=path, received=sheet, known=", ".join(names))
        wanted = names if sheet is None else [sheet]
        grids = [_grid(workbook.get_sheet_by_name(name)) for name in wanted]
    except PasswordError as error:
        raise CapasError("spreadsheet_password", where=path, received=path.suffix) from error
    except CalamineError as error:
        raise CapasError("spreadsheet_broken", where=path, received=str(error)[:200]) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of the Rust library, on data that it did not foresee
            raise
        raise CapasError("spreadsheet_broken", where=path, received=str(error)[:200]) from error
    return [grid for grid in grids if any(grid.filled)], hidden


def _refuse_encrypted_or_huge(path: Path) -> None:
    with open_regular(path) as stream:
        start = stream.read(4)
        # A workbook with a password is a container that holds the encrypted one, whatever its suffix.
        if start == _OLE_MAGIC and path.suffix.casefold() != ".xls" and _ENCRYPTED in stream.read():
            raise CapasError("spreadsheet_password", where=path, received=path.suffix)
    if start == b"PK\3\4":
        try:
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
                if unpacked > _MAX_UNPACKED:
                    limit = f"{_MAX_UNPACKED / 1e9:g}"
                    raise CapasError("table_too_large", where=path, received=f"{unpacked / 1e9:.1f}", limit=limit)
                area = largest_area(archive)
        except _BROKEN as error:
            raise CapasError("spreadsheet_broken", where=path, received=str(error)) from error
        if area > _MAX_CELLS:
            raise CapasError("sheet_too_wide", where=path, received=format_decimal(area, 0),
                             limit=format_decimal(_MAX_CELLS, 0))  # fmt: skip


def _grid(sheet: "CalamineSheet") -> _Grid:
    cells = sheet.to_python(skip_empty_area=False)
    filled = [sum(not _is_empty(cell) for cell in row) for row in cells]
    merged = [((top, left), (bottom, right)) for (top, left), (bottom, right) in sheet.merged_cell_ranges or ()]
    return _Grid(name=sheet.name, cells=cells, filled=filled, header=_header_row(cells, filled), merged=merged)


def _is_empty(cell: SheetCell) -> bool:
    return isinstance(cell, str) and not cell.strip()


def _header_row(cells: Sequence[Sequence[SheetCell]], filled: Sequence[int]) -> int:
    """The first row that is about as wide as the table. The first column may have no name."""
    width = max(filled, default=0)
    starts = [next((i for i, cell in enumerate(row) if not _is_empty(cell)), len(row)) for row in cells]
    first = min(starts, default=0)
    for row, count in enumerate(filled):
        nameless_first = count == width - 1 and starts[row] == first + 1
        if count and (count >= _HEADER_SHARE * width or nameless_first):
            above = row and 2 * filled[row - 1] >= width and _holds_names(cells[row - 1])
            return row - 1 if above and not _holds_names(cells[row]) else row
    return 0


def _holds_names(cells: Sequence[SheetCell]) -> bool:
    return all(isinstance(cell, str) for cell in cells)


def _find_table(path: Path, grid: _Grid) -> SheetRows:
    first, last = _header_rows(grid)
    headings = _headings(grid, first, last)
    end = _last_row(grid) + 1
    columns = [i for i in range(len(headings)) if _is_column(grid, headings, i, last + 1, end)]
    # As letters only where a cell stands below: a column without a name is one all the same.
    names = tuple(headings[i] or column_letters(i) for i in columns)
    _check_names(path, grid, names, [] if first < last else [grid.cells[last][i] for i in columns])
    body = [grid.cells[row] for row in range(last + 1, end) if grid.filled[row]]
    rows = tuple(tuple(row[i] for i in columns) for row in body)
    around = [row for row in (*range(first), *range(end, len(grid.cells))) if grid.filled[row]]
    beside = [i for i in range(len(headings)) if i not in columns and any(not _is_empty(r[i]) for r in body)]
    left_out = [_row_text(grid.cells[row]) for row in around] + [column_letters(i) for i in beside]
    area = f"{column_letters(columns[0])}{first + 1}:{column_letters(columns[-1])}{end}" if columns else ""
    empty = sum(not n for n in grid.filled[:end]) + sum(i not in columns for i in range(len(headings))) - len(beside)
    nameless = [column_letters(i) for i in columns if not headings[i]]
    joined = [name for name in names if last > first and " " in name]
    skipped = problems_from("sheet_area", left_out or ([area] if empty else []), severity="note",
                            values={"area": area, "sheet": grid.name})  # fmt: skip
    problems = (
        *skipped,
        *problems_from("nameless_column", nameless, severity="note"),
        *problems_from("joined_header", joined, severity="note"),
    )
    return SheetRows(names=names, rows=rows, problems=problems)


def _is_column(grid: _Grid, headings: Sequence[str], column: int, start: int, end: int) -> bool:
    """Whether a column belongs to the table: it has a name, or cells and a neighbour with a name."""
    if headings[column]:
        return True
    neighbours = [headings[i] for i in (column - 1, column + 1) if 0 <= i < len(headings)]
    return any(neighbours) and any(not _is_empty(grid.cells[row][column]) for row in range(start, end))


def _header_rows(grid: _Grid) -> tuple[int, int]:
    """The first and the last row of the header: two where cells are merged across columns, under which others stand."""
    header, above = grid.header, grid.header - 1
    names = [_heading(cell) for cell in grid.cells[header] if not _is_empty(cell)]
    groups = above >= 0 and grid.filled[above] > 1 and (_merged_across(grid, above) or len(set(names)) < len(names))
    if groups:
        return above, header
    across = _merged_across(grid, header)
    if across and header + 1 < len(grid.cells):
        below = {i for i, cell in enumerate(grid.cells[header + 1]) if not _is_empty(cell)}
        if below and below <= across:  # under the other columns, which are merged downwards, nothing stands
            return header, header + 1
    return header, header


def _merged_across(grid: _Grid, row: int) -> frozenset[int]:
    """The columns of the cells of a row that are merged with those beside them."""
    return frozenset(
        column
        for (top, left), (bottom, right) in grid.merged
        if top == bottom == row and left < right
        for column in range(left, right + 1)
    )


def _headings(grid: _Grid, first: int, last: int) -> list[str]:
    """The name of each column: where the header has two rows, the group and the name below it."""
    if first == last:
        return [_heading(cell) for cell in grid.cells[last]]
    upper = [_heading(cell) for cell in grid.cells[first]]
    ranges = [(left, right) for (top, left), (_, right) in grid.merged if top == first]
    if not ranges:  # a format that does not tell: a group goes on until the next
        starts = [i for i, text in enumerate(upper) if text]
        ranges = [(a, b - 1) for a, b in zip(starts, [*starts[1:], len(upper)], strict=True)]
    for left, right in ranges:
        upper[left : right + 1] = [upper[left]] * (min(right + 1, len(upper)) - left)
    lower = [_heading(cell) for cell in grid.cells[last]]
    return [below if not group or group == below else f"{group} {below}".strip()
            for group, below in zip(upper, lower, strict=True)]  # fmt: skip


def _last_row(grid: _Grid) -> int:
    """The last row of the table: notes of a single cell, after an empty row at the end, do not belong to it."""
    end = max(row for row, count in enumerate(grid.filled) if count)
    start_of_notes = end
    while grid.filled[start_of_notes] == 1 and start_of_notes > grid.header + 1:
        start_of_notes -= 1
    if start_of_notes < end and not grid.filled[start_of_notes] and max(grid.filled) > 2:
        return max(row for row in range(start_of_notes) if grid.filled[row])
    return end


def _check_names(path: Path, grid: _Grid, names: Sequence[str], cells: Sequence[SheetCell]) -> None:
    where, received = f"{path} [{grid.name}]", ", ".join(names)[:80]
    if cells and all(isinstance(cell, int | float) for cell in cells):
        raise CapasError("table_no_header", where=where, received=received)
    if max(Counter(names).values(), default=0) > 1:
        raise CapasError("table_header", where=where, received=received)


def column_letters(index: int) -> str:
    """Return the letters of a column, counted from 0.

    >>> column_letters(0), column_letters(26)
    ('A', 'AA')
    """
    letters = ""
    while index >= 0:
        index, rest = divmod(index, 26)
        letters, index = chr(ord("A") + rest) + letters, index - 1
    return letters


def _heading(cell: SheetCell) -> str:
    """A name on one line."""
    return " ".join(cell_text(cell).split())


def _row_text(cells: Sequence[SheetCell]) -> str:
    return " ".join(_heading(cell) for cell in cells if not _is_empty(cell))[:80]


def cell_text(cell: SheetCell) -> str:
    """A cell as a text file would hold it.

    >>> cell_text(3.0), cell_text(True), cell_text(datetime.datetime(2024, 5, 31))
    ('3', 'true', '2024-05-31')
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    if isinstance(cell, datetime.timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    return str(cell)


def _as_columns(cells: Mapping[str, Sequence[SheetCell]]) -> MendedColumns:
    """Numbers where all cells that are not missing are numbers, else texts, which may be numbers with units."""
    numbers = {name: column for name, held in cells.items() if (column := _number_column(held)) is not None}
    texts, of_texts_only = dict[str, TableColumn](), set[str]()
    commas = False
    for name, held in cells.items():
        if name in numbers:
            continue
        builder = ColumnBuilder()
        builder.add([cell_text(cell) for cell in held])
        if not any(isinstance(cell, float) for cell in held):
            of_texts_only.add(name)
            commas = commas or builder.decimal_sign == ","
        texts[name] = builder.column()
    # A number's point is a decimal point, whatever people type into other cells.
    typed = mend_number_columns({n: c for n, c in texts.items() if n not in of_texts_only}, ".")
    typed_texts = mend_number_columns({n: texts[n] for n in texts if n in of_texts_only}, "," if commas else ".")
    found = {**numbers, **typed.columns, **typed_texts.columns}
    return MendedColumns(
        columns={name: found[name] for name in cells}, units={**typed.units, **typed_texts.units},
        problems=(*typed.problems, *typed_texts.problems),
    )  # fmt: skip


def _number_column(cells: Sequence[SheetCell]) -> NumberColumn | None:
    """The numbers; None where a cell is something else than a number or a sign for "missing"."""
    values = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        if isinstance(cell, bool) or not isinstance(cell, int | float):
            if not isinstance(cell, str) or not is_missing_sign(cell):
                return None
        elif abs(cell) >= MAX_WHOLE:  # an account, not a number
            return None
        else:
            values[i] = cell
    return NumberColumn(values=values) if not np.isnan(values).all() else None
