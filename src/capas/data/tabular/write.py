"""Writes columns as CSV, TSV or a workbook (.xlsx).

Two forms of CSV: the standard one (commas, decimal points, UTF-8), and the one that Excel opens by a double click where
the decimal sign is a comma (semicolons, decimal commas, UTF-8 with its mark). In a workbook every text is a text: one
that begins with "=" is no formula.
"""

import datetime
import io
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from capas.core.errors import CapasError
from capas.core.files import write_atomic, write_error
from capas.core.i18n import language
from capas.core.inert_text import InertWriter
from capas.core.output_files import OutputKind, begins_with_columns
from capas.data.file_types import TABLE_SUFFIXES
from capas.data.tabular.spreadsheet import cell_text

CsvFormat = Literal["standard", "excel-es"]
WRITTEN_SUFFIXES: Final = (".csv", ".tsv", ".xlsx")
_MAX_ROWS: Final = 1_048_576
_MAX_COLUMNS: Final = 16_384
_MAX_CHARACTERS: Final = 32_767


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputColumn:
    """A column to be written.

    Attributes:
        name: Its name.
        cells: Texts, numbers, dates, booleans, lists of texts, or None.
        decimals: Decimals of its numbers; by default as many as they have.
    """

    name: str
    cells: Sequence[object]
    decimals: int | None = None


def default_csv_format() -> CsvFormat:
    """Return the form of CSV for the language of this process."""
    return "excel-es" if language() == "es" else "standard"


def check_table_suffix(path: Path) -> None:
    """Raise CapasError ``table_not_written`` for the suffix of a table that can only be read."""
    suffix = path.suffix.casefold()
    if suffix in TABLE_SUFFIXES and suffix not in WRITTEN_SUFFIXES:
        raise CapasError("table_not_written", where=path, received=suffix, known=", ".join(WRITTEN_SUFFIXES))


def table_output(*heads: Sequence[str]) -> OutputKind:
    """Return the kind of tables whose first columns have the names of one of ``heads``."""

    def is_earlier(path: Path) -> bool:
        first = _workbook_head(path) if path.suffix.casefold() == ".xlsx" else None
        if first is None:
            return begins_with_columns(path, heads)
        return any(first[: len(head)] == list(head) for head in heads)

    return OutputKind(suffixes=WRITTEN_SUFFIXES, is_earlier=is_earlier)


def _workbook_head(path: Path) -> list[str]:
    """The first row of a workbook; none of what is no workbook."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with CalamineWorkbook.from_path(path) as book:
            return [str(cell) for cell in next(iter(book.get_sheet_by_index(0).to_python(nrows=1)), [])]
    except (CalamineError, OSError, ValueError, IndexError):
        return []


def write_table(path: Path, columns: Sequence[OutputColumn], csv_format: CsvFormat) -> int:
    """Write a table; return how many texts were cut because a workbook's cell holds no more than 32,767 characters.

    Args:
        path: A .csv, .tsv or .xlsx file.
        columns: Columns of one length.
        csv_format: The form of a .csv file.

    Raises:
        CapasError: ``table_not_written``, ``table_too_long``, ``disk_full`` or ``cannot_write``.
    """
    check_table_suffix(path)
    if path.suffix.casefold() == ".xlsx":
        content, cut = _as_workbook(path, columns)
        write_atomic(path, content)
        return cut
    spanish = csv_format == "excel-es" and path.suffix.casefold() == ".csv"
    delimiter = "\t" if path.suffix.casefold() == ".tsv" else ";" if spanish else ","
    text = io.StringIO()
    writer = InertWriter(text, delimiter=delimiter, lineterminator="\r\n" if spanish else "\n")
    writer.writerow([column.name for column in columns])
    decimal = "," if spanish else "."
    writer.writerows(zip(*([_text(cell, column, decimal) for cell in column.cells] for column in columns), strict=True))
    write_atomic(path, ("\ufeff" if spanish else "") + text.getvalue())
    return 0


def _text(cell: object, column: OutputColumn, decimal: str) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and column.decimals is not None:
        return f"{cell:.{column.decimals}f}".replace(".", decimal)
    text = _plain_text(cell)
    return text.replace(".", decimal) if isinstance(cell, float) else text


def _plain_text(cell: object) -> str:
    if isinstance(cell, list) and all(isinstance(part, str) for part in cell):
        return ";".join(cell)
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False)
    if isinstance(cell, str | int | float | datetime.date | datetime.time | datetime.timedelta):
        return cell_text(cell)
    return str(cell)


@contextmanager
def _scratch_folder(path: Path) -> Iterator[str]:
    """A folder for the rows that are written out, gone afterwards. Raises CapasError where there is no room in it."""
    from xlsxwriter.exceptions import FileCreateError

    try:
        with tempfile.TemporaryDirectory(prefix="capas-") as name:
            yield name
    except FileCreateError as error:
        cause = error.args[0] if error.args else error
        raise write_error(path, cause if isinstance(cause, OSError) else OSError(str(cause))) from error
    except OSError as error:
        raise write_error(path, error) from error


def _as_workbook(path: Path, columns: Sequence[OutputColumn]) -> tuple[bytes, int]:
    import xlsxwriter

    rows = len(columns[0].cells) if columns else 0
    if rows >= _MAX_ROWS or len(columns) > _MAX_COLUMNS:
        raise CapasError("table_too_long", where=path, received=f"{rows + 1} × {len(columns)}")
    content, cut = io.BytesIO(), 0
    # Row by row, each written out before the next: what is held is one row.
    with _scratch_folder(path) as scratch:
        # No context manager: after an error it would write what there is, and fail again.
        book = xlsxwriter.Workbook(content, {"constant_memory": True, "strings_to_urls": False, "tmpdir": scratch})
        sheet, bold = book.add_worksheet(), book.add_format({"bold": True})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.freeze_panes(1, 0)
        for j, column in enumerate(columns):
            sheet.write_string(0, j, column.name[:_MAX_CHARACTERS], bold)
        for i, row in enumerate(zip(*(column.cells for column in columns), strict=True), start=1):
            for j, (cell, column) in enumerate(zip(row, columns, strict=True)):
                if isinstance(cell, bool):
                    sheet.write_boolean(i, j, cell)
                elif isinstance(cell, int | float):
                    if math.isfinite(cell):
                        sheet.write_number(i, j, cell if column.decimals is None else round(cell, column.decimals))
                elif isinstance(cell, datetime.date) and cell.year >= 1900:  # the first year that a workbook knows
                    sheet.write_datetime(i, j, cell, moment if isinstance(cell, datetime.datetime) else day)
                elif cell not in (None, ""):
                    text = _plain_text(cell).encode("utf-8", "backslashreplace").decode()
                    cut += len(text) > _MAX_CHARACTERS
                    sheet.write_string(i, j, text[:_MAX_CHARACTERS])
        book.close()
    return content.getvalue(), cut
