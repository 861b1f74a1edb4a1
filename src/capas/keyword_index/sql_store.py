"""Common part of the SQL stores: the tables, and the same statements in SQLite and PostgreSQL.

Words and pages are numbered; a spot is a row of six small numbers in the order of its key: word, probability (falling),
page, line, start. The most probable spots of a word are therefore neighbours on the disk. A page that is added again
gets a new number and its former one is forgotten, so that replacing takes no search; the rows of a number without a
page are ignored, and ``compact`` deletes them.

What is on few pages is found without reading all spots of a word: there are only 255 probabilities, so that (word,
probability, page) can be looked up for each of them. ``compact`` counts the spots of frequent words once; a histogram
is these counts, and the later pages looked up in the same way.
"""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from types import TracebackType
from typing import Final, TypeVar

from capas.core.errors import CapasError
from capas.keyword_index.spelling_folding import FOLDING_VERSION, fold_spelling
from capas.keyword_index.store import (
    IndexOrigin,
    SearchScope,
    Spot,
    byte_to_probability,
    check_origin,
    min_byte_for,
    probability_to_byte,
)

Value = str | int
Row = tuple[str, str, int, str, int, int, int]
S = TypeVar("S", bound="SqlStore")
VERSION: Final = "2"
FREQUENT_WORD_COUNT: Final = 1000  # spots of a word whose counts are kept
MAX_DELETED_PAGES: Final = 64  # counted pages that were replaced: beyond them all spots are counted again

INCOMING: Final = (
    "CREATE TEMPORARY TABLE incoming (word TEXT, folded TEXT, probability SMALLINT, page TEXT, line INTEGER,"
    " start INTEGER, width INTEGER)"
)
# Sorted, so that neighbours on the disk are written one after the other; WHERE true is what SQLite's grammar asks for.
INSERT_INCOMING: Final = (
    "INSERT INTO words (word, folded) SELECT DISTINCT word, folded FROM incoming WHERE true ORDER BY word"
    " ON CONFLICT DO NOTHING",
    "INSERT INTO spots SELECT words.id, incoming.probability, pages.id, incoming.line, incoming.start, incoming.width"
    " FROM incoming JOIN words ON words.word = incoming.word JOIN pages ON pages.name = incoming.page WHERE true"
    " ORDER BY 1, 2 DESC, 3, 4, 5 ON CONFLICT DO NOTHING",
    "DROP TABLE incoming",
)
# Before a page is replaced: its number, where its spots have been counted.
DELETE_PAGE: Final = ("INSERT INTO gone SELECT id FROM pages WHERE name = ?", "DELETE FROM pages WHERE name = ?")
COUNTS: Final = (
    "CREATE TABLE counts (word INTEGER, probability INTEGER, spots INTEGER, PRIMARY KEY (word, probability))",
    "CREATE TABLE gone (id INTEGER PRIMARY KEY)",
)
COMPACT: Final = (
    "DELETE FROM spots WHERE page NOT IN (SELECT id FROM pages)",
    "DELETE FROM gone",
    "DELETE FROM counts",
    "INSERT INTO counts SELECT word, probability, count(*) FROM spots WHERE word IN"
    f" (SELECT word FROM spots GROUP BY word HAVING count(*) >= {FREQUENT_WORD_COUNT}) GROUP BY word, probability",
    "DELETE FROM meta WHERE name = 'counted'",
    "INSERT INTO meta SELECT 'counted', CAST(coalesce(max(id), 0) AS TEXT) FROM pages",
)
BYTES: Final = (
    "CREATE TEMPORARY TABLE bytes (byte INTEGER PRIMARY KEY)",
    "INSERT INTO bytes WITH RECURSIVE b(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM b WHERE n < 255) SELECT n FROM b",
    "CREATE TEMPORARY TABLE wanted (id INTEGER, line INTEGER, name TEXT, PRIMARY KEY (id, line))",
)

