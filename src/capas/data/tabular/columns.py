"""Columns of a table as arrays: float64 numbers, or int32 codes into the different texts.

A column is a sequence of plain ``float``, ``str`` and ``None`` cells to whoever indexes or iterates it; whoever has
many rows works on the arrays, or on each different cell once (``factorize``, ``map_cells``).
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, repeat
from pathlib import Path
from typing import Final, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from capas.data.problems import Problem
from capas.data.tabular.packed_texts import PackedTexts, TextPacker

# 1024 rows of cells stay in the processor's cache; blocks of 8192 take three times as long.
BLOCK_ROWS: Final = 1024
MAX_UNPACKED: Final = 2**16  # different texts of a column that are kept as Python strings
MAX_WHOLE: Final = 2**53  # beyond it, float64 no longer holds every integer
Cell = str | float | None
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NumberColumn(Sequence[Cell]):
    """A column of numbers.

    Attributes:
        values: The numbers, float64 of shape (N,); NaN where a cell is missing.
    """

    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> float | None: ...
    @overload
    def __getitem__(self, index: slice) -> "NumberColumn": ...
    def __getitem__(self, index: int | slice) -> "float | NumberColumn | None":
        if isinstance(index, slice):
            return NumberColumn(values=self.values[index])
        value = self.values.item(index)
        return value if value == value else None

    def __iter__(self) -> Iterator[float | None]:
        for start in range(0, len(self), BLOCK_ROWS):
            yield from [v if v == v else None for v in self.values[start : start + BLOCK_ROWS].tolist()]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Whether each cell is missing, shape (N,)."""
        return np.isnan(self.values)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "NumberColumn":
        """Return the column of these rows, in this order."""
        return NumberColumn(values=self.values[np.asarray(rows, dtype=np.int64)])

    def factorize(self) -> tuple[NDArray[np.int64], tuple[float | None, ...]]:
        """Return codes of shape (N,) and the different cells: ``cells[codes[i]]`` is cell i."""
        # By their bits, not by value: 0.0 and -0.0 are different cells, and all NaN are one.
        bits, codes = np.unique(np.ascontiguousarray(self.values).view(np.int64), return_inverse=True)
        cells = tuple(v if v == v else None for v in bits.view(np.float64).tolist())
        return codes.astype(np.int64), cells

    @property
    def distinct(self) -> int:
        """The number of different numbers."""
        ordered = np.sort(self.values[~self.missing])
        return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(len(ordered))

    def value_counts(self) -> dict[float, int]:
        """Return how often each number occurs, in the order in which they first occur."""
        numbers, first, counts = np.unique(self.values[~self.missing], return_index=True, return_counts=True)
        order = np.argsort(first)
        return dict(zip(numbers[order].tolist(), counts[order].tolist(), strict=True))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TextColumn(Sequence[Cell]):
    """A column of texts.

    Attributes:
        codes: Place of each cell in ``words``, int32 of shape (N,); -1 where a cell is missing.
        words: The different texts, in the order in which they first occur. Every one occurs.
    """

    codes: NDArray[np.int32]
    words: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, index: int) -> str | None: ...
    @overload
    def __getitem__(self, index: slice) -> "TextColumn": ...
    def __getitem__(self, index: int | slice) -> "str | TextColumn | None":
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        code = self.codes.item(index)
        return None if code < 0 else self.words[code]

    def __iter__(self) -> Iterator[str | None]:
        words = self.words
        for start in range(0, len(self), BLOCK_ROWS):
            yield from [None if code < 0 else words[code] for code in self.codes[start : start + BLOCK_ROWS].tolist()]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Whether each cell is missing, shape (N,)."""
        return self.codes < 0

    @property
    def distinct(self) -> int:
        """The number of different texts."""
        return len(self.words)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "TextColumn":
        """Return the column of these rows, in this order, with the words that occur in them."""
        codes = self.codes[np.asarray(rows, dtype=np.int64)]
        first = np.full(len(self.words) + 1, len(codes))  # the last is that of the missing cells
        first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several values for one place the last one stays
        order = np.argsort(first[:-1], kind="stable")[: np.count_nonzero(first[:-1] < len(codes))]
        places = np.full(len(first), -1, dtype=np.int32)
        places[order] = np.arange(len(order))
        if isinstance(self.words, PackedTexts):
            return TextColumn(codes=places[codes], words=self.words.take(order))
        return TextColumn(codes=places[codes], words=tuple(map(self.words.__getitem__, order.tolist())))

    def factorize(self) -> tuple[NDArray[np.int64], Sequence[str | None]]:
        """Return codes of shape (N,) and the different cells: ``cells[codes[i]]`` is cell i."""
        codes = self.codes.astype(np.int64)
        if not self.missing.any():
            return codes, self.words
        return np.where(self.missing, len(self.words), codes), (*self.words, None)

    def value_counts(self) -> dict[str, int]:
        """Return how often each text occurs, in the order in which they first occur."""
        return dict(zip(self.words, self.word_counts().tolist(), strict=True))

    def any_contains(self, sign: str) -> bool:
        """Return whether a text contains ``sign``."""
        if isinstance(self.words, PackedTexts) and not self.words.any_contains(sign):
            return False
        return any(sign in word for word in self.words)

    def word_counts(self) -> NDArray[np.int64]:
        """Return how often each of ``words`` occurs, without making a dictionary of them."""
        return np.bincount(self.codes[~self.missing], minlength=len(self.words))


TableColumn = NumberColumn | TextColumn


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table as its file has it.

    Attributes:
        path: The file.
        columns: The columns by name, in the file's order.
        rows: The number of cells in each column.
        problems: What was skipped while reading.
        units: The units of the columns whose cells state one.
    """

    path: Path
    columns: Mapping[str, TableColumn]
    rows: int
    problems: tuple[Problem, ...]
    units: Mapping[str, str] = field(default_factory=dict)


