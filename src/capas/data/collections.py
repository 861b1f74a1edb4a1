"""Indexed collections of inputs or targets other than images: texts, sentences, audio files, table rows."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np

from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.data.naming import readable_name
from capas.data.tabular.columns import Cell, NumberColumn, TableColumn
from capas.data.tabular.io import decode_text

_HASHED_ROWS: Final = 16_384


@runtime_checkable
class ExampleCollection(Protocol):
    """What every collection provides for its examples."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Return how the user finds the example: a path relative to the data, or ``table.csv:17``."""

    def content_hash(self, index: int) -> str:
        """Return a hash, equal for equal contents. Raises CapasError when the example cannot be read."""


class TextCollection:
    """Texts in memory.

    Args:
        texts: The texts.
        names: Where each comes from.
        failed: Which could not be read, and why.
        legacy: The names of those that were read as Windows-1252.
    """

    def __init__(
        self,
        texts: Sequence[str],
        names: Sequence[str],
        failed: Mapping[int, CapasError] | None = None,
        legacy: Sequence[str] = (),
    ) -> None:
        if len(texts) != len(names):
            raise ValueError(f"{len(texts)} texts, {len(names)} names")
        self.texts = tuple(texts)
        self.failed = dict(failed or {})
        self.legacy = tuple(legacy)
        self._names = tuple(names)

    @staticmethod
    def from_files(paths: Sequence[Path], root: Path) -> "TextCollection":
        """Read text files in UTF-8 or Windows-1252; one that cannot be read is empty and in ``failed``."""
        texts, failed, legacy = [], {}, list[Path]()
        for i, path in enumerate(paths):
            try:
                texts.append(decode_text(path, path.read_bytes(), legacy))
            except CapasError as error:
                texts.append("")
                failed[i] = error
            except OSError as error:
                texts.append("")
                failed[i] = CapasError("unreadable", where=path, received=error.strerror or str(error))
        names = [relative_path(path, root) for path in paths]
        return TextCollection(texts, names, failed, [relative_path(path, root) for path in legacy])

    def single_line(self) -> "TextCollection":
        """Return the same texts with every run of white space as one space."""
        return TextCollection([" ".join(text.split()) for text in self.texts], self._names, self.failed, self.legacy)

    def __len__(self) -> int:
        return len(self.texts)

    def name(self, index: int) -> str:
        return self._names[index]

    def content_hash(self, index: int) -> str:
        return content_hash(self.texts[index].encode("utf-8", "backslashreplace"))

    def text(self, index: int) -> str:
        """Return one text."""
        return self.texts[index]


class SentenceCollection:
    """Sentences as sequences of words; or, as a target, the label of every word."""

    def __init__(self, sentences: Sequence[Sequence[str]], names: Sequence[str]) -> None:
        self.sentences = tuple(tuple(words) for words in sentences)
        self._names = tuple(names)

    def __len__(self) -> int:
        return len(self.sentences)

    def name(self, index: int) -> str:
        return self._names[index]

    def content_hash(self, index: int) -> str:
        return content_hash("\n".join(self.sentences[index]).encode("utf-8", "backslashreplace"))

    def text(self, index: int) -> str:
        """Return the words of one sentence, separated by spaces."""
        return " ".join(self.sentences[index])


class AudioFiles:
    """Audio files, decoded on demand."""

    def __init__(self, paths: Sequence[Path], root: Path) -> None:
        self.paths = tuple(paths)
        self.root = root

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return relative_path(self.paths[index], self.root)

    def content_hash(self, index: int) -> str:
        try:
            return content_hash(self.paths[index].read_bytes())
        except OSError as error:
            received = error.strerror or str(error)
            raise CapasError("sound_unreadable", where=self.paths[index], received=received) from error


def relative_path(path: Path, root: Path) -> str:
    """Return ``path`` relative to ``root`` where it lies below, else ``path`` itself."""
    return readable_name(path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path))


class TableRows:
    """The rows of a table; every column has the same number of cells."""

    def __init__(self, columns: Mapping[str, TableColumn], names: Sequence[str]) -> None:
        self.columns = dict(columns)
        self._names = tuple(names)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._names[index]

    def row(self, index: int) -> dict[str, Cell]:
        """Return the cells of one row by column."""
        return {name: cells[index] for name, cells in self.columns.items()}

    def take(self, indices: Sequence[int]) -> "TableRows":
        """Return these rows, in this order."""
        columns = {name: column.take(indices) for name, column in self.columns.items()}
        return TableRows(columns, [self._names[i] for i in indices])

    def content_hash(self, index: int) -> str:
        return _row_hash(self.row(index))

    def content_hashes(self) -> list[str]:
        """Return the content hashes of all rows; each different cell of a block is written out once."""
        if not self.columns:
            return [_row_hash({})] * len(self)
        hashes: list[str] = []
        for start in range(0, len(self), _HASHED_ROWS):
            rows = slice(start, start + _HASHED_ROWS)
            cells = [_cell_texts(name, column, rows) for name, column in self.columns.items()]
            hashes += [_text_hash(f"[{', '.join(row)}]") for row in zip(*cells, strict=True)]
        return hashes


def _row_hash(row: Mapping[str, Cell]) -> str:
    return _text_hash(repr(list(row.items())))


def _cell_texts(name: str, column: TableColumn, rows: slice) -> Iterator[str]:
    """The cells of some rows as they stand in the text that is hashed."""
    cells: Sequence[Cell]
    if isinstance(column, NumberColumn):
        codes, cells = column[rows].factorize()
    else:
        places, codes = np.unique(column.codes[rows], return_inverse=True)
        cells = [None if place < 0 else column.words[place] for place in places.tolist()]
    return map([repr((name, cell)) for cell in cells].__getitem__, codes.tolist())


def _text_hash(text: str) -> str:
    return content_hash(text.encode("utf-8", "backslashreplace"))
