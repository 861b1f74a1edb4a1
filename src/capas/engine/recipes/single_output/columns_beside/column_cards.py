"""What the card of a bundle says of the columns beside: their ranges and categories in the training split."""

import datetime
from collections.abc import Mapping

import numpy as np

from capas.bundle.card import ColumnCard
from capas.data.tabular.columns import TableColumn
from capas.data.tabular.preprocess import ColumnEncoding, TabularPreprocessing, raw_numbers

_EPOCH = datetime.date(1970, 1, 1)


def column_cards(preparation: TabularPreprocessing, columns: Mapping[str, TableColumn]) -> list[ColumnCard]:
    """Return the cards of the training split's ``columns``, in the order of ``preparation``."""
    return [_card(encoding, columns[encoding.name]) for encoding in preparation.columns]


def _card(encoding: ColumnEncoding, column: TableColumn) -> ColumnCard:
    if encoding.kind == "category":
        return ColumnCard(name=encoding.name, kind="category", values=list(encoding.values))
    numbers = raw_numbers(encoding, column)[:, 0]
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return ColumnCard(name=encoding.name, kind=encoding.kind)
    low, high = float(numbers.min()), float(numbers.max())
    if encoding.kind == "date":
        days = [(_EPOCH + datetime.timedelta(days=value)).isoformat() for value in (low, high)]
        return ColumnCard(name=encoding.name, kind="date", low=days[0], high=days[1])
    return ColumnCard(name=encoding.name, kind="number", low=low, high=high)
