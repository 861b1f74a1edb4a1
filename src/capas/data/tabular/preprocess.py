"""Rows of a table as tensors: numbers standardised, categories numbered, dates as numbers; fitted to the training rows.

A missing number is NaN, a missing or unknown category 0: a network can tell both from every value. A date becomes days
since 1970, the day of the year and the day of the week.
"""

import datetime
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from capas.core.errors import CapasError
from capas.data.tabular.column_types import class_label, describe_column, parse_date
from capas.data.tabular.io import Cell
from capas.data.tabular.units import parse_measures

ColumnEncodingKind = Literal["number", "date", "category"]
MAX_CATEGORIES: Final = 1000
MAX_STANDARDISED: Final = 6.0  # standard deviations; beyond, only that it is far counts
_NUMBERS: Final = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnEncoding:
    """How one column becomes numbers: ``mean`` and ``std`` of each number that it gives, or its ``values``, numbered
    from 1 on."""

    name: str
    kind: ColumnEncodingKind
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedRows:
    """``numbers`` float32 B×N, NaN where missing, and ``categories`` int64 B×G, 0 where missing or unknown."""

    numbers: Tensor
    categories: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class TabularPreprocessing:
    """The columns in order. ``fit`` makes one from training rows."""

    columns: tuple[ColumnEncoding, ...]

    @staticmethod
    def fit(columns: Mapping[str, Sequence[Cell]]) -> "TabularPreprocessing":
        """From the cells of the training rows."""
        return TabularPreprocessing(columns=tuple(_fitted(name, cells) for name, cells in columns.items()))

    @property
    def numbers(self) -> int:
        """How many numbers a row gives."""
        return sum(len(column.mean) for column in self.columns)

    @property
    def categories(self) -> tuple[int, ...]:
        """For each column of categories how many codes there are, 0 included."""
        return tuple(1 + len(column.values) for column in self.columns if column.kind == "category")

    def encode(self, rows: Sequence[Mapping[str, Cell]]) -> EncodedRows:
        """Rows by column name; a column that a row lacks is missing. Raises CapasError ``cell_no_number``."""
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

    def as_json(self) -> dict[str, object]:
        """Plain values for a bundle; ``from_json`` reads them back equal."""
        tree = _ADAPTER.dump_python(self, mode="json")
        assert isinstance(tree, dict)
        return tree

    @staticmethod
    def from_json(value: Mapping[str, object], *, where: str = "") -> "TabularPreprocessing":
        """What ``json_response`` gave. Raises CapasError ``bundle_incomplete``."""
        try:
            return _ADAPTER.validate_python(value)
        except ValidationError as error:
            raise CapasError("bundle_incomplete", where=where, received=str(error.errors()[0]["msg"])) from error


_ADAPTER: TypeAdapter[TabularPreprocessing] = TypeAdapter(TabularPreprocessing)


def one_hot_columns(encoded: EncodedRows, preparation: TabularPreprocessing) -> Tensor:
    """B×D for a linear model: numbers (0 where missing), whether they are missing, a column per category."""
    missing = encoded.numbers.isnan()
    parts = [torch.where(missing, 0, encoded.numbers), missing.float()]
    for column, size in enumerate(preparation.categories):
        parts.append(torch.nn.functional.one_hot(encoded.categories[:, column], size)[:, 1:].float())
    return torch.cat(parts, dim=1)


def _fitted(name: str, cells: Sequence[Cell]) -> ColumnEncoding:
    kind = describe_column(name, cells).kind
    if kind in ("number", "few_numbers"):
        values = [[cell] for cell in cells if isinstance(cell, float)]
        return _standardised(name, "number", values or [[0.0]])
    if kind == "date":
        dates = [_date_numbers(cell) for cell in cells]
        return _standardised(name, "date", [d for d in dates if d] or [[0.0, 0.0, 0.0]])
    counts = Counter(value for cell in cells if (value := class_label(cell)) is not None)
    return ColumnEncoding(name=name, kind="category", values=tuple(v for v, _ in counts.most_common(MAX_CATEGORIES)))


def _standardised(name: str, kind: ColumnEncodingKind, rows: Sequence[Sequence[float]]) -> ColumnEncoding:
    values = torch.tensor(rows, dtype=torch.float64)
    std = values.std(0, correction=0)
    std = torch.where(std > 0, std, 1.0)
    return ColumnEncoding(name=name, kind=kind, mean=tuple(values.mean(0).tolist()), std=tuple(std.tolist()))


def _scaled(column: ColumnEncoding, row: Mapping[str, Cell]) -> list[float]:
    cell = row.get(column.name)
    raw = _date_numbers(cell) if column.kind == "date" else _number(column.name, cell)
    if raw is None:
        return [math.nan] * len(column.mean)
    scaled = [(x - m) / s for x, m, s in zip(raw, column.mean, column.std, strict=True)]
    return [max(-MAX_STANDARDISED, min(MAX_STANDARDISED, x)) for x in scaled]


def _number(name: str, cell: Cell | int) -> list[float] | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, str) and _NUMBERS.fullmatch(cell.strip()):
        cell = float(cell.replace(",", "."))
    elif isinstance(cell, str) and (measured := parse_measures([cell])) is not None:
        cell = measured[0][0]
    if not isinstance(cell, int | float):
        raise CapasError("cell_no_number", where=name, received=str(cell))
    return [float(cell)] if math.isfinite(cell) else None


def _date_numbers(cell: Cell) -> list[float] | None:
    date = parse_date(cell)
    if date is None:
        return None
    days = (date - datetime.date(1970, 1, 1)).days
    return [float(days), float(date.timetuple().tm_yday), float(date.weekday())]
