"""Tables that are parts of one: ``train.csv`` and ``test.csv`` side by side, with the same columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from capas.data.naming import SplitName, split_from_name
from capas.data.tabular.column_types import class_label
from capas.data.tabular.columns import NumberColumn, Table, TableColumn, column_from_cells
from capas.data.tabular.io import read_table


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitTables:
    """The parts of a table, joined.

    Attributes:
        table: All rows, those for training first.
        splits: The split of each row.
        files: Names of the files that were joined.
        without_columns: Names of files left out, and the columns that they lack, such as the target.
    """

    table: Table
    splits: tuple[SplitName, ...]
    files: tuple[str, ...]
    without_columns: Mapping[str, tuple[str, ...]]


def join_split_tables(paths: Sequence[Path], sheet: str | None = None) -> SplitTables | None:
    """Return the tables of one folder that are called like splits, one of them training; None where there are none.

    A table that lacks a column of the training table is left out: usually it is the target, and there is nothing to
    test. Raises CapasError where one of them cannot be read.
    """
    named: dict[SplitName, Path] = {}
    for path in paths:
        split = split_from_name(path.stem)
        if split is None or split in named:
            return None
        named[split] = path
    if "train" not in named or len(named) < 2 or len({path.parent for path in paths}) > 1:
        return None
    tables = {split: read_table(named[split], sheet) for split in _ORDER if split in named}
    columns = tables["train"].columns
    lacking = {split: tuple(name for name in columns if name not in table.columns) for split, table in tables.items()}
    joined = [split for split in tables if not lacking[split]]
    if len(joined) == 1 and len(columns) == 1:
        return None
    parts = [tables[split] for split in joined]
    table = replace(
        parts[0], rows=sum(part.rows for part in parts),
        columns={name: _joined([part.columns[name] for part in parts]) for name in columns},
        problems=tuple(dict.fromkeys(chain.from_iterable(part.problems for part in parts))),
        units={name: unit for part in reversed(parts) for name, unit in part.units.items()},
    )  # fmt: skip
    return SplitTables(
        table=table,
        splits=tuple(split for split in joined for _ in range(tables[split].rows)),
        files=tuple(named[split].name for split in joined),
        without_columns={named[split].name: names for split, names in lacking.items() if names},
    )


_ORDER: tuple[SplitName, ...] = ("train", "validation", "test")


def _joined(columns: Sequence[TableColumn]) -> TableColumn:
    numbers = [column.values for column in columns if isinstance(column, NumberColumn)]
    if len(numbers) == len(columns):
        return NumberColumn(values=np.concatenate(numbers))
    # A number beside texts is one of them, without the point that reading it as a number gave.
    return column_from_cells(class_label(cell) for column in columns for cell in column)
