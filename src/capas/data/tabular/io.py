"""Reads CSV, TSV, JSON lines, Parquet files and workbooks into columns of numbers or texts, with None for missing.

Text files are read in blocks of rows, whose cells become arrays before the next block is read: what is held at a time
is the columns, not the file. ``type_inference`` says what is a number.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import numpy as np

from capas.core.errors import CapasError
from capas.core.files import open_regular, read_regular
from capas.data.file_types import IMAGE_SUFFIXES, SPREADSHEET_SUFFIXES, TABLE_SUFFIXES
from capas.data.problems import problems_from
from capas.data.tabular.columns import BLOCK_ROWS, NumberColumn, Table, TableColumn, TextColumn
from capas.data.tabular.number_columns import mend_number_columns
from capas.data.tabular.number_notation import DecimalSign
from capas.data.tabular.record_blocks import RecordBlock, RecordBlocks, block_of_records, first_swallowing
from capas.data.tabular.records import read_jsonl, read_parquet
from capas.data.tabular.spreadsheet import read_spreadsheet
from capas.data.tabular.stray_quotes import records_with_stray_quotes
from capas.data.tabular.type_inference import ColumnBuilder
from capas.data.tabular.units import parse_measures

MAX_BYTES: Final = 1_000_000_000
UTF8: Final = "utf-8-sig"
UTF16: Final = "utf-16"
UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MIN_REPEATS: Final = 100  # a name that is a value of its own column is one in every so many rows, or more
csv.field_size_limit(MAX_BYTES)  # else 131,072: a document may be longer
_DELIMITERS: Final = (",", ";", "\t")
_SNIFFED_CHARACTERS: Final = 200_000
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def read_table(path: Path, sheet: str | None = None) -> Table:
    """Read a .csv, .tsv, .jsonl, .ndjson or .parquet file, or a workbook (.xlsx, .xls, .xlsb, .ods).

    Args:
        path: The file.
        sheet: Sheet of a workbook; by default the one with most cells laid out as a table.

    Raises:
        CapasError: ``table_encoding``, ``table_broken``, ``table_no_header``, ``table_header``, ``table_empty``,
            ``table_too_large``, ``extra_missing`` (Parquet without pyarrow), ``unreadable``, and those of
            ``read_sheet``.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CapasError("table_too_large", where=path, received=f"{size / 1e9:.1f}", limit=f"{MAX_BYTES / 1e9:g}")
        suffix = path.suffix.casefold()
        if suffix == ".parquet":
            table = read_parquet(path)
        elif suffix in SPREADSHEET_SUFFIXES:
            table = read_spreadsheet(path, sheet)
            _refuse_values_as_names(path, table.columns)
        else:
            encoding = _check_text(path)
            table = read_jsonl(path, encoding) if suffix in (".jsonl", ".ndjson") else _read_delimited(path, encoding)
            if encoding == "cp1252":
                legacy = problems_from("legacy_encoding", [path.name], severity="note")
                table = replace(table, problems=(*table.problems, *legacy))
    except OSError as error:
        raise CapasError("unreadable", where=path, received=error.strerror or str(error)) from error
    if not table.rows:
        raise CapasError("table_empty", where=path)
    return _without_units(table)


def is_table_file(path: Path) -> bool:
    """Return whether a file is a table by its suffix; or a text of cells between tabs, as spreadsheet programs write
    it."""
    suffix = path.suffix.casefold()
    if suffix in TABLE_SUFFIXES or suffix not in (".txt", ".tab"):
        return suffix in TABLE_SUFFIXES
    try:
        with path.open(encoding=_check_text(path), newline="") as stream:
            first = [line.count("\t") for line in islice(stream, 50) if line.strip()]
    except (CapasError, OSError):
        return False
    return len(first) > 1 and len(set(first)) == 1 and first[0] > 0


def _without_units(table: Table) -> Table:
    """Columns in which every cell is a number with the same unit become numbers; ``units`` keeps the unit."""
    columns, units = dict(table.columns), dict(table.units)
    for name, column in table.columns.items():
        measured = parse_measures(column.words) if isinstance(column, TextColumn) else None
        if isinstance(column, TextColumn) and measured is not None:
            numbers, units[name] = measured
            columns[name] = NumberColumn(values=np.array([*numbers, np.nan])[column.codes])
    return replace(table, columns=columns, units=units)


def _check_text(path: Path) -> str:
    """Return the file's encoding, without holding the file. Raises what ``decode_text`` raises."""
    any_nul = False
    with open_regular(path) as stream:
        encoding = UTF16 if stream.read(2) in UTF16_MARKS else UTF8
        stream.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while data := stream.read(1 << 20):
                any_nul = "\0" in decoder.decode(data) or any_nul
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            # Only the whole file says on which line, and in which encoding.
            decode_text(path, read_regular(path), legacy=[])
            return "cp1252"
    if any_nul:
        raise CapasError("table_broken", where=path, received="\\0")
    return encoding


