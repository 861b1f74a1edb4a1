"""The input side of trained models of pictures or sounds with the columns beside them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from capas.bundle.export import Exportable
from capas.core.errors import CapasError
from capas.data.collections import ExampleCollection, FilesWithColumns
from capas.data.tabular.columns import Cell
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.columns_beside.batches import ContentWithColumns
from capas.engine.recipes.single_output.columns_beside.export import exportable_fusion
from capas.engine.recipes.single_output.inputs import InputReader


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedWithColumns:
    """A preprocessed input.

    Attributes:
        content: The picture or sound, as its reader prepares it.
        row: Its encoded cells, one row.
        lacks_columns: Whether no cell was given at all, so that every column counts as missing.
    """

    content: object
    row: EncodedRows
    lacks_columns: bool = False


class ReaderWithColumns:
    """Reads pictures or sounds with their rows for a trained model (``InputReader``).

    An input is a file or array as the content takes it, whose columns then count as missing, or a mapping of the file
    field's name to it and of column names to cells.

    Args:
        network: The whole network.
        content: The reader of the pictures or sounds.
        preparation: The encoding of the columns.
        file_field: Name of the column of files.
    """

    def __init__(
        self, network: nn.Module, content: InputReader[Any], preparation: TabularPreprocessing, file_field: str
    ) -> None:
        self.network = network
        self.content = content
        self.preparation = preparation
        self.file_field = file_field

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.preparation.columns]

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """Yield files alone, without columns; tables are read row by row by ``PredictorInputs``."""
        return self.content.items(words, lines)

    def item(self, content: object, number: int) -> Item:
        """Wrap an input passed from Python."""
        inner = self.content.item(content.get(self.file_field) if isinstance(content, Mapping) else content, number)
        return Item(name=inner.name, content=content)

    def preprocess(self, item: Item) -> PreparedWithColumns:
        """See ``InputReader``. Raises CapasError ``row_without_file``, and those of content and columns."""
        if not isinstance(item.content, Mapping):
            return self._prepared(self.content.preprocess(item), {})
        row = cast(Mapping[str, object], item.content)
        content = row.get(self.file_field)
        if content is None or (isinstance(content, str) and not content):
            raise CapasError("row_without_file", where=item.name, received=", ".join(row), column=self.file_field)
        file = Item(name=item.name, content=content)
        cells = {name: cast(Cell, row[name]) for name in self.columns if name in row}
        return self._prepared(self.content.preprocess(file), cells)

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> PreparedWithColumns:
        assert isinstance(inputs, FilesWithColumns)
        return self._prepared(self.content.preprocess_example(inputs.files, index), inputs.rows.row(index))

    def _prepared(self, content: object, row: Mapping[str, Cell]) -> PreparedWithColumns:
        lacks = all(row.get(name) in (None, "") for name in self.columns)
        return PreparedWithColumns(content=content, row=self.preparation.encode([row]), lacks_columns=lacks)

    def collate(self, prepared: Sequence[object]) -> ContentWithColumns[object]:
        both = cast(Sequence[PreparedWithColumns], prepared)
        return ContentWithColumns(
            content=self.content.collate([one.content for one in both]),
            numbers=torch.cat([one.row.numbers for one in both]),
            categories=torch.cat([one.row.categories for one in both]),
        )

    def notes(self, prepared: Sequence[object]) -> list[Mapping[str, object]]:
        """Return of each input what a prediction must say of it: the columns, where it came without all of them."""
        both = cast(Sequence[PreparedWithColumns], prepared)
        return [{"without_columns": self.columns} if one.lacks_columns else {} for one in both]

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        both = cast(Sequence[PreparedWithColumns], prepared)
        batch = self.collate(both) if both else None
        rows = None if batch is None else EncodedRows(numbers=batch.numbers, categories=batch.categories)
        return exportable_fusion(self.network, self.content, self.preparation, [one.content for one in both], rows)
