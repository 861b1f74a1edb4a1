"""Tables from CSV, TSV, JSON lines and Parquet files: named columns, each of numbers or of texts, with None
for missing.

A column is numeric only when every value in it is; comma decimals count when all of them parse. Codes such as
007 and integers beyond 2**53 stay text, because as numbers they would not come back.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.data.file_types import IMAGE_SUFFIXES
from capas.data.problems import Problem, problems_from
from capas.data.tabular.units import parse_measures

Cell = str | float | None
MAX_BYTES: Final = 1_000_000_000
_DELIMITERS: Final = (",", ";", "\t")
_MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none"})
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_COMMA_NUMBER: Final = re.compile(r"[+-]?\d+(,\d+)?", re.ASCII)
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """``columns`` of equal length ``rows``, in the file's order, what was skipped while reading, and the ``units`` of
    the columns whose cells state one."""

    path: Path
    columns: Mapping[str, tuple[Cell, ...]]
    rows: int
    problems: tuple[Problem, ...]
    units: Mapping[str, str] = field(default_factory=dict)


def read_table(path: Path) -> Table:
    """Read a .csv, .tsv, .jsonl, .ndjson or .parquet file.

    Raises CapasError ``table_encoding``, ``table_broken``, ``table_no_header``, ``table_header``,
    ``table_empty``, ``table_too_large``, ``extra_missing`` (Parquet without pyarrow) or ``unreadable``.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CapasError("table_too_large", where=path, received=f"{size / 1e9:.1f}", limit=f"{MAX_BYTES / 1e9:g}")
        suffix = path.suffix.casefold()
        if suffix == ".parquet":
            table = _read_parquet(path)
        elif suffix in (".jsonl", ".ndjson"):
            table = _read_jsonl(path, decode_text(path, path.read_bytes()))
        else:
            table = _read_delimited(path, decode_text(path, path.read_bytes()))
    except OSError as error:
        raise CapasError("unreadable", where=path, received=error.strerror or str(error)) from error
    if not table.rows:
        raise CapasError("table_empty", where=path)
    return _without_units(table)


def _without_units(table: Table) -> Table:
    """Columns in which every cell is a number with the same unit become numbers; ``units`` keeps the unit."""
    columns, units = dict(table.columns), {}
    for name, cells in table.columns.items():
        words = [cell for cell in cells if not isinstance(cell, float)]
        found = parse_measures(words) if len(words) == len(cells) else None
        if found is not None:
            columns[name], units[name] = found
    return replace(table, columns=columns, units=units)


def decode_text(path: Path, data: bytes) -> str:
    """The bytes of a file as text. Raises CapasError ``table_encoding`` that says where it is not UTF-8."""
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
    """The encoding, as ``iconv`` names it, that a file which is not UTF-8 most likely has.

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


def _read_delimited(path: Path, text: str) -> Table:
    delimiter = "\t" if path.suffix.casefold() == ".tsv" else detect_delimiter(text)
    rows: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows.extend((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
    except csv.Error as error:
        raise CapasError("table_broken", where=f"{path}:{reader.line_num}", received=str(error)) from error
    if not rows:
        raise CapasError("table_empty", where=path)
    header = _checked_header(path, rows[0][1])
    whole = [row for _, row in rows[1:] if len(row) == len(header)]
    ragged = [f"{path.name}:{line}" for line, row in rows[1:] if len(row) != len(header)]
    if len(ragged) > len(whole):
        raise CapasError("table_broken", where=path, received=f"{len(ragged)} / {len(rows) - 1}")
    return Table(
        path=path,
        columns={name: parse_column([row[i] for row in whole]) for i, name in enumerate(header)},
        rows=len(whole),
        problems=problems_from("ragged_rows", ragged),
    )


def detect_delimiter(text: str) -> str:
    """The comma, semicolon or tab under which the first fifty rows most agree on a number of columns above
    one.

    >>> sniff_delimiter("a;b\\n1,5;x\\n2,5;y\\n")
    ';'
    """
    head = "\n".join(text[:200_000].splitlines()[:51])
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


def _read_jsonl(path: Path, text: str) -> Table:
    records: list[dict[str, object]] = []
    broken: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines: JSON may hold U+2028 in a text
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            records.append(record)
        else:
            broken.append(f"{path.name}:{number}")
    if len(broken) > len(records):
        raise CapasError("table_broken", where=broken[0], received=f"{len(broken)} / {len(broken) + len(records)}")
    names = list(dict.fromkeys(name for record in records for name in record))
    raw = {name: [record.get(name) for record in records] for name in names}
    return _from_objects(path, raw, len(records), problems_from("ragged_rows", broken))


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise CapasError("extra_missing", where=path, received="pyarrow", extra="tables") from error
    try:
        table = parquet.read_table(path)
        raw: dict[str, list[object]] = {name: table.column(name).to_pylist() for name in table.column_names}
    except pyarrow.ArrowException as error:
        raise CapasError("table_broken", where=path, received=str(error)[:200]) from error
    return _from_objects(path, raw, int(table.num_rows), ())


def _from_objects(path: Path, raw: Mapping[str, list[object]], rows: int, problems: tuple[Problem, ...]) -> Table:
    """Columns of numbers or texts; a column that holds lists, objects or bytes is left out and named."""
    columns: dict[str, tuple[Cell, ...]] = {}
    left_out: list[str] = []
    for name, values in raw.items():
        if any(isinstance(value, list | dict | bytes) for value in values):
            left_out.append(name)
        else:
            columns[name] = _column_of_objects(values)
    return Table(
        path=path,
        columns=columns,
        rows=rows,
        problems=(*problems, *problems_from("column_left_out", left_out, severity="note")),
    )


def _column_of_objects(values: Sequence[object]) -> tuple[Cell, ...]:
    numeric = all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)
    if numeric and all(value is None or abs(float(str(value))) < 2**53 or value != value for value in values):
        return tuple(_finite(value) if isinstance(value, int | float) else None for value in values)
    return tuple(_as_text(value) for value in values)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _as_text(value: object) -> str | None:
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_column(texts: Iterable[str]) -> tuple[Cell, ...]:
    """Numbers where every value that is not missing is one, else texts; None where a value is missing.

    >>> typed_column(["1", "2.5", ""])
    (1.0, 2.5, None)
    >>> typed_column(["007", "012"])
    ('007', '012')
    """
    cells = [text.strip() for text in texts]
    present = [cell for cell in cells if cell.casefold() not in _MISSING]
    if present and all(_is_number(cell) for cell in present):
        return tuple(None if cell.casefold() in _MISSING else float(cell) for cell in cells)
    if present and _all_comma_decimals(present):
        return tuple(None if cell.casefold() in _MISSING else float(cell.replace(",", ".")) for cell in cells)
    return tuple(cell or None for cell in cells)


def _is_number(cell: str) -> bool:
    if not _NUMBER.fullmatch(cell) or re.match(r"[+-]?0\d", cell):
        return False
    return abs(float(cell)) < 2**53


def _all_comma_decimals(cells: Sequence[str]) -> bool:
    """Whether commas can only be decimals: "1,234" throughout could as well be thousands and stays text."""
    if not all(_COMMA_NUMBER.fullmatch(cell) and not re.match(r"[+-]?0\d", cell) for cell in cells):
        return False
    return not all(_GROUPED.fullmatch(cell) for cell in cells if "," in cell)
