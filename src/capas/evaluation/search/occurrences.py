"""Reference occurrences of terms, hits of a search, and their matching.

A CSV of occurrences: ``term``, ``file`` (or page), and the position in it: ``start`` and ``end`` in seconds, or ``x``,
``y``, ``w`` and ``h`` in pixels, or nothing. A line with a file and no term says that the file was searched and holds
none of the terms. Hits have a ``score`` besides.

Hits are taken by falling score; each takes of the free occurrences of its term in its file the one that fits best, so
that an occurrence is found once, and what is found again is a false alarm (Everingham et al., IJCV 2010, section 4.4).
NIST pairs by the best sum instead; they differ only where hits of one term crowd.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from capas.core.errors import CapasError
from capas.evaluation.table_files import TableRow, parse_number, parse_span, read_table_rows

TERMS: Final = ("term", "keyword", "query", "word", "termino", "término")
FILES: Final = ("file", "page", "id", "input", "archivo", "pagina", "página")
SCORES: Final = ("score", "probability", "confidence", "p")
Matching = Literal["midpoint", "overlap", "iou"]
Kind = Literal["times", "boxes", "files"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Occurrence:
    """An occurrence of ``term`` at (start, end) or (x, y, w, h) or ()."""

    term: str
    file: str
    place: tuple[float, ...]
    where: str
    score: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Occurrences:
    """The occurrences of a file, the ``files`` that it names, and the kind of their positions."""

    found: tuple[Occurrence, ...]
    files: tuple[str, ...]
    kind: Kind


def read_occurrences(path: Path, *, scored: bool) -> Occurrences:
    """Read a CSV or TSV of occurrences or, ``scored``, of hits. Raises CapasError naming the line that is wrong."""
    needed = (TERMS, FILES, SCORES) if scored else (TERMS, FILES)
    rows = read_table_rows(path, needed)
    columns = set(rows[0].cells)
    kind: Kind = "times" if {"start", "end"} <= columns else "boxes" if {"x", "y", "w", "h"} <= columns else "files"
    found = []
    for row in rows:
        if not row.cells["term"] and not scored:
            continue
        if not row.cells["term"] or not row.cells["file"]:
            raise CapasError("score_no_label", where=row.where, received=row.cells["file"])
        score = parse_number(row.cells["score"], row.where) if scored else 0.0
        found.append(Occurrence(term=row.cells["term"], file=row.cells["file"], place=_place(row, kind),
                                where=row.where, score=score))  # fmt: skip
    files = dict.fromkeys(row.cells["file"] for row in rows)
    return Occurrences(found=tuple(found), files=tuple(files), kind=kind)


def _place(row: TableRow, kind: Kind) -> tuple[float, ...]:
    if kind == "times":
        return parse_span(row.cells["start"], row.cells["end"], row.where)
    if kind == "files":
        return ()
    x, y, w, h = (parse_number(row.cells[name], row.where) for name in ("x", "y", "w", "h"))
    if w <= 0 or h <= 0:
        raise CapasError("score_backwards", where=row.where, received=f"w = {w:g}, h = {h:g}")
    return x, y, w, h


def match_hits(
    hits: Sequence[Occurrence], occurrences: Sequence[Occurrence], *, matching: Matching, tolerance_s: float, iou: float
) -> list[int | None]:
    """Return for each hit the index of its occurrence; None for a false alarm."""
    places: dict[tuple[str, str], list[int]] = {}
    for i, occurrence in enumerate(occurrences):
        places.setdefault((occurrence.term, occurrence.file), []).append(i)
    free = {key: set(numbers) for key, numbers in places.items()}
    found: list[int | None] = [None] * len(hits)
    for i in sorted(range(len(hits)), key=lambda i: -hits[i].score):
        own = free.get((hits[i].term, hits[i].file), set())
        fits = {j: _fit(hits[i].place, occurrences[j].place, matching, tolerance_s, iou) for j in sorted(own)}
        good = {j: fit for j, fit in fits.items() if fit is not None}
        if good:
            best = max(good, key=good.__getitem__)
            found[i] = best
            own.discard(best)
    return found


def _fit(
    hit: tuple[float, ...], place: tuple[float, ...], matching: Matching, tolerance_s: float, least: float
) -> float | None:
    """How well a hit fits, the greater the better; None where it does not."""
    if not hit or not place:
        return 0.0
    if len(hit) == 4:
        share = _box_iou(hit, place)
        return share if share >= least else None
    common = min(hit[1], place[1]) - max(hit[0], place[0])
    if matching == "midpoint":
        middle = (hit[0] + hit[1]) / 2
        near = place[0] - tolerance_s <= middle <= place[1] + tolerance_s
        return -abs(middle - (place[0] + place[1]) / 2) if near else None
    if matching == "overlap":
        return common if common > 0 else None
    either = max(hit[1], place[1]) - min(hit[0], place[0])
    share = max(0.0, common) / either if either > 0 else float(hit == place)
    return share if share >= least else None


def _box_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(0.0, width) * max(0.0, height)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def refuse_unknown(hits: Occurrences, reference: Occurrences, path: Path) -> None:
    """Raise CapasError for a hit in a file that the reference does not name, and for positions of another kind."""
    known: Mapping[str, None] = dict.fromkeys(reference.files)
    for hit in hits.found:
        if hit.file not in known:
            raise CapasError("score_unknown_file", where=hit.where, received=hit.file, reference=str(path))
    if hits.kind != reference.kind and "files" not in (hits.kind, reference.kind):
        raise CapasError("score_places", where=hits.found[0].where, received=hits.kind, wanted=reference.kind)
