"""Reads CSV, TSV, JSON lines and Parquet files into columns of numbers or texts, with None for missing.

Text files are read in blocks of rows, whose cells become arrays before the next block is read: what is held at a time
is the columns, not the file. ``type_inference`` says what is a number.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from capas.core.errors import CapasError
from capas.data.file_types import IMAGE_SUFFIXES
from capas.data.problems import problems_from
from capas.data.tabular.columns import BLOCK_ROWS, NumberColumn, Table, TextColumn
from capas.data.tabular.records import read_jsonl, read_parquet
from capas.data.tabular.type_inference import ColumnBuilder
from capas.data.tabular.units import parse_measures

MAX_BYTES: Final = 1_000_000_000
_DELIMITERS: Final = (",", ";", "\t")
_SNIFFED_CHARACTERS: Final = 200_000
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def read_table(path: Path) -> Table:
    """Read a .csv, .tsv, .jsonl, .ndjson or .parquet file.

    Raises:
        CapasError: ``table_encoding``, ``table_broken``, ``table_no_header``, ``table_header``, ``table_empty``,
            ``table_too_large``, ``extra_missing`` (Parquet without pyarrow) or ``unreadable``.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CapasError("table_too_large", where=path, received=f"{size / 1e9:.1f}", limit=f"{MAX_BYTES / 1e9:g}")
        suffix = path.suffix.casefold()
        if suffix == ".parquet":
            table = read_parquet(path)
        else:
            _check_text(path)
            table = read_jsonl(path) if suffix in (".jsonl", ".ndjson") else _read_delimited(path)
    except OSError as error:
        raise CapasError("unreadable", where=path, received=error.strerror or str(error)) from error
    if not table.rows:
        raise CapasError("table_empty", where=path)
    return _without_units(table)


def _without_units(table: Table) -> Table:
    """Columns in which every cell is a number with the same unit become numbers; ``units`` keeps the unit."""
    columns, units = dict(table.columns), {}
    for name, column in table.columns.items():
        measured = parse_measures(column.words) if isinstance(column, TextColumn) else None
        if isinstance(column, TextColumn) and measured is not None:
            numbers, units[name] = measured
            columns[name] = NumberColumn(values=np.array([*numbers, np.nan])[column.codes])
    return replace(table, columns=columns, units=units)


def _check_text(path: Path) -> None:
    """Raise what ``decode_text`` raises, without holding the file."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    any_nul = False
    with path.open("rb") as stream:
        try:
            while data := stream.read(1 << 20):
                any_nul = any_nul or b"\0" in data
                decoder.decode(data)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            decode_text(path, path.read_bytes())  # only the whole file says on which line, and in which encoding
            raise
    if any_nul:
        raise CapasError("table_broken", where=path, received="\\0")


def decode_text(path: Path, data: bytes) -> str:
    """Decode the bytes of a file as UTF-8. Raises CapasError ``table_encoding`` that says where they are not."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CapasError(
            "table_encoding", where=f"{path}:{line}", received=f"0x{data[error.start]:02x}",
            likely=likely_encoding(data),
            name=path.name, copy=f"{path.stem}-utf8{path.suffix}",
        ) from error  # fmt: skip
    if "\0" in text:
        raise CapasError("table_broken", where=path, received="\\0")
    return text


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


def _read_delimited(path: Path) -> Table:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        start = stream.read(_SNIFFED_CHARACTERS)
        delimiter = "\t" if path.suffix.casefold() == ".tsv" else detect_delimiter(start)
        stream.seek(0)
        reader = csv.reader(stream, delimiter=delimiter)
        rows = ((reader.line_num, row) for row in reader if any(map(str.strip, row)))
        try:
            header = next(rows, (0, list[str]()))[1]
            builders = [ColumnBuilder() for _ in header]
            count, ragged = _add_rows(builders, rows)
        except csv.Error as error:
            raise CapasError("table_broken", where=f"{path}:{reader.line_num}", received=str(error)) from error
    if not header:
        raise CapasError("table_empty", where=path)
    names = _checked_header(path, header)
    if len(ragged) > count:
        raise CapasError("table_broken", where=path, received=f"{len(ragged)} / {len(ragged) + count}")
    return Table(
        path=path,
        columns={name: builders.pop(0).column() for name in names},  # a builder is freed before the next one's turn
        rows=count,
        problems=problems_from("ragged_rows", [f"{path.name}:{line}" for line in ragged]),
    )


def _add_rows(builders: Sequence[ColumnBuilder], rows: Iterator[tuple[int, list[str]]]) -> tuple[int, list[int]]:
    """Add the rows that have a cell for each builder; return how many these are, and the lines of the others."""
    count, ragged = 0, list[int]()
    while block := list(islice(rows, BLOCK_ROWS)):
        whole = [row for _, row in block if len(row) == len(builders)]
        ragged += [line for line, row in block if len(row) != len(builders)]
        for builder, cells in zip(builders, zip(*whole, strict=True), strict=bool(whole)):
            builder.add(cells)
        count += len(whole)
    return count, ragged


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


def _checked_header(path: Path, header: Sequence[str]) -> list[str]:
    names = [name.strip() for name in header]
    numbers = sum(_NUMBER.fullmatch(name) is not None for name in names)
    if numbers == len(names) or any(Path(name).suffix.casefold() in IMAGE_SUFFIXES for name in names):
        raise CapasError("table_no_header", where=f"{path}:1", received=", ".join(names)[:80])
    if "" in names or len(set(names)) < len(names):
        raise CapasError("table_header", where=f"{path}:1", received=", ".join(names)[:80])
    return names
