"""The examples of a data source as things to embed: names, contents, and the columns that stand beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.core.spec import Medium
from capas.data.collections import AudioFiles, ExampleCollection, LazySequence, TableRows, TextCollection
from capas.data.image.io import ImageCollection, ImageFiles
from capas.data.inspect.task_detection import longest_text_column
from capas.data.sources.source import DataSource, open_source
from capas.data.tabular.column_types import class_label
from capas.data.tabular.columns import Cell, TableColumn

TEXT_SHOWN: Final = 400  # characters of a text that are kept beside its vector
CELL_SHOWN: Final = 200
TEXT_COLUMN: Final = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataItems:
    """The examples of a data source.

    Attributes:
        where: The data as an absolute path, or a sample's name.
        medium: What an example is.
        inputs: The examples.
        columns: What stands beside them, by name.
    """

    where: str
    medium: Medium
    inputs: ExampleCollection
    columns: Mapping[str, TableColumn]

    def __len__(self) -> int:
        return len(self.inputs)

    def name(self, index: int) -> str:
        """Return how the user finds an example."""
        return self.inputs.name(index)

    def content(self, index: int) -> object:
        """Return an example as encoders take it: a path or an array of pixels, a path of a sound, a text, a row.

        Raises CapasError where it cannot be read.
        """
        inputs = self.inputs
        if isinstance(inputs, ImageFiles):
            return inputs.paths[index]
        if isinstance(inputs, ImageCollection):
            return inputs.decode(index)
        if isinstance(inputs, AudioFiles):
            return inputs.paths[index]
        if isinstance(inputs, TextCollection):
            if (error := inputs.failed.get(index)) is not None:
                raise error
            return inputs.text(index)
        assert isinstance(inputs, TableRows)
        return inputs.row(index)

    def content_hash(self, index: int) -> str:
        """Return the hash of an example's content. Raises CapasError where it cannot be read."""
        return self.inputs.content_hash(index)

    def cells(self, index: int) -> dict[str, str]:
        """Return what stands beside an example, and the beginning of a text, as words."""
        row = {name: (class_label(column[index]) or "")[:CELL_SHOWN] for name, column in self.columns.items()}
        if isinstance(self.inputs, TextCollection):
            row[TEXT_COLUMN] = " ".join(self.inputs.text(index)[: 2 * TEXT_SHOWN].split())[:TEXT_SHOWN]
        return row

    def row(self, index: int, names: Sequence[str]) -> dict[str, Cell]:
        """Return the cells of the columns ``names`` beside an example; None where there is no such column."""
        return {name: self.columns[name][index] if name in self.columns else None for name in names}

    @property
    def names_hash(self) -> str:
        """Hash of all names in order."""
        return content_hash("\n".join(map(self.name, range(len(self)))).encode("utf-8", "backslashreplace"))


def open_data_items(
    data: str, *, column: str | None = None, medium: Medium | None = None, sheet: str | None = None,
    follow_links: bool = False,
) -> DataItems:  # fmt: skip
    """Open ``data`` for embedding; labels are not needed.

    Args:
        data: As for ``open_source``.
        column: The column of a table that holds the texts; the one with the longest texts if None.
        medium: What the encoder reads; a table without files is read as texts unless it is "table".
        sheet: Sheet of a workbook.
        follow_links: Whether symbolic links that leave the folder are followed.

    Raises:
        CapasError: ``text_column_wanted``, ``no_such_column``, ``no_such_path``, and those of ``open_source``.
    """
    if not data.strip():
        raise CapasError("no_such_path", where=repr(data))
    source = open_source(data, sheet=sheet, follow_links=follow_links)
    where = data if data.startswith("sample:") else str(Path(data).expanduser().absolute())
    if source.files is not None:
        return DataItems(where=where, medium=source.medium, inputs=source.files, columns=source.columns)
    names = LazySequence(lambda row: f"#{row + 1}", range(len(source)))
    if medium == "table":
        return DataItems(where=where, medium="table", inputs=TableRows(source.columns, names), columns=source.columns)
    chosen = _text_column(source, column, data)
    texts = TextCollection([class_label(cell) or "" for cell in source.columns[chosen]], names)
    beside = {name: cells for name, cells in source.columns.items() if name != chosen}
    return DataItems(where=where, medium="text", inputs=texts, columns=beside)


def _text_column(source: DataSource, column: str | None, data: str) -> str:
    if column is not None:
        if column not in source.columns:
            raise CapasError("no_such_column", where=data, received=", ".join(source.columns), column=column)
        return column
    found = longest_text_column(source)
    if found is None:
        raise CapasError("text_column_wanted", where=data, received=", ".join(source.columns))
    return found
