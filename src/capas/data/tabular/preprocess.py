"""Tabular preprocessing, fitted to the training rows: standardised numbers, category codes, date features.

A missing number is NaN, a missing or unknown category 0: a network can tell both from every value. A date becomes days
since 1970, the day of the year and the day of the week.
"""

import datetime
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from capas.core.errors import CapasError
from capas.data.tabular.column_types import class_label, describe_column, has_month_first, parse_date
from capas.data.tabular.columns import Cell, NumberColumn, TableColumn
from capas.data.tabular.number_notation import decimal_sign, is_missing_sign, parse_clock
from capas.data.tabular.units import parse_measures, parse_written_number

ColumnEncodingKind = Literal["number", "date", "category"]
MAX_CATEGORIES: Final = 1000
MAX_STANDARDISED: Final = 6.0  # standard deviations; beyond, only that it is far counts
_NUMBERS: Final = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnEncoding:
    """The encoding of one column.

    Attributes:
        name: Name of the column.
        kind: How it is encoded.
        mean: Mean of each number that it gives.
        std: Standard deviation of each number that it gives.
        values: Categories, with codes from 1 on.
        month_first: Whether dates are written month first.
    """

    name: str
    kind: ColumnEncodingKind
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    month_first: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedRows:
    """Encoded rows.

    Attributes:
        numbers: float32, shape (B, N), NaN where missing.
        categories: int64, shape (B, G), 0 where missing or unknown.
    """

    numbers: Tensor
    categories: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class TabularPreprocessing:
    """The encodings of the columns in order; ``fit`` makes one from training rows."""

    columns: tuple[ColumnEncoding, ...]

    @staticmethod
    def fit(columns: Mapping[str, TableColumn]) -> "TabularPreprocessing":
        """Fit to the columns of the training rows."""
        return TabularPreprocessing(columns=tuple(_fitted(name, column) for name, column in columns.items()))

    @property
    def numbers(self) -> int:
        """Number of numeric features of a row."""
        return sum(len(column.mean) for column in self.columns)

    @property
    def categories(self) -> tuple[int, ...]:
        """Number of codes of each categorical column, 0 included."""
        return tuple(1 + len(column.values) for column in self.columns if column.kind == "category")

    def encode(self, rows: Sequence[Mapping[str, Cell]]) -> EncodedRows:
        """Encode rows; a column that a row lacks is missing. Raises CapasError ``cell_no_number``."""
        numbers = [[x for column in self.columns if column.kind != "category" for x in _scaled(column, row)]
                   for row in rows]  # fmt: skip
        places = {c.name: {v: i + 1 for i, v in enumerate(c.values)} for c in self.columns if c.kind == "category"}
        categories = [
            [place.get(class_label(row.get(name)) or "", 0) for name, place in places.items()] for row in rows
        ]
        return EncodedRows(
            numbers=torch.tensor(numbers, dtype=torch.float32).view(len(rows), self.numbers),
            categories=torch.tensor(categories, dtype=torch.int64).view(len(rows), len(places)),
        )

    def encode_columns(self, columns: Mapping[str, TableColumn], rows: int) -> EncodedRows:
        """Encode the ``rows`` of a table as ``encode`` does, to the bit; all at once, where that reads cell by cell."""
        numbers = np.empty((rows, self.numbers), dtype=np.float32)
        categories = np.empty((rows, len(self.categories)), dtype=np.int64)
        number = category = 0
        for encoding in self.columns:
            column, width = columns[encoding.name], len(encoding.mean)
            if encoding.kind == "category":
                categories[:, category] = _category_codes(encoding, column)
                category += 1
            else:
                scaled = (raw_numbers(encoding, column) - np.array(encoding.mean)) / np.array(encoding.std)
                numbers[:, number : number + width] = scaled.clip(-MAX_STANDARDISED, MAX_STANDARDISED)
                number += width
        return EncodedRows(numbers=torch.from_numpy(numbers), categories=torch.from_numpy(categories))

    def as_json(self) -> dict[str, object]:
        """Return plain values for a bundle; ``from_json`` reads them back equal."""
        tree = _ADAPTER.dump_python(self, mode="json")
        assert isinstance(tree, dict)
        for column in tree["columns"]:
            if not column["month_first"]:  # as bundles were before there was this setting
                del column["month_first"]
        return tree

    @staticmethod
    def from_json(value: Mapping[str, object], *, where: str = "") -> "TabularPreprocessing":
        """Read what ``as_json`` gave. Raises CapasError ``bundle_incomplete``."""
        try:
            return _ADAPTER.validate_python(value)
        except ValidationError as error:
            raise CapasError("bundle_incomplete", where=where, received=str(error.errors()[0]["msg"])) from error


