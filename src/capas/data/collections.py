"""Numbered collections of what is given or wanted besides pictures: texts, sentences, sounds, the rows of a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.data.tabular.io import Cell, decode_text


@runtime_checkable
class ExampleCollection(Protocol):
    """What every collection can say of its examples."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """How the user finds the example: a path relative to the data, or ``table.csv:17``."""

    def content_hash(self, index: int) -> str:
        """Equal for equal contents. Raises CapasError when it cannot be read."""


class TextCollection:
    """Texts in memory; ``names`` say where each comes from, ``failed`` which could not be read, and why."""

    def __init__(
        self, texts: Sequence[str], names: Sequence[str], failed: Mapping[int, CapasError] | None = None
    ) -> None:
        if len(texts) != len(names):
            raise ValueError(f"{len(texts)} texts, {len(names)} names")
        self.texts = tuple(texts)
        self.failed = dict(failed or {})
        self._names = tuple(names)

    @staticmethod
    def from_files(paths: Sequence[Path], root: Path) -> "TextCollection":
        """The content of text files in UTF-8; one that cannot be read is empty and ``failed``."""
        texts, failed = [], {}
        for i, path in enumerate(paths):
            try:
                texts.append(decode_text(path, path.read_bytes()))
            except CapasError as error:
                texts.append("")
                failed[i] = error
            except OSError as error:
                texts.append("")
                failed[i] = CapasError("unreadable", where=path, received=error.strerror or str(error))
        return TextCollection(texts, [path.relative_to(root).as_posix() for path in paths], failed)

    def single_line(self) -> "TextCollection":
        """The same with every run of blanks and line ends as one blank."""
        return TextCollection([" ".join(text.split()) for text in self.texts], self._names, self.failed)

    def __len__(self) -> int:
        return len(self.texts)

    def name(self, index: int) -> str:
        return self._names[index]

    def content_hash(self, index: int) -> str:
        return content_hash(self.texts[index].encode("utf-8", "backslashreplace"))


class SentenceCollection:
    """Sentences as words; or, as a target, the label of every word."""

    def __init__(self, sentences: Sequence[Sequence[str]], names: Sequence[str]) -> None:
        self.sentences = tuple(tuple(words) for words in sentences)
        self._names = tuple(names)

    def __len__(self) -> int:
        return len(self.sentences)

    def name(self, index: int) -> str:
        return self._names[index]

    def content_hash(self, index: int) -> str:
        return content_hash("\n".join(self.sentences[index]).encode("utf-8", "backslashreplace"))


class AudioFiles:
    """Sound files; they are decoded when asked for."""

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
    """``path`` relative to ``root`` where it lies below."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


class TableRows:
    """A table's rows: the same number of cells in every column."""

    def __init__(self, columns: Mapping[str, Sequence[Cell]], names: Sequence[str]) -> None:
        self.columns = {name: tuple(cells) for name, cells in columns.items()}
        self._names = tuple(names)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._names[index]

    def row(self, index: int) -> dict[str, Cell]:
        """The cells of one row by column."""
        return {name: cells[index] for name, cells in self.columns.items()}

    def content_hash(self, index: int) -> str:
        return content_hash(repr(list(self.row(index).items())).encode("utf-8", "backslashreplace"))