_WORD: Final = "s.word = (SELECT id FROM words WHERE word = ?)"
_LIVE: Final = f"FROM spots s CROSS JOIN pages p WHERE p.id = s.page AND {_WORD}"
_SCOPED: Final = f"FROM spots s CROSS JOIN wanted p WHERE p.id = s.page AND {_WORD}"
_SOUGHT: Final = (
    f"FROM wanted p CROSS JOIN bytes b CROSS JOIN spots s WHERE {_WORD} AND s.probability = +b.byte AND s.page = p.id"
)
_TOP: Final = (
    "SELECT s.probability, p.name, s.line, s.start, s.width {live} AND {byte} >= ?"
    " ORDER BY s.probability DESC, s.page, s.line, s.start"
)
_COUNT: Final = "SELECT s.probability, count(*) {live} GROUP BY s.probability"
_BY_PAGE: Final = "SELECT p.name, count(*) {live} AND {byte} >= ? GROUP BY p.name"
_SIZE: Final = f"SELECT count(*) FROM (SELECT 1 {_LIVE} LIMIT ?) AS found"
_COUNTED: Final = "SELECT probability, spots FROM counts WHERE word = (SELECT id FROM words WHERE word = ?)"
_LATER: Final = f"SELECT s.probability, count(*) FROM bytes b CROSS JOIN spots s CROSS JOIN pages p WHERE {_WORD}" \
    " AND s.probability = +b.byte AND s.page > ? AND p.id = s.page GROUP BY s.probability"  # fmt: skip
_LOST: Final = f"SELECT s.probability, count(*) FROM gone g CROSS JOIN bytes b CROSS JOIN spots s WHERE {_WORD}" \
    " AND s.probability = +b.byte AND s.page = g.id AND +g.id <= ? GROUP BY s.probability"  # fmt: skip