_ADAPTER: TypeAdapter[TabularPreprocessing] = TypeAdapter(TabularPreprocessing)


def one_hot_columns(encoded: EncodedRows, preparation: TabularPreprocessing) -> Tensor:
    """Return features (B, D) for a linear model: numbers (0 where missing), missing indicators, one-hot categories."""
    missing = encoded.numbers.isnan()
    parts = [torch.where(missing, 0, encoded.numbers), missing.float()]
    for column, size in enumerate(preparation.categories):
        parts.append(torch.nn.functional.one_hot(encoded.categories[:, column], size)[:, 1:].float())
    return torch.cat(parts, dim=1)


def _fitted(name: str, column: TableColumn) -> ColumnEncoding:
    kind = describe_column(name, column).kind
    if isinstance(column, NumberColumn) and kind in ("number", "few_numbers"):
        return _standardised(name, "number", column.values[~column.missing][:, None])
    if kind == "date":
        month_first = bool(has_month_first(column))
        numbers = _read_cells(column, partial(_date_numbers, month_first), 3)
        fitted = _standardised(name, "date", numbers[~np.isnan(numbers[:, 0])])
        return replace(fitted, month_first=month_first)
    counts = Counter(dict[Cell, int](column.value_counts().items()))  # of equal counts the first to occur comes first
    values = tuple(str(class_label(value)) for value, _ in counts.most_common(MAX_CATEGORIES))
    return ColumnEncoding(name=name, kind="category", values=values)


def _standardised(name: str, kind: ColumnEncodingKind, rows: NDArray[np.float64]) -> ColumnEncoding:
    values = torch.from_numpy(rows)
    std = values.std(0, correction=0)
    std = torch.where(std > 0, std, 1.0)
    return ColumnEncoding(name=name, kind=kind, mean=tuple(values.mean(0).tolist()), std=tuple(std.tolist()))


def raw_numbers(encoding: ColumnEncoding, column: TableColumn) -> NDArray[np.float64]:
    """Return the numbers of a column before standardisation, shape (N, width); NaN where missing."""
    if encoding.kind == "date":
        return _read_cells(column, partial(_date_numbers, encoding.month_first), 3)
    if isinstance(column, NumberColumn):
        return column.values[:, None]
    return _read_cells(column, partial(_number, encoding.name), 1)


def _read_cells(column: TableColumn, read: Callable[[Cell], list[float] | None], width: int) -> NDArray[np.float64]:
    """Return what ``read`` gives for each cell, shape (N, width), NaN for None; each different cell is read once."""
    codes, cells = column.factorize()
    by_cell = np.array([read(cell) or [math.nan] * width for cell in cells], dtype=np.float64)
    return by_cell.reshape(len(cells), width)[codes]


def _category_codes(encoding: ColumnEncoding, column: TableColumn) -> NDArray[np.int64]:
    place = {value: i + 1 for i, value in enumerate(encoding.values)}
    codes, cells = column.factorize()
    return np.array([place.get(class_label(cell) or "", 0) for cell in cells], dtype=np.int64)[codes]


def _scaled(column: ColumnEncoding, row: Mapping[str, Cell]) -> list[float]:
    cell = row.get(column.name)
    raw = _date_numbers(column.month_first, cell) if column.kind == "date" else _number(column.name, cell)
    if raw is None:
        return [math.nan] * len(column.mean)
    scaled = [(x - m) / s for x, m, s in zip(raw, column.mean, column.std, strict=True)]
    return [max(-MAX_STANDARDISED, min(MAX_STANDARDISED, x)) for x in scaled]


def _number(name: str, cell: Cell | int) -> list[float] | None:
    if cell is None or (isinstance(cell, str) and is_missing_sign(cell)):
        return None
    if isinstance(cell, str) and _NUMBERS.fullmatch(cell.strip()):
        cell = float(cell.replace(",", "."))
    elif isinstance(cell, str) and (measured := parse_measures([cell])) is not None:
        cell = measured[0][0]
    elif isinstance(cell, str) and (hours := parse_clock(cell)) is not None:
        cell = hours
    elif isinstance(cell, str) and (written := parse_written_number(cell)) is not None:
        value = written.value(decimal_sign([written.body]) or ".")
        cell = cell if value is None else value
    if not isinstance(cell, int | float):
        raise CapasError("cell_no_number", where=name, received=str(cell))
    return [float(cell)] if math.isfinite(cell) else None


def _date_numbers(month_first: bool, cell: Cell) -> list[float] | None:
    date = parse_date(cell, month_first=month_first)
    if date is None:
        return None
    days = (date - datetime.date(1970, 1, 1)).days
    return [float(days), float(date.timetuple().tm_yday), float(date.weekday())]