def decode_text(path: Path, data: bytes, legacy: list[Path] | None = None) -> str:
    """Decode the bytes of a file as UTF-8, as UTF-16 with its mark, or as Windows-1252 where that is what they are.

    Args:
        path: The file, for errors.
        data: Its bytes.
        legacy: Gets ``path`` where the text is in Windows-1252; None to refuse such files.

    Raises:
        CapasError: ``table_encoding`` that says where they are not UTF-8; ``table_broken`` on NUL.
    """
    try:
        text = data.decode(UTF16 if data.startswith(UTF16_MARKS) else UTF8)
    except UnicodeDecodeError as error:
        if legacy is not None and _is_windows_text(data):
            legacy.append(path)
            return data.decode("cp1252")
        line = data.count(b"\n", 0, error.start) + 1
        raise CapasError(
            "table_encoding", where=f"{path}:{line}", received=f"0x{data[error.start]:02x}",
            likely=likely_encoding(data),
            name=path.name, copy=f"{path.stem}-utf8{path.suffix}",
        ) from error  # fmt: skip
    if "\0" in text:
        raise CapasError("table_broken", where=path, received="\\0")
    return text


def _is_windows_text(data: bytes) -> bool:
    """Whether these bytes are Windows-1252 throughout, and not UTF-8 with a few broken ones."""
    if b"\0" in data or likely_encoding(data) != "WINDOWS-1252":
        return False
    in_utf8 = sum(not sign.isascii() for sign in data.decode("utf-8", "ignore"))
    return in_utf8 == 0