class SqlStore(ABC):
    """The queries of a store; opening, filling and compacting are each database's own."""

    def __init__(self, requested: IndexOrigin | None, where: str) -> None:
        made = self._facts()
        if (version := made.get("version", "–")) not in ("1", VERSION):
            raise CapasError("spots_unreadable", where=where, received=f"version {version}")
        if not _current(made):
            self._renew()
        try:
            self._origin = IndexOrigin(
                least=float(made["least"]), temperature=float(made["temperature"]), model=str(made["model"])
            )
        except (KeyError, ValueError) as error:
            raise CapasError("spots_unreadable", where=where, received=str(error)) from error
        self._scope: SearchScope | None = None
        if requested is not None:
            check_origin(self._origin, requested, where=where)

    @property
    def origin(self) -> IndexOrigin:
        """The origin of all spots here."""
        return self._origin

    def spots(
        self,
        words: Iterable[str],
        *,
        min_probability: float = 0.0,
        limit: int | None = None,
        scope: SearchScope | None = None,
    ) -> Iterator[Spot]:
        """Iterate over spots of these words of at least ``min_probability``, the most probable first.

        All of them, or those in a ``scope``.
        """
        each = [list(self._of(word, min_byte_for(min_probability), limit, scope)) for word in dict.fromkeys(words)]
        return islice(heapq.merge(*each, key=lambda spot: -spot.probability), limit)

    def size(self, words: Iterable[str], max_count: int) -> int:
        """Return the number of spots of these words, counted up to ``max_count``."""
        found = 0
        for word in dict.fromkeys(words):
            found += self._number(_SIZE, word, max_count - found)
            if found >= max_count:
                break
        return found

    def histogram(self, words: Iterable[str], *, scope: SearchScope | None = None) -> dict[float, int]:
        """Return the number of spots of these words at each probability, the highest first."""
        counts: dict[int, int] = {}
        for word in dict.fromkeys(words):
            rows = self._counted(word) if scope is None else self._rows(self._asking(_COUNT, word, scope), word)
            for byte, count in rows:
                counts[int(byte)] = counts.get(int(byte), 0) + int(count)
        return {byte_to_probability(byte): counts[byte] for byte in sorted(counts, reverse=True) if counts[byte]}

    def by_page(
        self, words: Iterable[str], *, min_probability: float = 0.0, scope: SearchScope | None = None
    ) -> dict[str, int]:
        """Return the number of spots of these words of at least ``min_probability`` on each page."""
        found: dict[str, int] = {}
        for word in dict.fromkeys(words):
            for page, count in self._rows(self._asking(_BY_PAGE, word, scope), word, min_byte_for(min_probability)):
                found[str(page)] = found.get(str(page), 0) + int(count)
        return found

    def words(self, start: str, *, folded: bool) -> Iterator[tuple[str, str]]:
        """Iterate over all words with this prefix, or whose folded form has it, in order: as written, and folded."""
        column = "folded" if folded else "word"
        asked = f"SELECT word, folded FROM words WHERE {column} >= ? AND {column} < ? ORDER BY {column}, word"
        return ((str(word), str(form)) for word, form in self._rows(asked, start, start + "\U0010ffff"))

    def pages(self) -> list[str]:
        """Return the pages, in the order of insertion."""
        return [str(name) for (name,) in self._rows("SELECT name FROM pages ORDER BY id")]

    def everything(self) -> Iterator[Spot]:
        """Iterate over all spots, by word, then as ``spots``."""
        for (word,) in list(self._rows("SELECT word FROM words ORDER BY word")):
            yield from self._of(str(word), 0, None, None)

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the file or connection."""

    @abstractmethod
    def _rows(self, statement: str, *values: Value) -> Iterator[tuple[Value, ...]]:
        """The answer to a statement with ? for its values, fetched as it is read."""

    @abstractmethod
    def _want(self, places: Sequence[tuple[str, int]]) -> None:
        """Fill the table ``requested`` with pages and lines, in place of what it held."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[None]:
        """One writer at a time, all or nothing."""

    @abstractmethod
    def _many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """The statement with each of these values."""

    def _run(self, *statements: str) -> None:
        for statement in statements:
            list(self._rows(statement))

    def _facts(self) -> dict[str, str]:
        return {str(name): str(value) for name, value in self._rows("SELECT name, value FROM meta")}

    def _renew(self) -> None:
        """What an earlier version of Capas wrote, as this one wants it: folded forms, counts."""
        with self._writing():
            made = self._facts()
            if _current(made):
                return
            if made["version"] == "1":
                self._run(*COUNTS)
            words = [str(word) for (word,) in self._rows("SELECT word FROM words")]
            self._many("UPDATE words SET folded = ? WHERE word = ?", [(fold_spelling(word), word) for word in words])
            self._run("DELETE FROM meta WHERE name IN ('version', 'folds')")
            self._many("INSERT INTO meta VALUES (?, ?)", [("version", VERSION), ("folds", FOLDING_VERSION)])

    def _number(self, statement: str, *values: Value) -> int:
        return int(next(iter(self._rows(statement, *values)))[0])

    def _of(self, word: str, min_byte: int, limit: int | None, scope: SearchScope | None) -> Iterator[Spot]:
        end = "" if limit is None else f" LIMIT {limit:d}"
        for byte, page, line, start, width in self._rows(self._asking(_TOP, word, scope) + end, word, min_byte):
            yield Spot(
                word=word, probability=byte_to_probability(int(byte)), page=str(page), line=int(line), start=int(start),
                end=int(start) + int(width),
            )  # fmt: skip

    def _asking(self, statement: str, word: str, scope: SearchScope | None) -> str:
        """A statement about the spots of a word that count, in a scope: looked up at each probability where that is
        less work than reading them all."""
        if scope is None:
            return statement.format(live=_LIVE, byte="s.probability")
        if scope is not self._scope:
            at_lines = sorted(scope.lines or ())
            self._want([(page, -1) for page in sorted(scope.pages)] if scope.lines is None else at_lines)
            self._scope = scope
        lookups = 255 * len(scope.pages if scope.lines is None else scope.lines)
        many = self._number(_SIZE, word, lookups) >= lookups
        live = (_SOUGHT if many else _SCOPED) + ("" if scope.lines is None else " AND s.line = p.line")
        return statement.format(live=live, byte="b.byte" if many else "s.probability")

    def _counted(self, word: str) -> Iterator[tuple[Value, ...]]:
        """Spots of a word at each probability; negative numbers take back what has been replaced since."""
        until = int(next(iter(self._rows("SELECT value FROM meta WHERE name = 'counted'")), (0,))[0])
        counted = list(self._rows(_COUNTED, word))
        if not counted or self._number("SELECT count(*) FROM gone WHERE id <= ?", until) > MAX_DELETED_PAGES:
            yield from self._rows(self._asking(_COUNT, word, None), word)
            return
        yield from counted
        yield from self._rows(_LATER, word, until)
        yield from ((byte, -int(count)) for byte, count in self._rows(_LOST, word, until))


def _current(made: dict[str, str]) -> bool:
    return (made["version"], made.get("folds")) == (VERSION, FOLDING_VERSION)


def incoming_rows(pages: Sequence[str], spots: Iterable[Spot]) -> Iterator[Row]:
    """Iterate over rows of spots to insert. Raises ValueError for a spot of no page, or without an extent."""
    known = set(pages)
    for spot in spots:
        if spot.page not in known or not 0 <= spot.start < spot.end or spot.line < 0:
            raise ValueError(f"{spot}; expected a place on one of {len(known)} pages")
        width = spot.end - spot.start
        yield (
            spot.word,
            fold_spelling(spot.word),
            probability_to_byte(spot.probability),
            spot.page,
            spot.line,
            spot.start,
            width,
        )


def meta_rows(origin: IndexOrigin) -> list[tuple[str, str]]:
    """Return the key-value rows that record version and origin."""
    return [("version", VERSION), ("folds", FOLDING_VERSION), ("least", repr(origin.least)),
            ("temperature", repr(origin.temperature)), ("model", origin.model)]  # fmt: skip
