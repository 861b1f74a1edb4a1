"""What a table's column holds: numbers, categories, tags, identifiers or free text."""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from capas.data.naming import natural_key, normalise_name
from capas.data.tabular.io import Cell

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
    """A column's ``name`` and ``kind``, how many ``distinct`` values it has, and how many cells are
    filled."""

    name: str
    kind: ColumnKind
    distinct: int
    filled: int


def describe_column(name: str, cells: Sequence[Cell]) -> Column:
    """Judge a column by its values; by its name only where every value is different.

    >>> describe("sex", ["f", "m", "f", "f"]).kind
    'category'
    """
    present = [cell for cell in cells if cell is not None]
    distinct = len(set(present))
    return Column(name=name, kind=_kind(name, present, distinct), distinct=distinct, filled=len(present))


def _kind(name: str, present: Sequence[str | float], distinct: int) -> ColumnKind:
    if not present:
        return "empty"
    repeats = 2 * distinct <= len(present)
    whole = all(isinstance(cell, float) and cell.is_integer() for cell in present)
    if distinct == len(present) and (
        normalise_name(name) in _ID_NAMES or normalise_name(name).endswith(("_id", " id"))
    ):
        return "identifier"
    if isinstance(present[0], float):
        if whole and repeats and distinct <= (1000 if normalise_name(name) in _CLASS_NAMES else MAX_FEW_NUMBERS):
            return "few_numbers"
        return "identifier" if whole and _counts_up(present, distinct) else "number"
    if all(parse_date(cell) for cell in present[:20]) and sum(parse_date(c) is None for c in present) * 20 <= len(
        present
    ):
        return "date"
    if _are_tags([str(cell) for cell in present], distinct):
        return "tags"
    if repeats or (distinct < len(present) and distinct <= MAX_FEW_NUMBERS):
        return "category"
    return "identifier" if distinct == len(present) and _short(present) else "text"


def _are_tags(cells: Sequence[str], distinct: int) -> bool:
    """Whether these are lists: many hold a separator, and the parts repeat far more than the whole cells do."""
    separator = detect_tag_separator(cells)
    if not separator:
        return False
    parts = {tag for cell in cells for tag in split_tags(cell, separator)}
    several = sum(separator in cell for cell in cells)
    brief = all(len(part) <= 60 for part in parts)
    return brief and 20 * several >= len(cells) and 2 * len(parts) <= len(cells) and len(parts) <= max(2, distinct)


def parse_date(cell: Cell) -> datetime.date | None:
    """The date in a cell: ISO (2024-05-31, with or without a time) or day/month/year; None where it is none.

    >>> date_of("31/05/2024") == date_of("2024-05-31 10:15")
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


def detect_tag_separator(cells: Sequence[str]) -> str:
    """ ";" or "|", whichever stands between tags here; "" where neither does."""
    counts = {sign: sum(sign in cell for cell in cells) for sign in ";|"}
    best = max(counts, key=lambda sign: counts[sign])
    return best if counts[best] else ""


def split_tags(cell: str, separator: str) -> tuple[str, ...]:
    """The tags in a cell, each once.

    >>> split_tags("wheat; corn;wheat", ";")
    ('wheat', 'corn')
    """
    parts = cell.split(separator) if separator else [cell]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _counts_up(present: Sequence[str | float], distinct: int) -> bool:
    """Whether these are the numbers of the rows: all different, without a gap."""
    numbers = [float(cell) for cell in present]
    return distinct == len(numbers) > 2 and max(numbers) - min(numbers) < len(numbers)


def _short(present: Sequence[str | float]) -> bool:
    return all(len(str(cell)) <= 40 and " " not in str(cell) for cell in present)


def class_label(cell: Cell) -> str | None:
    """A cell as the name of a class: whole numbers without a decimal point.

    >>> as_class(3.0)
    '3'
    """
    if cell is None:
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def sorted_class_names(cells: Sequence[Cell]) -> tuple[str, ...]:
    """The different classes in natural order ("2" before "10"; numbers by their value)."""
    if all(isinstance(cell, float) for cell in cells if cell is not None):
        numbers = sorted({cell for cell in cells if isinstance(cell, float)})
        return tuple(str(class_label(number)) for number in numbers)
    return tuple(sorted({name for cell in cells if (name := class_label(cell)) is not None}, key=natural_key))
