"""The columns of a table that are learnt from together with the pictures or sounds that it names.

Left out is what a table leaves out as well (identifiers, texts, empty columns), what never varies, what is called like
an identifier though it repeats (a patient's number), the column that keeps examples together, and what gives the target
away: a network would learn that column, and nothing of the picture.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from capas.core.spec import FieldKind, Medium
from capas.data.inspect.shortcuts import MIN_LEAK_ACCURACY, find_shortcuts
from capas.data.sources.source import DataSource
from capas.data.tabular.column_types import Column, ColumnKind, class_label, is_id_name
from capas.data.tabular.columns import NumberColumn, TableColumn, map_cells

MEDIA: Final[tuple[Medium, ...]] = ("image", "audio")
INPUT_KINDS: Final[Mapping[ColumnKind, FieldKind]] = {
    "category": "category", "few_numbers": "number", "number": "number", "tags": "category", "date": "date",
}  # fmt: skip
MIN_CORRELATION: Final = 0.999  # a number that is the target in another unit
MIN_COMPARED: Final = 10  # rows; of fewer, a correlation says nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnsBeside:
    """The columns beside the files.

    Attributes:
        used: Those that are learnt from.
        giveaways: Names of those left out because they give the target away.
    """

    used: tuple[Column, ...] = ()
    giveaways: tuple[str, ...] = ()


def choose_columns_beside(
    source: DataSource, columns: Mapping[str, Column], targets: Sequence[str], *, group: str | None
) -> ColumnsBeside:
    """Choose the columns to learn from beside the files of ``source``.

    Args:
        source: The data source.
        columns: What each of its columns holds.
        targets: Names of the target columns.
        group: Column that says which examples belong together.
    """
    if source.files is None or source.medium not in MEDIA:
        return ColumnsBeside()
    left_out = {*targets, group}
    usable = [
        column
        for column in columns.values()
        if column.name not in left_out
        and column.kind in INPUT_KINDS
        and column.distinct > 1
        and not is_id_name(column.name)
    ]
    giveaways = _giveaways(source, [column.name for column in usable], targets[0])
    return ColumnsBeside(
        used=tuple(column for column in usable if column.name not in giveaways), giveaways=tuple(giveaways)
    )


def _giveaways(source: DataSource, names: Iterable[str], target: str) -> list[str]:
    """The columns that alone tell the class, or are the target number in another unit."""
    cells = source.columns[target]
    there = np.flatnonzero(~cells.missing)
    known = cells.take(there)
    held = {name: source.columns[name].take(there) for name in names}
    if isinstance(known, NumberColumn):
        alike = [name for name, column in held.items() if _is_same_number(column, known)]
    else:
        alike = []
    words = map_cells(known, lambda cell: class_label(cell) or "")
    told = {one.attribute for one in find_shortcuts(held, words) if one.accuracy >= MIN_LEAK_ACCURACY}
    return [name for name in held if name in told or name in alike]


def _is_same_number(column: TableColumn, target: NumberColumn) -> bool:
    """Whether the column is the target times a number plus a number."""
    if not isinstance(column, NumberColumn):
        return False
    both = ~(column.missing | target.missing)
    x, y = column.values[both], target.values[both]
    if len(x) < MIN_COMPARED or np.ptp(x) == 0 or np.ptp(y) == 0:
        return False
    return bool(abs(np.corrcoef(x, y)[0, 1]) >= MIN_CORRELATION)