class TextColumnBuilder:
    """Makes a ``TextColumn`` of texts that come in blocks, holding each different text once.

    The texts of a long column in which most are different are packed: as Python strings in a dictionary they would
    take five times their length.

    Args:
        strip: White space around a text does not count.
    """

    def __init__(self, *, strip: bool = False) -> None:
        self._strip = strip
        self._codes = array("i")  # grows in place, where arrays of single blocks would leave holes in the memory
        # Not ``self._places.__len__``, which would tie the dictionary to itself until the garbage is collected.
        self._places: defaultdict[str, int] = defaultdict(count().__next__)
        self._packer: TextPacker | None = None  # the different texts so far, then every further one

    def add(self, texts: Sequence[str]) -> None:
        """Add the texts of further rows."""
        if self._packer is not None:
            self._packer.add([text.strip() for text in texts] if self._strip else texts)
            return
        self._codes.extend(map(self._places.__getitem__, texts))
        if len(self._places) > MAX_UNPACKED and 2 * len(self._places) > len(self._codes):
            self._packer = TextPacker()
            self._packer.add([word.strip() for word in self._places] if self._strip else list(self._places))
            self._places.clear()

    def column(self) -> TextColumn:
        """Return the column; "" is missing."""
        codes = np.frombuffer(self._codes, dtype=np.int32)
        if self._packer is not None:
            return _packed_column(codes, self._packer)
        words = list(self._places)
        stripped = [word.strip() for word in words] if self._strip else words
        if "" not in self._places and stripped == words:
            return TextColumn(codes=codes, words=tuple(words))
        places = {"": -1}
        merged = np.array([places.setdefault(word, len(places) - 1) for word in stripped], dtype=np.int32)
        del places[""]
        return TextColumn(codes=merged[codes], words=tuple(places))


def _packed_column(first_codes: NDArray[np.int32], packer: TextPacker) -> TextColumn:
    """The column of cells that are codes into the first texts of ``packer``, followed by its other texts."""
    places, first = packer.distinct()
    texts = packer.all_texts()
    kept = first[texts.byte_lengths[first] > 0]
    ranks = np.full(len(texts), -1, dtype=np.int32)
    ranks[kept] = np.arange(len(kept))
    codes = ranks[places]
    known = int(first_codes.max(initial=-1)) + 1
    return TextColumn(codes=np.concatenate([codes[:known][first_codes], codes[known:]]), words=texts.take(kept))


def column_from_cells(cells: Iterable[Cell]) -> TableColumn:
    """Return the column of these cells: numbers where one of them is a number, else texts.

    Raises:
        ValueError: There are numbers and texts among them.

    >>> column_from_cells(["a", None, "b", "a"]).codes.tolist()
    [0, -1, 1, 0]
    """
    held = list(cells)
    texts = ["" if cell is None else cell for cell in held if not isinstance(cell, float)]
    if len(texts) == len(held):
        builder = TextColumnBuilder()
        builder.add(texts)
        return builder.column()
    if any(texts):
        raise ValueError("numbers and texts in one column")
    return NumberColumn(values=np.array([np.nan if cell is None else cell for cell in held], dtype=np.float64))


def map_cells(column: TableColumn, read: Callable[[Cell], T]) -> list[T]:
    """Return ``read(cell)`` for every cell; each different cell is read once.

    >>> map_cells(column_from_cells([1.0, None, 1.0]), str)
    ['1.0', 'None', '1.0']
    """
    codes, cells = column.factorize()
    return list(map([read(cell) for cell in cells].__getitem__, codes.tolist()))


def iterate_rows(columns: Mapping[str, TableColumn], rows: int) -> Iterator[dict[str, Cell]]:
    """Yield each of the ``rows`` as its cells by column name."""
    cells: Iterable[tuple[Cell, ...]] = zip(*columns.values(), strict=True) if columns else repeat((), rows)
    for row in cells:
        yield dict(zip(columns, row, strict=True))
