"""Tables as inputs of a predictor: each row an input, or the text or the file that one of its columns names."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from capas.bundle.card import Card
from capas.core.errors import CapasError
from capas.core.files import is_file
from capas.data.file_types import SPREADSHEET_SUFFIXES, TABLE_SUFFIXES
from capas.data.naming import normalise_name
from capas.data.sources.path_columns import find_path_column
from capas.data.tabular.column_types import class_label
from capas.data.tabular.columns import Table, TableColumn, iterate_rows
from capas.data.tabular.io import is_table_file
from capas.data.tabular.raw_rows import RawTable, read_raw_table
from capas.engine.recipe import Item


@dataclass(kw_only=True, slots=True)
class PredictorInputs:
    """The inputs of a predictor; those that are tables are read row by row.

    Attributes:
        card: The model's card.
        read_items: ``items`` of its predictor, for words that name no table.
        sheet: Sheet of workbooks; chosen if None.
        origins: The table and the row of every item so far; None for an item that comes from no table.
        tables: The tables so far.
    """

    card: Card
    read_items: Callable[[Sequence[str], Iterable[str]], Iterator[Item]]
    sheet: str | None = None
    origins: list[tuple[RawTable, int] | None] = field(default_factory=list)
    tables: list[RawTable] = field(default_factory=list)

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """Yield the inputs that ``words`` name, in order.

        Raises:
            CapasError: ``sheet_without_workbook``, ``no_such_column``, ``no_file_column``, and those of
                ``read_table`` and the predictor's ``items``.
        """
        if self.sheet is not None and not any(Path(w).suffix.casefold() in SPREADSHEET_SUFFIXES for w in words):
            raise CapasError("sheet_without_workbook", where=" ".join(words), received=self.sheet)
        for word in words:
            if not _is_table(word, self.card.medium):
                for item in self.read_items([word], lines):
                    self.origins.append(None)
                    yield item
                continue
            workbook = Path(word).suffix.casefold() in SPREADSHEET_SUFFIXES
            raw = read_raw_table(Path(word), self.sheet if workbook else None)
            self.tables.append(raw)
            for row, item in zip(raw.readable, table_items(self.card, raw.table), strict=True):
                self.origins.append((raw, row))
                yield item


def _is_table(word: str, medium: str) -> bool:
    """Whether a word names a table; where texts are read, a .txt is a text."""
    path = Path(word)
    return is_file(path) and (
        is_table_file(path) if medium == "table" else path.suffix.casefold() in TABLE_SUFFIXES and medium != "tokens"
    )


def table_items(card: Card, table: Table) -> Iterator[Item]:
    """Yield an item for each row of a table: the row itself, its text, its file, or its file with the columns that the
    model takes beside it.
    """
    if card.medium == "table":
        for i, row in enumerate(iterate_rows(table.columns, table.rows)):
            yield Item(name=f"{table.path.name}#{i + 1}", content=row)
    elif card.medium == "text":
        for i, cell in enumerate(_text_column(card, table)):
            yield Item(name=f"{table.path.name}#{i + 1}", content=class_label(cell) or "")
    else:
        column = find_path_column(table)
        if column is None:
            raise CapasError("no_file_column", where=table.path, received=", ".join(table.columns))
        beside = {field.name: table.columns.get(field.name) for field in card.spec.columns_beside}
        for i, (value, file) in enumerate(zip(column.values, column.files, strict=True)):
            path = file or table.path.parent / value
            row = {name: None if cells is None else cells[i] for name, cells in beside.items()}
            yield Item(name=value, content={card.inputs[0].name: path, **row} if beside else path)


def _text_column(card: Card, table: Table) -> TableColumn:
    """The column called as that which the model was trained on, whatever its case, or the only one."""
    name = card.inputs[0].name
    by_name = {normalise_name(own): cells for own, cells in table.columns.items()}
    cells = by_name.get(normalise_name(name), next(iter(by_name.values())) if len(by_name) == 1 else None)
    if cells is None:
        raise CapasError("no_such_column", where=table.path, received=", ".join(table.columns), column=name)
    return cells
