"""Type inference of text columns, block by block, so that their cells need not be kept.

A column is numeric only when every value in it is; comma decimals count when all of them parse. Codes such as 007 and
integers beyond 2**53 stay text, because as numbers they would not round-trip.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, islice, pairwise
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from capas.data.tabular.columns import BLOCK_ROWS, MAX_WHOLE, NumberColumn, TableColumn, TextColumnBuilder
from capas.data.tabular.number_notation import DecimalSign

_MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none"})
_NUMBER_SIGNS: Final = b"0123456789.+-eE\n"
# These two are matched against a block of cells, each behind a line end.
_LEADING_ZERO: Final = re.compile(r"\n[+-]?0\d", re.ASCII)
_COMMA_NUMBERS: Final = re.compile(r"(?:\n[+-]?\d+(?:,\d+)?)+", re.ASCII)
_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_GROUPED_BY_POINT: Final = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})*|[+-]?0", re.ASCII)


class ColumnBuilder:
    """Makes a column of the cells of a text file: of numbers if all are, of comma decimals if all are, else of texts.

    A block that does not parse in one way is left to the next, along with the blocks before it.
    """

    def __init__(self) -> None:
        self._parsers: Iterator[_Parser] = iter((_Numbers(), _CommaNumbers(), _Texts()))
        self._parser = next(self._parsers)

    def add(self, cells: Sequence[str]) -> None:
        """Add the cells of further rows."""
        while not self._parser.add(cells):
            self._advance()

    @property
    def decimal_sign(self) -> DecimalSign | None:
        """What stands before decimals in the cells so far; None where no cell tells."""
        if isinstance(self._parser, _CommaNumbers):
            return "," if self._parser.any_decimal else None
        return "." if isinstance(self._parser, _Numbers) and self._parser.any_decimal else None

    @property
    def points_may_group(self) -> bool:
        """Whether every point in numbers of this column could separate thousands."""
        if not isinstance(self._parser, _Numbers) or isinstance(self._parser, _CommaNumbers):
            return True
        return not self._parser.any_decimal or self._parser.grouped_column() is not None

    def column(self, *, points_group: bool = False) -> TableColumn:
        """Return the column; where ``points_group``, numbers of which every point could separate thousands are read
        so."""
        if points_group and isinstance(self._parser, _Numbers) and not isinstance(self._parser, _CommaNumbers):
            return self._parser.grouped_column() or self._parser.column() or self._rest()
        return self._rest()

    def _rest(self) -> TableColumn:
        while (column := self._parser.column()) is None:
            self._advance()
        return column

    def _advance(self) -> None:
        """Go on to the next parser that understands all blocks so far."""
        before = self._parser
        for parser in self._parsers:
            self._parser = parser
            if all(map(parser.add, before)):
                return


class _Parser(Protocol):
    """One way to parse a column; iterated, it gives back the blocks that were added."""

    def add(self, cells: Sequence[str]) -> bool:
        """Parse and keep a block; False where it does not parse."""

    def column(self) -> TableColumn | None:
        """Return the column; None where the blocks, taken together, are no such column."""

    def __iter__(self) -> Iterator[Sequence[str]]: ...


class _Numbers:
    """Numbers, and words for missing ones among them."""

    def __init__(self) -> None:
        # Both grow in place, where arrays and strings of single blocks would leave holes in the memory.
        self._values = array("d")
        self._text = bytearray()  # the cells as they were, a byte a character, blocks of cells between line ends
        self._block_ends: list[int] = []
        self._missing: set[str] = set()  # as they are spelled in this column
        self._any_present = False
        self.any_decimal = False

    def add(self, cells: Sequence[str]) -> bool:
        if self._add(cells):
            return True
        # White space around numbers, a new spelling of "missing", or no numbers: few blocks come here.
        stripped = [cell.strip() for cell in cells]
        self._missing.update(cell for cell in set(stripped) if cell.casefold() in _MISSING)
        return self._add(stripped)

    def _add(self, cells: Sequence[str]) -> bool:
        there = [cell not in self._missing for cell in cells] if self._missing else [True] * len(cells)
        present = list(compress(cells, there)) if self._missing else cells
        numbers = self._parse(present) if present else np.empty(0)
        if numbers is None:
            return False
        values = numbers
        if len(present) < len(cells):
            values = np.full(len(cells), np.nan)
            values[there] = numbers
        self._values.frombytes(values.tobytes())
        self._text += "\n".join(cells).encode()  # neither a number nor a word for "missing" has a line end
        self._block_ends.append(len(self._text))
        self._any_present = self._any_present or bool(present)
        return True

    def _parse(self, cells: Sequence[str]) -> NDArray[np.float64] | None:
        """Return the numbers; None where one is none or would not round-trip."""
        text = "\n" + "\n".join(cells)
        # float() also takes spaces, "1_000", "inf" and Arabic digits; of these signs alone it takes decimals only.
        if not text.isascii() or text.encode().translate(None, _NUMBER_SIGNS) or _LEADING_ZERO.search(text):
            return None
        if text.count("\n") != len(cells):  # a cell of several lines
            return None
        try:
            numbers = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
        except ValueError:
            return None
        self.any_decimal = self.any_decimal or "." in text
        return numbers if numbers.min() > -MAX_WHOLE and numbers.max() < MAX_WHOLE else None

    def column(self) -> TableColumn | None:
        if not self._any_present:
            return None
        self._text.clear()
        return NumberColumn(values=np.frombuffer(self._values))

    def grouped_column(self) -> TableColumn | None:
        """Return the numbers without their points; None where there is none, or where one does not separate
        thousands."""
        cells = [cell for block in self for cell in block]
        present = [cell for cell in cells if cell not in self._missing]
        if not any("." in cell for cell in present) or not all(map(_GROUPED_BY_POINT.fullmatch, present)):
            return None
        numbers = [np.nan if cell in self._missing else float(cell.replace(".", "")) for cell in cells]
        return NumberColumn(values=np.array(numbers))

    def __iter__(self) -> Iterator[Sequence[str]]:
        return (self._text[start:end].decode().split("\n") for start, end in pairwise([0, *self._block_ends]))


class _CommaNumbers(_Numbers):
    """Numbers with decimal commas. "1,234" throughout could as well be thousands and is no such column."""

    def _parse(self, cells: Sequence[str]) -> NDArray[np.float64] | None:
        text = "\n" + "\n".join(cells)
        if not _COMMA_NUMBERS.fullmatch(text) or _LEADING_ZERO.search(text) or text.count("\n") != len(cells):
            return None
        self.any_decimal = self.any_decimal or not all(_GROUPED.fullmatch(c) for c in cells if "," in c)
        return np.array([float(cell.replace(",", ".")) for cell in cells])

    def column(self) -> TableColumn | None:
        return super().column() if self.any_decimal else None


class _Texts:
    """Texts, which parse always; only an empty cell is missing: "NA" may be Namibia."""

    def __init__(self) -> None:
        self._builder = TextColumnBuilder(strip=True)

    def add(self, cells: Sequence[str]) -> bool:
        self._builder.add(cells)
        return True

    def column(self) -> TableColumn:
        return self._builder.column()

    def __iter__(self) -> Iterator[Sequence[str]]:
        raise NotImplementedError("no parser comes after this one")


def parse_column(texts: Iterable[str]) -> TableColumn:
    """Return numbers where every value that is not missing is one, else texts; None where a value is missing.

    >>> list(parse_column(["1", "2.5", ""]))
    [1.0, 2.5, None]
    >>> list(parse_column(["007", "012"]))
    ['007', '012']
    """
    builder, cells = ColumnBuilder(), iter(texts)
    while block := list(islice(cells, BLOCK_ROWS)):
        builder.add(block)
    return builder.column()
