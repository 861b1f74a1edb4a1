"""Reviews: verdicts on hits, corrected lines, and the lines whose correction is most useful.

No review is overwritten: each is a row with who, when and the text before; a line's reference is its last correction.
Several reviewers may work at once; whoever saves a line that somebody else has changed in the meantime is told so and
loses nothing.
"""

import datetime
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from capas.archive.library.database import Library
from capas.core.errors import CapasError

Verdict = Literal["right", "wrong", "corrected"]
VERDICTS: Final[tuple[Verdict, ...]] = ("right", "wrong", "corrected")


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """One review: a ``verdict`` on a ``word`` of a line, or the line's corrected ``text``.

    Attributes:
        page: The page.
        line: Id of the line; "" where the page has no line there any more.
        verdict: Kind of review.
        reviewer: Who.
        word: The reviewed word.
        text: The corrected text.
        before: The line's text until then.
        time: UTC, ISO 8601.
    """

    page: int
    line: str
    verdict: Verdict
    reviewer: str
    word: str = ""
    text: str = ""
    before: str = ""
    time: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UncertainLine:
    """A line worth correcting, with the expected number of wrong characters."""

    page: int
    number: int
    line: str
    text: str
    expected_errors: float


def record_verdict(library: Library, page: int, line: str, word: str, verdict: Verdict, reviewer: str) -> Review:
    """Store whether ``word`` stands in the line. Raises CapasError ``no_such_line`` or ``no_such_page``."""
    if verdict == "corrected":
        raise ValueError("a corrected line needs its text: see correct()")
    with library.changing() as connection:
        before, _, place = _said(connection, library, page, line)
        return _kept(connection, place, Review(page=page, line=line, verdict=verdict, reviewer=reviewer, word=word,
                                        before=before, time=_now()))  # fmt: skip


def record_correction(
    library: Library, page: int, line: str, text: str, reviewer: str, *, text_before: str | None = None
) -> Review:
    """Store the corrected text of a line; ``text_before`` is the text that the reviewer saw.

    Raises:
        CapasError: ``line_changed`` where the line has another text by now, ``no_such_line`` or ``no_such_page``.
    """
    with library.changing() as connection:
        before, number, place = _said(connection, library, page, line)
        if text_before is not None and text_before != before:
            raise CapasError("line_changed", where=f"{page}/{line}", received=before, text=text)
        connection.execute("UPDATE lines SET truth = ? WHERE page = ? AND number = ?", (text, page, number))
        return _kept(connection, place, Review(page=page, line=line, verdict="corrected", reviewer=reviewer, text=text,
                                        before=before, time=_now()))  # fmt: skip


def reviews(library: Library, page: int | None = None) -> list[Review]:
    """Return all reviews (of a page), in order of time."""
    where, values = ("", ()) if page is None else ("WHERE page = ?", (page,))
    with library.reading() as connection:
        rows = connection.execute(
            f"SELECT page, line, verdict, reviewer, word, text, before, time FROM reviews {where} ORDER BY id", values
        ).fetchall()
    names = ("page", "line", "verdict", "reviewer", "word", "text", "before", "time")
    return [Review(**dict(zip(names, row, strict=True))) for row in rows]


def uncertain_lines(library: Library, *, unit: str = "", limit: int = 20) -> list[UncertainLine]:
    """Return uncorrected lines, those with most expected errors first (the sum of 1 − confidence over characters)."""
    pages = {int(page) for page in library.pages_of(unit)} if unit else None
    with library.reading() as connection:
        rows = connection.execute(
            "SELECT page, number, id, text, (1 - confidence) * length(text) AS wrong FROM lines "
            "WHERE truth IS NULL AND confidence IS NOT NULL ORDER BY wrong DESC, page, number"
        )
        found = (
            UncertainLine(page=page, number=number, line=name, text=text, expected_errors=wrong)
            for page, number, name, text, wrong in rows
            if pages is None or page in pages
        )
        return list(islice(found, limit))  # not all rows: an archive may have millions of lines


def reviewed_precision(reviewed: Sequence[Review]) -> tuple[int, int]:
    """Return the numbers of correct and of reviewed words; the last verdict on a word counts."""
    last = {(one.page, one.line, one.word): one.verdict for one in reviewed if one.verdict != "corrected"}
    return sum(verdict == "right" for verdict in last.values()), len(last)


def _said(connection: sqlite3.Connection, library: Library, page: int, line: str) -> tuple[str, int, str]:
    """What a line says now, by people or else by the reader, its number and its place on the page."""
    row = connection.execute(
        "SELECT coalesce(truth, text), number, geometry FROM lines WHERE page = ? AND id = ?", (page, line)
    ).fetchone()
    if row is None:
        raise CapasError("no_such_line", where=library.folder, received=f"{page}/{line}")
    return str(row[0]), int(row[1]), str(row[2])


def _kept(connection: sqlite3.Connection, place: str, review: Review) -> Review:
    connection.execute(
        "INSERT INTO reviews (page, line, place, word, verdict, text, before, reviewer, time)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (review.page, review.line, place, review.word, review.verdict, review.text, review.before, review.reviewer,
         review.time),
    )  # fmt: skip
    return review


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
