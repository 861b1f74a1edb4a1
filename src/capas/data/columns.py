"""What a table's column holds: numbers, categories, identifiers or free text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from capas.data.folders import natural_key, plain
from capas.data.tables import Cell

ColumnKind = Literal["category", "few_numbers", "number", "identifier", "text", "empty"]

FEW: Final = 20  # so many different whole numbers may still be classes (digits, grades, months)
_CLASS_NAMES: Final = frozenset({
    "label", "labels", "class", "classes", "category", "clase", "clases", "etiqueta", "categoria",
})  # fmt: skip
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


def describe(name: str, cells: Sequence[Cell]) -> Column:
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
    if distinct == len(present) and (plain(name) in _ID_NAMES or plain(name).endswith(("_id", " id"))):
        return "identifier"
    if isinstance(present[0], float):
        if whole and repeats and distinct <= (1000 if plain(name) in _CLASS_NAMES else FEW):
            return "few_numbers"
        return "identifier" if whole and _counts_up(present, distinct) else "number"
    if repeats or (distinct < len(present) and distinct <= FEW):
        return "category"
    return "identifier" if distinct == len(present) and _short(present) else "text"


def _counts_up(present: Sequence[str | float], distinct: int) -> bool:
    """Whether these are the numbers of the rows: all different, without a gap."""
    numbers = [float(cell) for cell in present]
    return distinct == len(numbers) > 2 and max(numbers) - min(numbers) < len(numbers)


def _short(present: Sequence[str | float]) -> bool:
    return all(len(str(cell)) <= 40 and " " not in str(cell) for cell in present)


def as_class(cell: Cell) -> str | None:
    """A cell as the name of a class: whole numbers without a decimal point.

    >>> as_class(3.0)
    '3'
    """
    if cell is None:
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def class_names(cells: Sequence[Cell]) -> tuple[str, ...]:
    """The different classes in natural order ("2" before "10"; numbers by their value)."""
    if all(isinstance(cell, float) for cell in cells if cell is not None):
        numbers = sorted({cell for cell in cells if isinstance(cell, float)})
        return tuple(str(as_class(number)) for number in numbers)
    return tuple(sorted({name for cell in cells if (name := as_class(cell)) is not None}, key=natural_key))
