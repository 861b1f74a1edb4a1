"""Type detection of table columns: numbers, categories, tags, identifiers, dates or free text."""

import datetime
import re
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from capas.data.naming import natural_key, normalise_name
from capas.data.tabular.columns import Cell, NumberColumn, TableColumn, TextColumn

ColumnKind = Literal["category", "few_numbers", "number", "date", "tags", "identifier", "text", "empty"]

MAX_FEW_NUMBERS: Final = 20  # so many different whole numbers may still be classes (digits, grades, months)
CLASS_NAMES: Final = frozenset({
    "label", "labels", "class", "classes", "category", "clase", "clases", "etiqueta", "categoria",
})  # fmt: skip
_TIME: Final = r"(?:[T ,]+\d{1,2}:\d\d.*)?"
_ISO_DATE: Final = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_TIME}")
_DAY_DATE: Final = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}|(?<=/)\d\d){_TIME}")
_NAMED_DATE: Final = re.compile(
    r"(?:(\d{1,2})[ -](?:de )?([a-z]{3,10})\.?|([a-z]{3,9},? )?([a-z]{3,10})\.? (\d{1,2}),?)"
    r"[ -](?:de |del )?(\d{4}|\d\d)"
)
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        ("jan ene", "feb", "mar", "apr abr", "may", "jun", "jul", "aug ago", "sep", "oct", "nov", "dec dic"), start=1
    )
    for name in names.split()
}
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
        distinct = column.distinct
        return Column(name=name, kind=_number_kind(name, numbers, distinct), distinct=distinct, filled=len(numbers))
    filled = int((~column.missing).sum())
    return Column(name=name, kind=_text_kind(name, column, filled), distinct=len(column.words), filled=filled)


def _number_kind(name: str, numbers: NDArray[np.float64], distinct: int) -> ColumnKind:
    if not len(numbers):
        return "empty"
    all_different = distinct == len(numbers)
    if all_different and is_id_name(name):
        return "identifier"
    whole = bool((numbers == np.floor(numbers)).all())
    most = 1000 if normalise_name(name) in CLASS_NAMES else MAX_FEW_NUMBERS
    if whole and 2 * distinct <= len(numbers) and distinct <= most:
        return "few_numbers"
    # The numbers of the rows: all different, without a gap.
    counts_up = all_different and distinct > 2 and numbers.max() - numbers.min() < distinct
    return "identifier" if whole and counts_up else "number"


def _text_kind(name: str, column: TextColumn, filled: int) -> ColumnKind:
    if not filled:
        return "empty"
    distinct = len(column.words)
    if distinct == filled and is_id_name(name):
        return "identifier"
    if has_month_first(column) is not None:
        return "date"
    if _are_tags(column, filled):
        return "tags"
    if 2 * distinct <= filled or (distinct < filled and distinct <= MAX_FEW_NUMBERS):
        return "category"
    short = all(len(word) <= 40 and " " not in word for word in column.words)
    return "identifier" if distinct == filled and short else "text"


def is_id_name(name: str) -> bool:
    """Return whether a column is called as identifiers are: "id", "código", "patient_id"."""
    return normalise_name(name) in _ID_NAMES or normalise_name(name).endswith(("_id", " id"))


def has_month_first(column: TableColumn) -> bool | None:
    """Return whether the dates in a column are written month first (05/31/2024); None where it holds no dates.

    Dates are what the first 20 cells hold, and 95 % of all. Where either order would do, the day is first.
    """
    if isinstance(column, NumberColumn):
        return None
    first = list(islice((cell for cell in column if cell is not None), 20))
    for month_first in (False, True):
        if first and all(parse_date(cell, month_first=month_first) for cell in first):
            counts = column.word_counts()
            is_date = [parse_date(word, month_first=month_first) is not None for word in column.words]
            if 20 * int(counts[~np.array(is_date)].sum()) <= int(counts.sum()):
                return month_first
    return None


def _are_tags(column: TextColumn, filled: int) -> bool:
    """Whether these are lists: many hold a separator, and the parts repeat far more than the whole cells do."""
    separator = detect_tag_separator(column)
    if not separator:
        return False
    counts = column.value_counts()
    parts = {tag for word in counts for tag in split_tags(word, separator)}
    several = sum(n for word, n in counts.items() if separator in word)
    brief = all(len(part) <= 60 for part in parts)
    return brief and 20 * several >= filled and 2 * len(parts) <= filled and len(parts) <= max(2, len(counts))


def parse_date(cell: Cell, *, month_first: bool = False) -> datetime.date | None:
    """Parse a date: ISO (2024-05-31, with or without a time), day/month/year, or with the month's name; None where it
    is none.

    >>> parse_date("31/05/2024") == parse_date("2024-05-31 10:15") == parse_date("31 de mayo de 2024")
    True
    >>> parse_date("05/31/2024"), parse_date("05/31/2024", month_first=True)
    (None, datetime.date(2024, 5, 31))
    """
    if not isinstance(cell, str) or not 6 <= len(cell) <= 40:
        return None
    text = cell.strip()
    if (iso := _ISO_DATE.fullmatch(text)) is not None:
        return _date(int(iso[1]), int(iso[3]), int(iso[4]))
    if (digits := _DAY_DATE.fullmatch(text)) is not None:
        day, month = (digits[3], digits[1]) if month_first else (digits[1], digits[3])
        return _date(_full_year(digits[4]), int(month), int(day))
    if (named := _NAMED_DATE.fullmatch(normalise_name(text))) is not None:
        month = _MONTHS.get((named[2] or named[4])[:3], 0)
        return _date(_full_year(named[6]), month, int(named[1] or named[5]))
    return None


def _full_year(text: str) -> int:
    """Two digits from 70 on mean the last century."""
    return int(text) if len(text) > 2 else int(text) + (1900 if int(text) >= 70 else 2000)


def _date(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def detect_tag_separator(column: TableColumn) -> str:
    """Return ";" or "|", whichever separates tags in more cells; "" where neither does."""
    if isinstance(column, NumberColumn):
        return ""
    cells = dict.fromkeys(";|", 0)
    for sign in filter(column.any_contains, cells):
        cells[sign] = sum(n for word, n in column.value_counts().items() if sign in word)
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
