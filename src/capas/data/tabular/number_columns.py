"""Columns of numbers that are not written plainly: with units, separators of thousands, "?" for missing, or odd cells.

A text column becomes one of numbers where 95 % of its cells are numbers; what the rest was is told.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from capas.data.naming import normalise_name
from capas.data.problems import Problem, problems_from
from capas.data.tabular.column_types import CLASS_NAMES, MAX_FEW_NUMBERS
from capas.data.tabular.columns import MAX_WHOLE, NumberColumn, TableColumn, TextColumn
from capas.data.tabular.number_notation import DecimalSign, decimal_sign, is_missing_sign, parse_clock
from capas.data.tabular.units import WrittenNumber, parse_written_number

MAX_ODD_SHARE: Final = 0.05
_MIN_ROWS_WITH_ODD: Final = 20
_BARE_UNITS: Final = "%€$£¥₹₩₽"


@dataclass(frozen=True, kw_only=True, slots=True)
class MendedColumns:
    """The columns of a table, the ``units`` of those that state one, and the ``problems`` of odd cells."""

    columns: Mapping[str, TableColumn]
    units: Mapping[str, str]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _ReadWords:
    """The numbers of a column's different texts, NaN for those that are none."""

    values: Sequence[float]
    unit: str
    missing: Sequence[str]
    odd: Sequence[str]
    ambiguous: Sequence[str] = ()


def mend_number_columns(columns: Mapping[str, TableColumn], decimal: DecimalSign) -> MendedColumns:
    """Return ``columns`` with the text columns that hold numbers as numbers.

    Args:
        columns: The columns of a table.
        decimal: What stands before decimals in this table, for columns that do not tell themselves.
    """
    mended, units = dict(columns), dict[str, str]()
    odd, missing, ambiguous = list[str](), list[str](), list[str]()
    odd_cells = missing_cells = 0
    for name, column in columns.items():
        if not isinstance(column, TextColumn) or normalise_name(name) in CLASS_NAMES:
            continue
        read = _read_words(column, decimal)
        if read is None:
            continue
        mended[name] = NumberColumn(values=np.array([*read.values, math.nan])[column.codes])
        counts = column.value_counts()
        odd += [f"{name}: {word}" for word in read.odd]
        missing += [f"{name}: {word}" for word in read.missing]
        ambiguous += [f"{name}: {word}" for word in read.ambiguous[:1]]
        odd_cells += sum(counts[word] for word in read.odd)
        missing_cells += sum(counts[word] for word in read.missing)
        if read.unit:
            units[name] = read.unit
    problems = (
        *problems_from("cell_not_number", odd, count=odd_cells),
        *problems_from("missing_sign", missing, severity="note", count=missing_cells),
        *problems_from("ambiguous_number", ambiguous, severity="note", values={"sign": decimal}),
    )
    return MendedColumns(columns=mended, units=units, problems=problems)


def _read_words(column: TextColumn, decimal: DecimalSign) -> _ReadWords | None:
    """The numbers of a column's texts; None where it is no column of numbers."""
    first = [word for word in column.words[:100] if not is_missing_sign(word)]
    # Most columns of texts are recognised by their first few cells.
    if not first or 2 * sum(_is_number(word) for word in first) < len(first):
        return None
    counts = column.value_counts()
    missing = [word for word in counts if is_missing_sign(word)]
    read = _as_clock(column.words) or _as_numbers(column.words, decimal)
    if read is None:
        return None
    read_count = sum(n for (word, n), value in zip(counts.items(), read.values, strict=True) if not math.isnan(value))
    odd_count = sum(counts[word] for word in read.odd)
    if not read_count or odd_count > MAX_ODD_SHARE * (read_count + odd_count):
        return None
    distinct = len(counts) - len(missing) - len(read.odd)
    alone = all(counts[word] == 1 for word in read.odd)
    if read.odd and (read_count < _MIN_ROWS_WITH_ODD or not (alone or distinct > MAX_FEW_NUMBERS)):
        return None
    return _ReadWords(values=read.values, unit=read.unit, missing=missing, odd=read.odd, ambiguous=read.ambiguous)


def _is_number(word: str) -> bool:
    return parse_clock(word) is not None or parse_written_number(word) is not None


def _as_clock(words: Sequence[str]) -> _ReadWords | None:
    """Times of day, in hours."""
    hours = [parse_clock(word) for word in words]
    odd = [word for word, hour in zip(words, hours, strict=True) if hour is None and not is_missing_sign(word)]
    if 2 * len(odd) > len(words) or not any(hour is not None for hour in hours):
        return None
    return _ReadWords(values=[math.nan if hour is None else hour for hour in hours], unit="h", missing=(), odd=odd)


def _as_numbers(words: Sequence[str], decimal: DecimalSign) -> _ReadWords | None:
    """Numbers with or without one and the same unit."""
    written = {word: None if is_missing_sign(word) else parse_written_number(word) for word in words}
    numbers = [number for number in written.values() if number is not None]
    units = {number.unit for number in numbers}
    several = units - {""}
    if len(several) > 1 or ("" in units and several and not several <= set(_BARE_UNITS)):
        return None
    if _are_codes(numbers):
        return None
    told = decimal_sign([number.body for number in numbers])
    values = {word: None if number is None else number.value(told or decimal) for word, number in written.items()}
    odd = [word for word, value in values.items() if value is None and not is_missing_sign(word)]
    unclear = [word for word, number in written.items() if number and ("," in number.body or "." in number.body)]
    return _ReadWords(
        values=[math.nan if value is None else value for value in values.values()],
        unit=next(iter(several), ""), missing=(), odd=odd, ambiguous=unclear if told is None else (),
    )  # fmt: skip


def _are_codes(numbers: Sequence[WrittenNumber]) -> bool:
    """Whether these are names made of digits: one begins with a 0 that no decimals follow, is too long to be held, or
    all have blanks at the same places, as telephone numbers do."""
    bodies = [number.body for number in numbers]
    digits = [body for body in bodies if body.isdecimal()]
    if any((len(body) > 1 and body[0] == "0") or len(body) > 16 or int(body) >= MAX_WHOLE for body in digits):
        return True
    return bool(bodies) and all(" " in body for body in bodies) and len(set(map(len, bodies))) == 1
