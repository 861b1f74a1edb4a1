"""Rows that come in the order of their dates: the last of them are the test.

A model of such rows will be used on what comes later. Rows drawn at random for the test lie between rows that were
learnt from, and flatter it (Bergmeir & Benítez, "On the Use of Cross-Validation for Time Series Predictor Evaluation",
Information Sciences 2012).
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.data.naming import SplitName
from capas.data.tabular.column_types import describe_column, has_month_first, parse_date
from capas.data.tabular.columns import TableColumn

MIN_ROWS: Final = 30
MIN_DATES: Final = 20
MIN_IN_ORDER: Final = 0.98  # share of neighbours; a few rows entered late change nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeSplit:
    """A split by date.

    Attributes:
        column: The column of dates.
        since: First date of the test.
        splits: The split of each row; None where the row has no date.
    """

    column: str
    since: datetime.date
    splits: tuple[SplitName | None, ...]


def split_by_time(columns: Mapping[str, TableColumn], *, validation: float, test: float) -> TimeSplit | None:
    """Return the split by the first column of dates in whose order the rows are, upwards or downwards; else None.

    Rows of one date stay together.
    """
    for name, column in columns.items():
        month_first = has_month_first(column)
        if month_first is None or describe_column(name, column).kind != "date":
            continue
        codes, cells = column.factorize()
        dates = [parse_date(cell, month_first=month_first) for cell in cells]
        days = np.array([np.nan if date is None else float(date.toordinal()) for date in dates])[codes]
        known = days[~np.isnan(days)]
        if len(known) < MIN_ROWS or len(np.unique(known)) < MIN_DATES or not _in_order(known):
            continue
        first_test, first_validation = _border(known, test), _border(known, test + validation)
        splits = [_split(day, first_validation, first_test) for day in days.tolist()]
        if {"train", "test"} <= set(splits):
            return TimeSplit(column=name, since=datetime.date.fromordinal(int(first_test)), splits=tuple(splits))
    return None


def _in_order(days: NDArray[np.float64]) -> bool:
    steps = np.diff(days)
    return bool(max((steps >= 0).mean(), (steps <= 0).mean()) >= MIN_IN_ORDER)


def _border(days: NDArray[np.float64], share: float) -> float:
    """Return the day from which on about ``share`` of the rows lie."""
    later = np.sort(days)
    return float(later[min(len(later) - 1, round(len(later) * (1 - share)))])


def _split(day: float, first_validation: float, first_test: float) -> SplitName | None:
    if day != day:
        return None
    return "test" if day >= first_test else "validation" if day >= first_validation else "train"
