"""Conditions on the columns of items: ``class=cat``. Of one column any of several holds, of several columns all.

Lines are searched as bytes and not parsed: within a string a quotation mark has a backslash before it, so that what
looks like a column with its value is one.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.representation.index.snapshot import IndexSnapshot

_BESIDE_COLUMNS: Final = ("name", "index", "hash")
Conditions = Mapping[str, frozenset[str]]


def parse_conditions(words: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the conditions of ``COLUMN=VALUE`` words. Raises CapasError ``where_malformed``.

    >>> parse_conditions(["class=cat", "class=dog", "year=1920"])["class"] == {"cat", "dog"}
    True
    """
    found: dict[str, frozenset[str]] = {}
    for word in words:
        column, equals, value = word.partition("=")
        if not equals or not column.strip():
            raise CapasError("where_malformed", where="--where", received=word)
        found[column.strip()] = found.get(column.strip(), frozenset()) | {value}
    return found


def matching_rows(snapshot: IndexSnapshot, conditions: Conditions) -> NDArray[np.int64]:
    """Return the rows that are there and fulfil all ``conditions``, sorted.

    Raises:
        CapasError: ``index_no_such_column`` where no item has such a column, or ``index_damaged``.
    """
    rows = np.flatnonzero(snapshot.alive)
    for column, values in conditions.items():
        rows = rows[np.isin(rows, _candidates(snapshot, column, values))]
    if conditions.keys() & set(_BESIDE_COLUMNS):  # a line has these beside its columns, too
        rows = np.array([
            found.row for found in snapshot.items(rows)
            if all(found.item.columns.get(column) in values for column, values in conditions.items())
        ], np.int64)  # fmt: skip
    if not len(rows):
        _refuse_unknown_columns(snapshot, conditions)
    return rows


def _candidates(snapshot: IndexSnapshot, column: str, values: frozenset[str]) -> NDArray[np.int64]:
    """Rows in whose lines a column with one of the values stands."""
    pairs = [f"{_written(column)}: {_written(value)}".encode("utf-8", "backslashreplace") for value in sorted(values)]
    return _rows_with(snapshot, b"|".join(map(re.escape, pairs)))


def _written(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _rows_with(snapshot: IndexSnapshot, pattern: bytes) -> NDArray[np.int64]:
    places = np.fromiter((match.start() for match in re.finditer(pattern, snapshot.lines)), np.uint64)
    return np.unique(np.searchsorted(snapshot.ends, places, side="right"))


def _refuse_unknown_columns(snapshot: IndexSnapshot, conditions: Conditions) -> None:
    names = column_names(snapshot)
    for column in conditions:
        if column in names or len(_rows_with(snapshot, re.escape(f"{_written(column)}: ".encode()))):
            continue
        raise CapasError("index_no_such_column", where="--where", received=", ".join(names), column=column)


def column_names(snapshot: IndexSnapshot, most: int = 1000) -> list[str]:
    """Return the columns of the first ``most`` items that are there, in the order of their appearance."""
    rows = np.flatnonzero(snapshot.alive)[:most]
    return list(dict.fromkeys(name for found in snapshot.items(rows) for name in found.item.columns))
