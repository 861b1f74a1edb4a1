"""Searching an archive: from a query to places on pages, with how many of them to expect and how sure that is."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capas.archive.library import Library, LineRow, PageRow
from capas.archive.making import Making, kept_making
from capas.archive.posteriors import unpacked
from capas.archive.reading import delimited, hyphens_of
from capas.archive.stores import kept, opened
from capas.core.errors import CapasError
from capas.pages.line_images import place, reaches
from capas.pages.page import Points
from capas.search.expected import Expected, expected_hits, expected_precision
from capas.search.folds import folded
from capas.search.hits import MOST, Counted, Hit, Within, search
from capas.search.joins import joined_spots
from capas.search.keyword import keyword, probability
from capas.search.query import Query, Term, parse
from capas.search.shards import ShardedSpots
from capas.search.store import SpotStore

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is asked: the ``query``, the least probability of a hit, hits ``within`` lines or pages, whether spellings
    are folded, the unit, and which of the hits (``limit`` from ``offset`` on). ``exact``: ask the posteriors again;
    ``whole``: read all spots, however many there are; ``by_unit``: say how the hits spread over the units."""

    query: str
    least: float = 0.1
    within: Within = "line"
    folds: bool = True
    unit: str = ""
    offset: int = 0
    limit: int = 20
    exact: bool = False
    whole: bool = False
    by_unit: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A word of a hit: where it stands on the page, as an outline in pixels."""

    word: str
    probability: float
    line: int
    outline: Points


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A hit: its page and line (None where pages are asked for), its probability, its words, and the reading of the
    line (of the first word's, where pages are asked for)."""

    page: PageRow
    line: int | None
    probability: float
    places: tuple[Place, ...]
    text: str

    def as_json(self) -> dict[str, object]:
        """The form of ``--json``."""
        return {
            "page": self.page.id, "unit": self.page.unit, "label": self.page.label, "file": self.page.source,
            "frame": self.page.frame, "line": self.line, "probability": round(self.probability, 6), "text": self.text,
            "words": [{"word": one.word, "probability": round(one.probability, 6), "line": one.line,
                       "outline": [[round(x, 1), round(y, 1)] for x, y in one.outline]} for one in self.places],
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """Hits, how many there are at this threshold, how many right ones to expect and which share of them will be right,
    how the hits spread over the units, and how all these were ``counted`` (``search.hits``)."""

    found: tuple[Found, ...]
    count: int
    expected: Expected
    precision: Expected | None
    units: tuple[tuple[str, int], ...]
    counted: Counted = "exact"

    def as_json(self) -> dict[str, object]:
        """The form of ``--json``."""
        return {
            "hits": self.count, "counted": self.counted, "expected_right": self.expected.as_json(),
            "expected_precision": None if self.precision is None else self.precision.as_json(),
            "units": dict(self.units), "found": [one.as_json() for one in self.found],
        }  # fmt: skip


class Finder:
    """Searches a library; holds its index open."""

    def __init__(self, library: Library, store: SpotStore | None = None) -> None:
        self.library = library
        self.making = kept_making(library)
        self.store: SpotStore = opened(library, kept(library)) if store is None else store
        if self.store.origin != self.making.origin:
            self.store.close()
            raise CapasError("archive_other_index", where=library.folder, received=self.store.origin.model)

    def find(self, wanted: Wanted) -> Findings:
        """Raises CapasError where the query cannot be understood. A page that was replaced since, or whose reading was
        killed between index and library, is not shown until it is read again."""
        query = parse(wanted.query)
        with self._asked(wanted.unit) as (store, pages):
            hits = search(store, query, within=wanted.within, folds=wanted.folds, least=wanted.least,
                          offset=wanted.offset, limit=wanted.limit, pages=pages, most=None if wanted.whole else MOST,
                          by_page=wanted.by_unit)  # fmt: skip
        shown = (self._found(hit, query, exact=wanted.exact, folds=wanted.folds) for hit in hits.shown)
        return Findings(
            found=tuple(one for one in shown if one is not None),
            count=hits.count, expected=expected_hits(hits.counts), precision=expected_precision(hits.counts),
            units=self.library.by_unit(hits.by_page), counted=hits.counted,
        )  # fmt: skip

    @contextmanager
    def _asked(self, unit: str) -> Iterator[tuple[SpotStore, frozenset[str] | None]]:
        """Where the pages of a unit are looked for, and which they are; a fonds that is a shard is asked whole, without
        a look at its pages."""
        if isinstance(self.store, ShardedSpots) and unit in self.store.shards and unit:
            with self.store.shard(unit) as shard:
                yield shard, None
            return
        yield self.store, self.library.pages_of(unit) if unit else None

    def _found(self, hit: Hit, query: Query, *, exact: bool, folds: bool) -> Found | None:
        """The hit on its page; None where the page is no longer, or not yet, what the index knew."""
        page, lines, contents = self.library.whole(int(hit.page), posteriors=exact)
        if page.model != self.making.model or max(spot.line for spot in hit.spots) >= len(lines):
            return None
        held = reaches([row.line for row in lines], page.height)
        frame = self.making.columns
        places = tuple(
            Place(
                word=spot.word, line=spot.line,
                probability=self._exact(contents, spot.line, spot.word, folds) if exact else spot.probability,
                outline=place(lines[spot.line].line, self.making.height, held[spot.line], spot.start * frame,
                              spot.end * frame),
            )
            for spot in hit.spots
        )  # fmt: skip
        line = hit.line if hit.line is not None else hit.spots[0].line
        # One word, perhaps in several spellings or places of a line: each of them has the probability of them all.
        exactly = {place.probability for place in places} if exact and isinstance(query, Term) else set[float]()
        chance = exactly.pop() if len(exactly) == 1 else hit.probability
        return Found(page=page, line=hit.line, probability=chance, places=places, text=said(lines[line]))

    def _exact(self, contents: Mapping[int, bytes], line: int, word: str, folds: bool) -> float:
        """The probability that the word stands anywhere in the line, in all its spellings where they are folded."""
        return exact_probability(contents[line], word, self.making, folds=folds, after=contents.get(line + 1))


@contextmanager
def finder(library: Library) -> Iterator[Finder]:
    """A finder for one question: SQLite's connections do not change threads, and opening one takes a millisecond."""
    one = Finder(library)
    try:
        yield one
    finally:
        one.store.close()


def said(row: LineRow) -> str:
    """What a line says: by people where they said it, else by the reader."""
    return row.text if row.truth is None else row.truth


def exact_probability(content: bytes, word: str, making: Making, *, folds: bool, after: bytes | None = None) -> float:
    """The probability that ``word`` stands in the line of these posteriors (``search.keyword``), or that a hyphen
    divides it between this line and the one ``after`` it (``search.joins``)."""
    letters = _letters(word, making.characters, folds)
    if not all(letters):
        return 0.0
    held = [unpacked(one) for one in (content, after) if one is not None]
    lines, delimiters = delimited(held, making.alphabet)
    inside = float(probability(lines[0], keyword(letters, delimiters - frozenset().union(*letters))))
    return 1 - (1 - inside) * (1 - _divided(lines, delimiters, word, making, folds))


def _divided(lines: Sequence[Floats], delimiters: frozenset[int], word: str, making: Making, folds: bool) -> float:
    """The probability that a hyphen divides the word between two lines; 0 where there is one line, or no hyphen."""
    hyphens = hyphens_of(making.alphabet)
    if len(lines) < 2 or not hyphens:
        return 0.0
    spots = joined_spots(lines[0], lines[1], hyphens=hyphens, delimiters=delimiters, least=making.least)
    read = ((making.alphabet.text(spot.labels), spot.probability) for spot in spots)
    return min(1.0, sum(p for text, p in read if text == word or (folds and folded(text) == folded(word))))


@functools.lru_cache(maxsize=4096)
def _letters(word: str, characters: str, folds: bool) -> tuple[frozenset[int], ...]:
    """For each letter the labels of the characters with which the word would be the same."""
    return tuple(
        frozenset(
            label for label, one in enumerate(characters, 1) if one == letter or (folds and _alike(word, at, one))
        )
        for at, letter in enumerate(word)
    )


def _alike(word: str, at: int, character: str) -> bool:
    """Whether ``character`` in this place leaves the word the same; marks that folding takes away do not count."""
    other = word[:at] + character + word[at + 1 :]
    return bool(folded(word[at]) and folded(character)) and folded(other) == folded(word)
