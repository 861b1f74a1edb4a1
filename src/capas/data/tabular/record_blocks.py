"""The records of a delimited file, block by block, as columns of cells.

The csv module says what a record is. Most blocks of most files have no quote and the same number of cells in every
line: there it would only cut at the delimiters, which one call on the whole block does in a third of the time.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from capas.data.tabular.stray_quotes import swallowed_rows

_BLOCK_CHARACTERS: Final = 2**17  # their cells stay in the processor's cache
_LINE_END: Final = 10
_MIN_SWALLOWED: Final = 3  # lines that one row spans

Record = tuple[int, list[str]]  # the line on which it ends, and its cells


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordBlock:
    """Some records of a table.

    Attributes:
        columns: The cells by column, of the ``count`` records that are as long as the header.
        count: How many these are.
        ragged: The lines on which the others end.
    """

    columns: Sequence[Sequence[str]]
    count: int
    ragged: Sequence[int] = ()


class RecordBlocks:
    """Reads a stream of text, opened with ``newline=""``; records without a single sign are left out.

    Attributes:
        header: The first record; [] where there is none.
        line_num: The number of lines read so far.
        swallowed: Whether a quote that is never closed took in rows; the reading ended there.
    """

    def __init__(self, stream: io.TextIOBase, delimiter: str) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self.header: list[str] = []
        self.line_num = 0
        self.swallowed = False
        self._before = 0  # the line on which the last record ended

    def read(self) -> Iterator[RecordBlock]:
        """Yield the records behind the header. Raises csv.Error on line ``line_num``."""
        while not self.swallowed and (chunk := self._chunk()):
            columns = self._plain_columns(chunk) if self.header else None
            if columns is not None:
                self.line_num += len(columns[0])
                self._before = self.line_num
                yield RecordBlock(columns=columns, count=len(columns[0]))
                continue
            records = [record for record in self._records(chunk) if any(map(str.strip, record[1]))]
            if records and not self.header:
                self.header = records.pop(0)[1]
            yield block_of_records(self._until_swallowed(records), len(self.header))

    def _chunk(self) -> str:
        """The next whole lines."""
        chunk = self._stream.read(_BLOCK_CHARACTERS)
        return chunk + self._stream.readline() if chunk else ""

    def _plain_columns(self, chunk: str) -> list[list[str]] | None:
        """The columns of lines of one length without quotes; None for others."""
        text = chunk.replace("\r\n", "\n")
        if '"' in text or "\r" in text:
            return None
        text = text if text.endswith("\n") else f"{text}\n"
        width = len(self.header)
        signs = np.frombuffer(text.encode(), dtype=np.uint8)
        ends = signs[(signs == ord(self._delimiter)) | (signs == _LINE_END)]  # of the cells
        last = ends[width - 1 :: width]  # of the lines, where all have as many cells
        if len(ends) % width or np.count_nonzero(ends == _LINE_END) != len(last) or not (last == _LINE_END).all():
            return None
        cells = text.replace("\n", self._delimiter).split(self._delimiter)
        cells.pop()
        columns = [cells[i::width] for i in range(width)]
        if all(map(str.strip, columns[0])):
            return columns
        blank = [row for row, cell in enumerate(columns[0]) if not cell.strip()]
        return None if any(not any(column[row].strip() for column in columns) for row in blank) else columns

    def _records(self, chunk: str) -> Iterator[Record]:
        """The records that begin in ``chunk``, the last with those of the following lines that a quote takes in."""
        before, fresh = self.line_num, True

        def lines() -> Iterator[str]:
            nonlocal fresh
            text = chunk
            while text:
                for line in io.StringIO(text, newline=""):
                    fresh = False
                    yield line
                text = "" if fresh else self._chunk()

        reader = csv.reader(lines(), delimiter=self._delimiter)
        try:
            while (row := next(reader, None)) is not None:
                yield before + reader.line_num, row
                fresh = True
        finally:
            self.line_num = before + reader.line_num

    def _until_swallowed(self, records: list[Record]) -> list[Record]:
        """The records before the first that took in others, which is noted in ``swallowed``."""
        place = first_swallowing(records, self._delimiter, len(self.header), self._before)
        self.swallowed = place is not None
        self._before = records[-1][0] if records else self._before
        return records[:place]


def first_swallowing(records: Sequence[Record], delimiter: str, width: int, before: int = 0) -> int | None:
    """Return the place of the first record that took in rows of ``width`` cells, None where none did.

    ``before`` is the line on which the record before these ended.
    """
    for place, (line, cells) in enumerate(records):
        if line - before > _MIN_SWALLOWED and swallowed_rows(cells, delimiter, width):
            return place
        before = line
    return None


def block_of_records(records: Sequence[Record], width: int) -> RecordBlock:
    """Return the block of these records under a header of ``width`` cells.

    >>> block_of_records([(2, ["a", "1"]), (3, ["b"])], 2)
    RecordBlock(columns=[('a',), ('1',)], count=1, ragged=[3])
    """
    whole = [cells for _, cells in records if len(cells) == width]
    ragged = [line for line, cells in records if len(cells) != width]
    return RecordBlock(columns=list(zip(*whole, strict=True)), count=len(whole), ragged=ragged)
