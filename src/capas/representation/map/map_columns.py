"""The columns beside vectors as a map shows them: categories and numbers to colour by, everything else as text."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.data.tabular.column_types import describe_column
from capas.data.tabular.columns import Cell, column_from_cells
from capas.representation.data_items import TEXT_COLUMN
from capas.representation.vectors import Vectors

CELL_CHARACTERS: Final = 200
TEXT_CHARACTERS: Final = 400
# The texts of so many items are kept whole; of more, as much as keeps the page below some tens of MB.
WHOLE_TEXTS: Final = 20_000
MAX_CATEGORIES: Final = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class MapColumn:
    """A column of N items.

    Attributes:
        name: As the user has it.
        kind: "category", "number", or "text", by which no map is coloured.
        categories: Of a category: the values, the most frequent first.
        codes: Of a category: the number of each item's value, uint16 (N).
        numbers: Of a number: float32 (N), NaN where it is missing.
        low: Of a number: the 1st percentile, where the gradient begins.
        high: The 99th percentile, where it ends.
        texts: Of a text: each item's.
    """

    name: str
    kind: Literal["category", "number", "text"]
    categories: tuple[str, ...] = ()
    codes: NDArray[np.uint16] | None = None
    numbers: NDArray[np.float32] | None = None
    low: float = 0.0
    high: float = 0.0
    texts: tuple[str, ...] = ()


def map_columns(vectors: Vectors) -> list[MapColumn]:
    """Return all columns of the items."""
    return [_map_column(name, vectors.column(name)) for name in vectors.columns]


def colour_number(vectors: Vectors, columns: Sequence[MapColumn], wanted: str | None) -> int:
    """Return the number of the column to colour by: the wanted one, else the classes, else the first that fits.

    Of no column it is -1.

    Raises:
        CapasError: ``map_no_such_column``, or ``map_colour_text`` where it is neither categories nor numbers.
    """
    names = [column.name for column in columns]
    if wanted is not None:
        fitting = ", ".join(column.name for column in columns if column.kind != "text") or "–"
        if wanted not in names:
            raise CapasError("map_no_such_column", where="--colour", received=wanted, columns=fitting)
        if columns[names.index(wanted)].kind == "text":
            raise CapasError("map_colour_text", where="--colour", received=wanted, columns=fitting)
        return names.index(wanted)
    fits = [number for number, column in enumerate(columns) if column.kind == "category" and len(column.categories) > 1]
    classes = [number for number in fits if names[number] == vectors.label_column]
    fits += [number for number, column in enumerate(columns) if column.kind == "number"]
    return next(iter(classes + fits), -1)


def _map_column(name: str, cells: Sequence[str]) -> MapColumn:
    numbers = _numbers(cells)
    typed: list[Cell] = (
        list(cells) if numbers is None else [None if math.isnan(one) else one for one in numbers.tolist()]
    )
    kind = "text" if name == TEXT_COLUMN else describe_column(name, column_from_cells(typed)).kind
    if kind == "number" and numbers is not None:
        finite = numbers[np.isfinite(numbers)]
        if len(finite):
            low, high = np.percentile(finite, [1, 99])
            return MapColumn(
                name=name, kind="number", numbers=numbers.astype(np.float32), low=float(low), high=float(high)
            )
    shortened = [cell[:CELL_CHARACTERS] for cell in cells]
    tally = Counter(shortened)
    few = kind in ("category", "few_numbers") or name == "class"
    if few and len(tally) <= MAX_CATEGORIES:
        # The most frequent first: they get the colours.
        categories = sorted(tally, key=lambda value: (value == "", -tally[value], value))
        number_of = {value: number for number, value in enumerate(categories)}
        codes = np.array([number_of[cell] for cell in shortened], np.uint16)
        return MapColumn(name=name, kind="category", categories=tuple(categories), codes=codes)
    most = TEXT_CHARACTERS if name == TEXT_COLUMN else CELL_CHARACTERS
    most = most if len(cells) <= WHOLE_TEXTS else most // 4
    return MapColumn(name=name, kind="text", texts=tuple(cell[:most] for cell in cells))


def _numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """The cells as numbers, NaN where empty or infinite; None where one of them is no number."""
    try:
        numbers = np.array([float(cell) if cell.strip() else math.nan for cell in cells])
    except ValueError:
        return None
    return np.where(np.isfinite(numbers.astype(np.float32)), numbers, math.nan)
