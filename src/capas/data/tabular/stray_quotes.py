"""Records of a delimited file in which quotes that are never closed would swallow the rows behind them.

A cell that begins with a quote goes on to the next one, over line ends. Where the lines inside such a cell are
themselves rows of the table, the quote is a character of the text, and its line is a row of its own.
"""

import csv
from collections.abc import Iterator, Sequence
from typing import Final

_MIN_ROW_SHARE: Final = 0.9
_MIN_LINES: Final = 3


def swallowed_rows(row: Sequence[str], delimiter: str, width: int) -> bool:
    """Return whether a cell of ``row`` holds lines that are rows of ``width`` cells themselves.

    >>> swallowed_rows(["a", "b\\t1\\nc\\t1\\nd\\t2\\ne\\t2\\n"], "\\t", 2)
    True
    >>> swallowed_rows(["a", "two\\nlines\\nor three\\n or four"], "\\t", 2)
    False
    """
    return width > 1 and any(
        cell.count("\n") >= _MIN_LINES and _are_rows(cell.split("\n")[1:-1], delimiter, width) for cell in row
    )


def _are_rows(lines: Sequence[str], delimiter: str, width: int) -> bool:
    filled = [line for line in lines if line.strip().strip(delimiter)]
    fitting = sum(line.count(delimiter) == width - 1 for line in filled)
    return len(filled) > 1 and fitting >= _MIN_ROW_SHARE * len(filled)


def records_with_stray_quotes(text: str, delimiter: str) -> Iterator[tuple[int, list[str], bool]]:
    """Yield line number, cells, and whether it has a stray quote, for every record of ``text``; lines end in LF."""
    lines = [f"{line}\n" for line in text.split("\n")]
    width = len(next(csv.reader(lines, delimiter=delimiter), []))
    place = 0
    while place < len(lines):
        reader = csv.reader(lines[place : place + 1], delimiter=delimiter)
        row, used, stray = next(reader, []), 1, False
        if row and "\n" in row[-1]:  # the quote of the last cell is still open
            row, used = _longer_record(lines, place, delimiter)
            stray = used == len(lines) - place or swallowed_rows(row, delimiter, width)
            if stray:
                bare = csv.reader(lines[place : place + 1], delimiter=delimiter, quoting=csv.QUOTE_NONE)
                row, used = next(bare), 1
        place += used
        yield place, row, stray


def _longer_record(lines: Sequence[str], place: int, delimiter: str) -> tuple[list[str], int]:
    """The record that begins on a line and goes on behind it, and the number of its lines."""
    reader = csv.reader((lines[i] for i in range(place, len(lines))), delimiter=delimiter)
    return next(reader), reader.line_num
