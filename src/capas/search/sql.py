"""What the stores in SQL have in common: three tables, and the same statements in SQLite and PostgreSQL.

Words and pages are numbered; a spot is a row of six small numbers in the order of its key: word, probability (falling),
page, line, start. The most probable spots of a word are therefore neighbours on the disk. A page that is added again
gets a new number and its former one is forgotten, so that replacing takes no search; the rows of a number that no page
bears count for nothing, and ``compact`` clears them away.
"""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Final, TypeVar

from capas.search.folds import folded
from capas.search.store import Origin, Spot, check_origin, from_byte, to_byte

Value = str | int
Row = tuple[str, str, int, str, int, int, int]
S = TypeVar("S", bound="SqlStore")
VERSION: Final = "1"

INCOMING: Final = (
    "CREATE TEMPORARY TABLE incoming (word TEXT, folded TEXT, probability SMALLINT, page TEXT, line INTEGER,"
    " start INTEGER, width INTEGER)"
)
# Sorted, so that neighbours on the disk are written one after the other; WHERE true is what SQLite's grammar asks for.
TAKE_IN: Final = (
    "INSERT INTO words (word, folded) SELECT DISTINCT word, folded FROM incoming WHERE true ORDER BY word"
    " ON CONFLICT DO NOTHING",
    "INSERT INTO spots SELECT words.id, incoming.probability, pages.id, incoming.line, incoming.start, incoming.width"
    " FROM incoming JOIN words ON words.word = incoming.word JOIN pages ON pages.name = incoming.page WHERE true"
    " ORDER BY 1, 2 DESC, 3, 4, 5 ON CONFLICT DO NOTHING",
    "DROP TABLE incoming",
)
CLEAR: Final = "DELETE FROM spots WHERE page NOT IN (SELECT id FROM pages)"
_LIVE: Final = "FROM spots s CROSS JOIN pages p WHERE p.id = s.page AND s.word = ?"
_TOP: Final = (
    f"SELECT s.probability, p.name, s.line, s.start, s.width {_LIVE} AND s.probability >= ?"
    " ORDER BY s.probability DESC, s.page, s.line, s.start"
)
_COUNT: Final = f"SELECT s.probability, count(*) {_LIVE} GROUP BY s.probability"


class SqlStore(ABC):
    """The part of a store that asks; how it is opened, filled and compacted is each database's own."""

    def __init__(self, wanted: Origin | None, where: str) -> None:
        made = {str(name): value for name, value in self._rows("SELECT name, value FROM meta")}
        self._origin = Origin(
            least=float(made["least"]), temperature=float(made["temperature"]), model=str(made["model"])
        )
        if wanted is not None:
            check_origin(self._origin, wanted, where=where)

    @property
    def origin(self) -> Origin:
        """How all spots here were made."""
        return self._origin

    def spots(self, words: Iterable[str], *, least: float = 0.0, limit: int | None = None) -> Iterator[Spot]:
        """Spots of these words, the most probable first, down to ``least``."""
        each = [self._of(number, word, to_byte(least), limit) for number, word in self._numbers(words)]
        return islice(heapq.merge(*each, key=lambda spot: -spot.probability), limit)

    def histogram(self, words: Iterable[str]) -> dict[float, int]:
        """How many spots these words have at each probability, the highest first."""
        counts: dict[int, int] = {}
        for number, _ in self._numbers(words):
            for byte, count in self._rows(_COUNT, number):
                counts[int(byte)] = counts.get(int(byte), 0) + int(count)
        return {from_byte(byte): counts[byte] for byte in sorted(counts, reverse=True)}

    def words(self, start: str, *, folded: bool) -> Iterator[tuple[str, str]]:
        """All words that begin so, or whose folded form does, in order: as written, and folded."""
        column = "folded" if folded else "word"
        asked = f"SELECT word, folded FROM words WHERE {column} >= ? AND {column} < ? ORDER BY {column}, word"
        return ((str(word), str(form)) for word, form in self._rows(asked, start, start + "\U0010ffff"))

    def pages(self) -> list[str]:
        """The pages kept, in the order in which they came."""
        return [str(name) for (name,) in self._rows("SELECT name FROM pages ORDER BY id")]

    def everything(self) -> Iterator[Spot]:
        """All spots, by word, then as ``spots``."""
        for number, word in list(self._rows("SELECT id, word FROM words ORDER BY word")):
            yield from self._of(int(number), str(word), 0, None)

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let go of the file or connection."""

    @abstractmethod
    def _rows(self, statement: str, *values: Value) -> Iterator[tuple[Value, ...]]:
        """The answer to a statement with ? for its values, fetched as it is read."""

    def _numbers(self, words: Iterable[str]) -> Iterator[tuple[int, str]]:
        for word in dict.fromkeys(words):
            for (number,) in self._rows("SELECT id FROM words WHERE word = ?", word):
                yield int(number), word

    def _of(self, number: int, word: str, least: int, limit: int | None) -> Iterator[Spot]:
        end = "" if limit is None else f" LIMIT {limit:d}"
        for byte, page, line, start, width in self._rows(_TOP + end, number, least):
            yield Spot(
                word=word, probability=from_byte(int(byte)), page=str(page), line=int(line), start=int(start),
                end=int(start) + int(width),
            )  # fmt: skip


def incoming(pages: Sequence[str], spots: Iterable[Spot]) -> Iterator[Row]:
    """Rows for the table ``incoming``. Raises ValueError where a spot is of none of the pages, or has no place."""
    known = set(pages)
    for spot in spots:
        if spot.page not in known or not 0 <= spot.start < spot.end or spot.line < 0:
            raise ValueError(f"{spot}; expected a place on one of {len(known)} pages")
        width = spot.end - spot.start
        yield spot.word, folded(spot.word), to_byte(spot.probability), spot.page, spot.line, spot.start, width


def meta(origin: Origin) -> list[tuple[str, str]]:
    """Rows for the table ``meta``."""
    return [("version", VERSION), ("least", repr(origin.least)), ("temperature", repr(origin.temperature)),
            ("model", origin.model)]  # fmt: skip
