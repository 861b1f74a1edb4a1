"""Columns beside the examples by which errors are told apart: sex, age, microphone, scanner …"""

from collections.abc import Mapping, Sequence
from typing import Final

from capas.data.tabular.column_types import class_label, describe_column
from capas.data.tabular.columns import TableColumn

MAX_GROUPS: Final = 12  # values of a column; one with more tells single examples, not groups


def group_columns(
    columns: Mapping[str, TableColumn], target: str, indices: Sequence[int]
) -> Mapping[str, Sequence[str]]:
    """Return the value of each example in each column of few categories; "" where it has none.

    Args:
        columns: The columns of the data.
        target: The column of the identities, which is left out.
        indices: The row of each example.
    """
    found: dict[str, Sequence[str]] = {}
    for name, column in columns.items():
        if name == target or describe_column(name, column).kind not in ("category", "few_numbers"):
            continue
        values = [class_label(cell) or "" for cell in column.take(list(indices))]
        if 2 <= len(set(values) - {""}) <= MAX_GROUPS:
            found[name] = values
    return found