def likely_encoding(data: bytes) -> str:
    """Return the most likely encoding of a file that is not UTF-8, as ``iconv`` names it.

    >>> likely_encoding("año".encode("cp1252"))
    'WINDOWS-1252'
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return "MACINTOSH"
    # Read as Windows-1252, a Mac's á é í ó ú ñ become signs that hardly ever stand inside a word.
    odd = len(re.findall(r"[a-z][‡Ž’—œ–Ÿ„†][a-z]", text, re.IGNORECASE))
    letters = len(re.findall(r"[áéíóúüñàèìòùâêîôûçäöß]", text, re.IGNORECASE))
    return "MACINTOSH" if odd > letters else "WINDOWS-1252"


def _read_delimited(path: Path, encoding: str) -> Table:
    with path.open(encoding=encoding, newline="") as stream:
        delimiter = _delimiter(path, stream.read(_SNIFFED_CHARACTERS))
        stream.seek(0)
        reader = RecordBlocks(stream, delimiter)
        read = _ReadRows()
        try:
            for block in reader.read():
                read.add(reader.header, block)
        except csv.Error as error:
            raise CapasError("table_broken", where=f"{path}:{reader.line_num}", received=str(error)) from error
    stray = list[int]()
    if reader.swallowed:
        read = _read_told_apart(path, encoding, delimiter, stray)
    if not read.header:
        raise CapasError("table_empty", where=path)
    names = _checked_header(path, read.header)
    if len(read.ragged) > read.count:
        raise CapasError("table_ragged", where=f"{path}:{read.ragged[0]}", received=len(read.ragged),
                         rows=len(read.ragged) + read.count, names=len(read.header))  # fmt: skip
    decimal, points_group = _notation(read.builders, delimiter)
    # A builder is freed before the next one's turn.
    columns = {name: read.builders.pop(0).column(points_group=points_group) for name in names}
    mended = mend_number_columns(columns, decimal)
    _refuse_values_as_names(path, mended.columns)
    return Table(
        path=path, columns=mended.columns, rows=read.count, units=mended.units,
        problems=(
            *problems_from("ragged_rows", [f"{path.name}:{line}" for line in read.ragged]),
            *problems_from("stray_quote", [f"{path.name}:{line}" for line in stray]),
            *mended.problems,
        ),
    )  # fmt: skip


def read_records(path: Path) -> list[tuple[int, list[str]]]:
    """Return the records of a delimited file that hold anything, each with its line; the header is the first.

    Raises:
        CapasError: As ``read_table`` does.
    """
    encoding = _check_text(path)
    with path.open(encoding=encoding, newline="") as stream:
        delimiter = _delimiter(path, stream.read(_SNIFFED_CHARACTERS))
        stream.seek(0)
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            records = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
        except csv.Error as error:
            raise CapasError("table_broken", where=f"{path}:{reader.line_num}", received=str(error)) from error
    if not records:
        raise CapasError("table_empty", where=path)
    if first_swallowing(records[1:], delimiter, len(records[0][1])) is not None:
        records = [(n, row) for n, row in _told_apart(path, encoding, delimiter, []) if any(map(str.strip, row))]
    return records


def _delimiter(path: Path, start: str) -> str:
    return "\t" if path.suffix.casefold() == ".tsv" else detect_delimiter(start)


@dataclass(kw_only=True, slots=True)
class _ReadRows:
    """The rows of a delimited file so far: those that fit the header in ``builders``, the lines of the others in
    ``ragged``."""

    header: Sequence[str] = ()
    builders: list[ColumnBuilder] = field(default_factory=list)
    count: int = 0
    ragged: list[int] = field(default_factory=list)

    def add(self, header: Sequence[str], block: RecordBlock) -> None:
        """Add the rows of a block."""
        if not self.header:
            self.header, self.builders = header, [ColumnBuilder() for _ in header]
        if block.count:
            for builder, cells in zip(self.builders, block.columns, strict=True):
                builder.add(cells)
        self.count += block.count
        self.ragged += block.ragged


def _read_told_apart(path: Path, encoding: str, delimiter: str, stray: list[int]) -> _ReadRows:
    """The rows of a file with stray quotes, whose lines are added to ``stray``."""
    records = ((line, row) for line, row in _told_apart(path, encoding, delimiter, stray) if any(map(str.strip, row)))
    read, (_, header) = _ReadRows(), next(records, (0, list[str]()))
    while block := list(islice(records, BLOCK_ROWS)):
        read.add(header, block_of_records(block, len(header)))
    return read


def _told_apart(path: Path, encoding: str, delimiter: str, stray: list[int]) -> Iterator[tuple[int, list[str]]]:
    """The records of a file with stray quotes, whose lines are added to ``stray``."""
    with path.open(encoding=encoding, newline="") as stream:
        text = stream.read().replace("\r\n", "\n").replace("\r", "\n")
    for number, row, is_stray in records_with_stray_quotes(text, delimiter):
        stray += [number] if is_stray else []
        yield number, row


def _notation(builders: Sequence[ColumnBuilder], delimiter: str) -> tuple[DecimalSign, bool]:
    """What stands before decimals in this table, and whether points separate thousands even where no cell tells."""
    signs = {builder.decimal_sign for builder in builders}
    if "," in signs and "." in signs and all(builder.points_may_group for builder in builders):
        return ",", True
    if "," in signs or "." in signs:
        return ("," if "," in signs and ("." not in signs or delimiter == ";") else "."), False
    return ("," if delimiter == ";" else "."), False


def detect_delimiter(text: str) -> str:
    r"""Return the delimiter (comma, semicolon, tab) under which the first fifty rows agree most on a number of columns.

    >>> detect_delimiter("a;b\n1,5;x\n2,5;y\n")
    ';'
    """
    head = "\n".join(text[:_SNIFFED_CHARACTERS].splitlines()[:51])
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row]
        except csv.Error:
            continue
        score = widths.count(widths[0]) / len(widths) if widths and widths[0] > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _refuse_values_as_names(path: Path, columns: Mapping[str, TableColumn]) -> None:
    """Raise CapasError ``table_no_header`` where the names are values of their own columns."""
    numeric = {name for name, column in columns.items() if isinstance(column, NumberColumn)}
    numbers = [float(name) for name in columns if name in numeric and _NUMBER.fullmatch(name)]
    counted = all(number.is_integer() for number in numbers) and all(b - a == 1 for a, b in pairwise(numbers))
    repeated = [
        name for name, column in columns.items() if isinstance(column, TextColumn) and name in _frequent_words(column)
    ]
    # Years and places are names of columns ("2019", "2020"; "0", "1"); measured values are not.
    values = bool(numbers) and (not counted or (len(numbers) + len(repeated) == len(columns) and bool(repeated)))
    if values or (repeated and 2 * len(repeated) >= len(columns)):
        raise CapasError("table_no_header", where=f"{path}:1", received=", ".join(columns)[:80])


def _frequent_words(column: TextColumn) -> list[str]:
    """The texts that are one in every 100 cells, or more."""
    places = np.flatnonzero(_MIN_REPEATS * column.word_counts() >= len(column))
    return [column.words[place] for place in places.tolist()]


def _checked_header(path: Path, header: Sequence[str]) -> list[str]:
    names = [name.strip() for name in header]
    numbers = sum(_NUMBER.fullmatch(name) is not None for name in names)
    if numbers == len(names) or any(Path(name).suffix.casefold() in IMAGE_SUFFIXES for name in names):
        raise CapasError("table_no_header", where=f"{path}:1", received=", ".join(names)[:80])
    if "" in names or len(set(names)) < len(names):
        raise CapasError("table_header", where=f"{path}:1", received=", ".join(names)[:80])
    return names
