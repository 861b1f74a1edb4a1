"""Segment files, as annotation programs write them.

- Audacity's labels (``.txt``): start TAB end TAB label, in seconds; lines that begin with a backslash hold frequencies.
- CSV: a header line with start, end and label (or inicio, fin, etiqueta), in seconds.
- RTTM (NIST, "Rich Transcription" evaluations, 2009): ``SPEAKER file channel onset duration <NA> <NA> name <NA> <NA>``.
- Praat's TextGrid, long and short: the first tier of intervals; intervals without text are no segments.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import read_regular
from capas.data.audio.segments import Segment
from capas.data.naming import normalise_name
from capas.data.sources.rttm import parse_rttm_turn
from capas.data.tabular.io import decode_text, detect_delimiter

START_COLUMNS: Final = ("start", "start_s", "begin", "onset", "inicio", "desde")
END_COLUMNS: Final = ("end", "end_s", "stop", "offset", "fin", "final", "hasta")
LABEL_COLUMNS: Final = (
    "label",
    "class",
    "event",
    "event_label",
    "speaker",
    "etiqueta",
    "clase",
    "evento",
    "hablante",
    "voz",
)
SUFFIXES: Final = (".txt", ".csv", ".tsv", ".rttm", ".textgrid")
_TOKEN: Final = re.compile(r'"((?:[^"]|"")*)"|<(?:exists|absent)>|[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?')
_INDEX: Final = re.compile(r'("(?:[^"]|"")*")|\[\s*\d*\s*\]')
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentRow:
    """One row of a segment file.

    Attributes:
        line: Line number, from 1.
        segment: The segment; None where the row cannot be parsed.
        reversed_times: Whether only the end is wrong, not behind the start.
    """

    line: int
    segment: Segment | None
    reversed_times: bool = False


def read_segment_rows(path: Path) -> list[SegmentRow]:
    """Read the rows of a segment file, by its suffix.

    Raises:
        CapasError: ``table_encoding``, ``table_broken``, ``unreadable``, or ``segments_unreadable`` where no row of
            several can be parsed.
    """
    read = _READERS[path.suffix.casefold()]
    rows = list(read(path, _decoded(path)))
    if rows and not any(row.segment is not None or row.reversed_times for row in rows):
        raise CapasError("segments_unreadable", where=f"{path}:{rows[0].line}", received=len(rows))
    return rows


def is_audacity_line(line: str) -> bool:
    r"""Return whether a line is number, tab, number, and optionally tab and label.

    >>> is_audacity_line("0,50\t1.25\tdog"), is_audacity_line("Two dogs barked")
    (True, False)
    """
    parts = line.split("\t")
    return len(parts) > 1 and all(parse_seconds(part) is not None for part in parts[:2])


def segment_columns(header: Sequence[str]) -> tuple[str, str, str] | None:
    """Return the columns of start, end and label in a header; None where one is missing."""
    by_name = {normalise_name(name): name for name in reversed(header)}
    chosen = [
        next((by_name[n] for n in names if n in by_name), None) for names in (START_COLUMNS, END_COLUMNS, LABEL_COLUMNS)
    ]
    first, second, third = chosen
    return None if first is None or second is None or third is None else (first, second, third)


def segment_row(line: int, start: float | None, end: float | None, label: str) -> SegmentRow:
    """Return a row from its cells: times in seconds, None where there was no number."""
    label = " ".join(label.split())
    if start is None or end is None or not label or start < 0:
        return SegmentRow(line=line, segment=None)
    if end <= start:
        return SegmentRow(line=line, segment=None, reversed_times=True)
    return SegmentRow(line=line, segment=Segment(start_s=start, end_s=end, label=label))


def parse_seconds(text: str) -> float | None:
    """Parse a finite number with a decimal point or comma.

    >>> parse_seconds("1,5"), parse_seconds("inf"), parse_seconds("1:05")
    (1.5, None, None)
    """
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _decoded(path: Path) -> str:
    try:
        data = read_regular(path)
    except OSError as error:
        raise CapasError("unreadable", where=path, received=error.strerror or str(error)) from error
    if path.suffix.casefold() == ".textgrid" and data.startswith(_UTF16):  # as Praat writes what is not ASCII
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise CapasError("segments_unreadable", where=path, received=1) from error
    return decode_text(path, data)


def _audacity(path: Path, text: str) -> Iterator[SegmentRow]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("\\"):
            parts = [*line.rstrip("\r").split("\t", 2), "", ""]
            yield segment_row(number, parse_seconds(parts[0]), parse_seconds(parts[1]), parts[2])


def _table(path: Path, text: str) -> Iterator[SegmentRow]:
    if not text.strip():
        return
    delimiter = "\t" if path.suffix.casefold() == ".tsv" else detect_delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [name.strip() for name in next(reader)]
    columns = segment_columns(header)
    if columns is None:
        raise CapasError("segments_unreadable", where=f"{path}:1", received=1)
    places = [header.index(name) for name in columns]
    for cells in reader:
        if any(cell.strip() for cell in cells):
            start, end, label = (cells[place] if place < len(cells) else "" for place in places)
            yield segment_row(reader.line_num, parse_seconds(start), parse_seconds(end), label)


def _rttm(path: Path, text: str) -> Iterator[SegmentRow]:
    for number, line in enumerate(text.split("\n"), 1):
        parts = line.split()
        if not parts or parts[0].startswith(";") or (parts[0] != "SPEAKER" and parts[0].isupper()):
            continue
        turn = parse_rttm_turn(line)
        onset, duration = (None, None) if turn is None else map(parse_seconds, (turn.onset, turn.duration))
        end = None if onset is None or duration is None else round(onset + duration, 6)
        yield segment_row(number, onset, end, "" if turn is None else turn.speaker)


def _textgrid(path: Path, text: str) -> Iterator[SegmentRow]:
    """Both forms hold the same values in the same order; the long one has names and numbers in brackets besides."""
    bare = _INDEX.sub(lambda match: match.group(1) or "", text)
    tokens = [(match.group(1), match.group(0), match.start()) for match in _TOKEN.finditer(bare)]
    first = next((i for i, (word, _, _) in enumerate(tokens) if word == "IntervalTier"), None)
    if first is None:
        if text.strip():
            raise CapasError("segments_unreadable", where=path, received=1)
        return
    values = tokens[first + 2 :]  # behind its name: xmin, xmax, number of intervals, then three values for each
    count = int(parse_seconds(values[2][1]) or 0) if len(values) > 2 else 0
    for place in range(3, min(3 + 3 * count, len(values) - 2), 3):
        start, end, label = values[place : place + 3]
        if (label[0] or "").strip():
            line = bare.count("\n", 0, start[2]) + 1
            yield segment_row(line, parse_seconds(start[1]), parse_seconds(end[1]), (label[0] or "").replace('""', '"'))


_READERS: Final[Mapping[str, Callable[[Path, str], Iterator[SegmentRow]]]] = {
    ".txt": _audacity, ".csv": _table, ".tsv": _table, ".rttm": _rttm, ".textgrid": _textgrid,
}  # fmt: skip
