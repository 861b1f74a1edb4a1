"""Type detection of table columns: numbers, categories, tags, identifiers, dates or free text."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from capas.data.naming import natural_key, normalise_name
from capas.data.tabular.columns import Cell, NumberColumn, TableColumn, TextColumn

ColumnKind = Literal["category", "few_numbers", "number", "date", "tags", "identifier", "text", "empty"]

MAX_FEW_NUMBERS: Final = 20  # so many different whole numbers may still be classes (digits, grades, months)
_CLASS_NAMES: Final = frozenset({
    "label", "labels", "class", "classes", "category", "clase", "clases", "etiqueta", "categoria",
})  # fmt: skip
_DATE: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ]\d\d:\d\d.*)?|(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?: \d\d:\d\d.*)?"
)
_ID_NAMES: Final = frozenset({
    "id", "uuid", "index", "indice", "codigo", "code", "key", "clave", "file", "filename", "path", "url",
})  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column's ``name`` and ``kind``, the number of ``distinct`` values, and of ``filled`` cells."""

    name: str
    kind: ColumnKind
    distinct: int
    filled: int


def describe_column(name: str, column: TableColumn) -> Column:
    """Detect the kind of a column by its values; by its name only where every value is different.

    >>> from capas.data.tabular.columns import column_from_cells
    >>> describe_column("sex", column_from_cells(["f", "m", "f", "f"])).kind
    'category'
    """
    if isinstance(column, NumberColumn):
        numbers = column.values[~column.missing]
        distinct = len(np.unique(numbers))
        return Column(name=name, kind=_number_kind(name, numbers, distinct), distinct=distinct, filled=len(numbers))
    counts = column.value_counts()
    filled = sum(counts.values())
    return Column(name=name, kind=_text_kind(name, column, counts, filled), distinct=len(counts), filled=filled)


def _number_kind(name: str, numbers: NDArray[np.float64], distinct: int) -> ColumnKind:
    if not len(numbers):
        return "empty"
    all_different = distinct == len(numbers)
    if all_different and _is_id_name(name):
        return "identifier"
    whole = bool((numbers == np.floor(numbers)).all())
    most = 1000 if normalise_name(name) in _CLASS_NAMES else MAX_FEW_NUMBERS
    if whole and 2 * distinct <= len(numbers) and distinct <= most:
        return "few_numbers"
    # The numbers of the rows: all different, without a gap.
    counts_up = all_different and distinct > 2 and numbers.max() - numbers.min() < distinct
    return "identifier" if whole and counts_up else "number"


def _text_kind(name: str, column: TextColumn, counts: Mapping[str, int], filled: int) -> ColumnKind:
    if not filled:
        return "empty"
    distinct = len(counts)
    if distinct == filled and _is_id_name(name):
        return "identifier"
    if _are_dates(column, counts, filled):
        return "date"
    if _are_tags(counts, filled):
        return "tags"
    if 2 * distinct <= filled or (distinct < filled and distinct <= MAX_FEW_NUMBERS):
        return "category"
    short = all(len(word) <= 40 and " " not in word for word in counts)
    return "identifier" if distinct == filled and short else "text"


def _is_id_name(name: str) -> bool:
    return normalise_name(name) in _ID_NAMES or normalise_name(name).endswith(("_id", " id"))


def _are_dates(column: TextColumn, counts: Mapping[str, int], filled: int) -> bool:
    """Whether the first 20 cells are dates, and 95 % of all."""
    first = islice((cell for cell in column if cell is not None), 20)
    return all(map(parse_date, first)) and 20 * sum(n for word, n in counts.items() if not parse_date(word)) <= filled


def _are_tags(counts: Mapping[str, int], filled: int) -> bool:
    """Whether these are lists: many hold a separator, and the parts repeat far more than the whole cells do."""
    separator = _most_frequent_separator(counts)
    if not separator:
        return False
    parts = {tag for word in counts for tag in split_tags(word, separator)}
    several = sum(n for word, n in counts.items() if separator in word)
    brief = all(len(part) <= 60 for part in parts)
    return brief and 20 * several >= filled and 2 * len(parts) <= filled and len(parts) <= max(2, len(counts))


def parse_date(cell: Cell) -> datetime.date | None:
    """Parse a date: ISO (2024-05-31, with or without a time) or day/month/year; None where it is none.

    >>> parse_date("31/05/2024") == parse_date("2024-05-31 10:15")
    True
    """
    if not isinstance(cell, str) or len(cell) < 8:
        return None
    match = _DATE.fullmatch(cell.strip())
    if match is None:
        return None
    year, month, day = (match[1], match[2], match[3]) if match[1] else (match[6], match[5], match[4])
    try:
        return datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None


def detect_tag_separator(column: TableColumn) -> str:
    """Return ";" or "|", whichever separates tags in more cells; "" where neither does."""
    return "" if isinstance(column, NumberColumn) else _most_frequent_separator(column.value_counts())


def _most_frequent_separator(counts: Mapping[str, int]) -> str:
    cells = {sign: sum(n for word, n in counts.items() if sign in word) for sign in ";|"}
    best = max(cells, key=lambda sign: cells[sign])
    return best if cells[best] else ""


def split_tags(cell: str, separator: str) -> tuple[str, ...]:
    """Return the tags in a cell, each once.

    >>> split_tags("wheat; corn;wheat", ";")
    ('wheat', 'corn')
    """
    parts = cell.split(separator) if separator else [cell]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def class_label(cell: Cell) -> str | None:
    """Return a cell as a class name: whole numbers without a decimal point.

    >>> class_label(3.0)
    '3'
    """
    if cell is None:
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def sorted_class_names(column: TableColumn) -> tuple[str, ...]:
    """Return the different classes in natural order ("2" before "10"; numbers by their value)."""
    if isinstance(column, NumberColumn):
        return tuple(str(class_label(number)) for number in sorted(column.value_counts()))
    return tuple(sorted(column.words, key=natural_key))


def sorted_tag_names(column: TableColumn) -> tuple[str, ...]:
    """Return the different tags in a column, in natural order."""
    separator = detect_tag_separator(column)
    cells = [str(cell) for cell in column.factorize()[1] if cell is not None]
    return tuple(sorted({tag for cell in cells for tag in split_tags(cell, separator)}, key=natural_key))
