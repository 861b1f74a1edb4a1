"""Indexed collections of inputs or targets other than images: texts, sentences, audio files, table rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, Protocol, TypeVar, overload, runtime_checkable

from capas.core.errors import CapasError
from capas.core.files import content_hash, read_regular
from capas.data.naming import readable_name
from capas.data.tabular.columns import Cell, TableColumn
from capas.data.tabular.io import decode_text

T = TypeVar("T")
_BLOCK: Final = 4096


@runtime_checkable
class ExampleCollection(Protocol):
    """What every collection provides for its examples."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Return how the user finds the example: a path relative to the data, or ``table.csv:17``."""

    def content_hash(self, index: int) -> str:
        """Return a hash, equal for equal contents. Raises CapasError when the example cannot be read."""


class LazySequence(Sequence[T]):
    """A sequence whose items are made when they are asked for: ``item(index)`` for each of ``indices``.

    >>> LazySequence(lambda row: f"#{row + 1}", range(1_000_000))[7]
    '#8'
    """

    def __init__(self, item: Callable[[int], T], indices: Sequence[int]) -> None:
        self._item = item
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "LazySequence[T]": ...
    def __getitem__(self, index: int | slice) -> "T | LazySequence[T]":
        if isinstance(index, slice):
            return LazySequence(self._item, self._indices[index])
        return self._item(self._indices[index])

    def __iter__(self) -> Iterator[T]:
        return map(self._item, self._indices)


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
                texts.append(decode_text(path, read_regular(path), legacy))
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
            return content_hash(read_regular(self.paths[index]))
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
        self._names = names

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
        """Return the content hashes of all rows; each different cell is written out once."""
        if not self.columns:
            return [_row_hash({})] * len(self)
        columns = [chain.from_iterable(_cell_texts(name, column)) for name, column in self.columns.items()]
        return [
            content_hash(f"[{', '.join(row)}]".encode("utf-8", "backslashreplace"))
            for row in zip(*columns, strict=True)
        ]


class FilesWithColumns:
    """Files of one medium, each with the cells of its row in a table.

    ``content_hash`` is the file's own: a picture is the same picture, whatever stands beside it. A file that several
    rows name is called by its number too.

    Args:
        files: The files.
        rows: As many rows.
    """

    def __init__(self, files: ExampleCollection, rows: TableRows) -> None:
        if len(files) != len(rows):
            raise ValueError(f"{len(files)} files, {len(rows)} rows")
        self.files = files
        self.rows = rows
        counts = Counter(map(files.name, range(len(files))))
        self._repeated = {name for name, count in counts.items() if count > 1}

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        name = self.files.name(index)
        return f"{name} {self.rows.name(index)}" if name in self._repeated else name

    def content_hash(self, index: int) -> str:
        return self.files.content_hash(index)

    def cells_hash(self, indices: Sequence[int]) -> str:
        """Return one hash of the cells of these rows, in this order."""
        return content_hash("".join(self.rows.take(indices).content_hashes()).encode())


def _row_hash(row: Mapping[str, Cell]) -> str:
    return content_hash(repr(list(row.items())).encode("utf-8", "backslashreplace"))


def _cell_texts(name: str, column: TableColumn) -> Iterator[Iterable[str]]:
    """The cells of a column as they stand in the text that is hashed, block by block."""
    prefix = f"({name!r}, "
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(column), _BLOCK)]
    if 2 * column[:_BLOCK].distinct > len(column[:_BLOCK]):
        # Written out as they come: holding as many texts as there are rows would take more memory.
        for rows in blocks:
            yield [f"{prefix}{cell!r})" for cell in column[rows]]
        return
    codes, cells = column.factorize()
    texts = [f"{prefix}{cell!r})" for cell in cells]
    for rows in blocks:
        yield map(texts.__getitem__, codes[rows].tolist())
