"""Speaker turns in NIST's RTTM, and scored regions in its UEM.

RTTM: ``SPEAKER file channel start duration <NA> <NA> name <NA> <NA>``, where file and
name may hold blanks; UEM: ``file channel start end``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from capas.core.errors import CapasError
from capas.data.sources.rttm import parse_rttm_turn
from capas.evaluation.table_files import parse_number, parse_span, read_text_lines

Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """``speaker`` speaks from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float
    speaker: str
    where: str


def read_rttm(path: Path) -> dict[str, list[Turn]]:
    """Return the turns of every file, in order, without those of no duration; lines of other types are skipped.

    Raises:
        CapasError: ``score_fields``, ``score_number``, ``score_backwards`` or ``score_empty``.
    """
    found: dict[str, list[Turn]] = {}
    for line in read_text_lines(path):
        if line.words[0] != "SPEAKER":
            if line.words[0].isupper() or line.words[0].replace("-", "").isupper():
                continue
            raise CapasError("score_fields", where=line.where, received=line.words[0], wanted="SPEAKER …")
        turn = parse_rttm_turn(" ".join(line.words))
        if turn is None:
            wanted = "SPEAKER file channel start duration <NA> <NA> name <NA> <NA>"
            raise CapasError("score_fields", where=line.where, received=" ".join(line.words), wanted=wanted)
        start, length = parse_number(turn.onset, line.where), parse_number(turn.duration, line.where)
        if length < 0 or start < 0:
            raise CapasError("score_backwards", where=line.where, received=f"{turn.onset} + {turn.duration}")
        turns = found.setdefault(turn.file, [])
        if length > 0:
            turns.append(Turn(start_s=start, end_s=start + length, speaker=turn.speaker, where=line.where))
    if not found:
        raise CapasError("score_empty", where=path)
    return found


def read_uem(path: Path) -> Mapping[str, list[Span]]:
    """Return the scored regions of every file."""
    found: dict[str, list[Span]] = {}
    for line in read_text_lines(path):
        if len(line.words) != 4:
            raise CapasError(
                "score_fields", where=line.where, received=len(line.words), wanted="file channel start end"
            )
        found.setdefault(line.words[0], []).append(parse_span(line.words[2], line.words[3], line.where))
    if not found:
        raise CapasError("score_empty", where=path)
    return {name: merged_spans(spans) for name, spans in found.items()}


def merged_spans(spans: list[Span]) -> list[Span]:
    """Return the union of spans, in order.

    >>> merged_spans([(2.0, 3.0), (0.0, 1.0), (0.5, 2.5)])
    [(0.0, 3.0)]
    """
    found: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def subtract_spans(spans: list[Span], holes: list[Span]) -> list[Span]:
    """Return ``spans`` without ``holes``, both in order and without overlaps.

    >>> subtract_spans([(0.0, 3.0)], [(1.0, 2.0)])
    [(0.0, 1.0), (2.0, 3.0)]
    """
    found: list[Span] = []
    for start, end in spans:
        for low, high in holes:
            if high > start and low < end:
                if low > start:
                    found.append((start, low))
                start = high
        if start < end:
            found.append((start, end))
    return found
