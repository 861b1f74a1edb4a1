"""Archive search: from a query to hits on pages, with the expected number of correct ones."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.archive.library.database import Library, LineRow, PageRow
from capas.archive.reading.index_provenance import IndexProvenance, read_index_provenance
from capas.archive.reading.index_stores import open_store, read_location
from capas.archive.reading.pages import hyphen_labels, word_delimiters
from capas.archive.reading.posteriors import unpack_posteriors
from capas.core.errors import CapasError
from capas.keyword_index.expected_hits import ExpectedCount, expected_hits, expected_precision
from capas.keyword_index.hits import MAX_SPOTS, CountMethod, Granularity, Hit, search_spots
from capas.keyword_index.hyphenation import hyphenated_spots
from capas.keyword_index.keyword_automaton import build_keyword_automaton, keyword_probability
from capas.keyword_index.query import Query, Term, parse_query
from capas.keyword_index.query_limit import check_query_limit
from capas.keyword_index.sharded_store import ShardedSpots
from capas.keyword_index.spelling_folding import fold_spelling
from capas.keyword_index.store import Spot, SpotStore
from capas.page_formats.layout.line_images import LineExtent, line_extents, line_outline
from capas.page_formats.page import Line, Points

Floats = NDArray[np.float64]
WholePage = tuple[PageRow, list[LineRow], dict[int, bytes]]
PAGES_KEPT: Final = 32  # hits of one search are often on the same pages


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchRequest:
    """A search request.

    Attributes:
        query: The query.
        min_probability: Least probability of a hit.
        within: Whether hits are lines or pages.
        folds: Whether historical spellings are folded.
        unit: Unit to search; all if "".
        offset: First hit.
        limit: Number of hits.
        exact: Whether to recompute probabilities from the posteriors.
        whole: Whether to read all spots, however many there are.
        by_unit: Whether to count hits by unit.
    """

    query: str
    min_probability: float = 0.1
    within: Granularity = "line"
    folds: bool = True
    unit: str = ""
    offset: int = 0
    limit: int = 20
    exact: bool = False
    whole: bool = False
    by_unit: bool = True


@dataclass(frozen=True, kw_only=True)
class WordMatch:
    """A word of a hit.

    Attributes:
        word: The word.
        probability: Probability that it stands there, 0..1.
        line: Number of its line on the page.
        line_image: The line and the height and extent of its image, for ``line_outline``.
        columns: First and last column of the word in that image.
    """

    word: str
    probability: float
    line: int
    line_image: tuple[Line, int, LineExtent]
    columns: tuple[float, float]

    @functools.cached_property
    def outline(self) -> Points:
        """Outline on the page, in pixels; computed when asked for: a page may hold hundreds of matches of which a few
        are shown."""
        return line_outline(*self.line_image, *self.columns)


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchHit:
    """A hit.

    Attributes:
        page: Its page.
        line: Its line number; None where pages are searched.
        probability: Probability that it matches, 0..1.
        words: The matching words.
        row: The line (the first word's, where pages are searched).
    """

    page: PageRow
    line: int | None
    probability: float
    words: tuple[WordMatch, ...]
    row: LineRow

    @property
    def text(self) -> str:
        """Corrected text of the line, else the model's."""
        return self.row.text if self.row.target is None else self.row.target

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``--json``."""
        return {
            "page": self.page.id, "unit": self.page.unit, "label": self.page.label, "file": self.page.source,
            "frame": self.page.frame, "line": self.line, "probability": round(self.probability, 6), "text": self.text,
            "words": [{"word": one.word, "probability": round(one.probability, 6), "line": one.line,
                       "outline": [[round(x, 1), round(y, 1)] for x, y in one.outline]} for one in self.words],
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchResults:
    """The result of a search.

    Attributes:
        hits: The requested hits.
        count: Number of hits at this threshold.
        expected: Expected number of correct ones.
        precision: Expected share of correct ones; None without hits.
        units: Hits by unit.
        counted: How these were counted (``keyword_index.hits``).
    """

    hits: tuple[SearchHit, ...]
    count: int
    expected: ExpectedCount
    precision: ExpectedCount | None
    units: tuple[tuple[str, int], ...]
    counted: CountMethod = "exact"

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``--json``."""
        return {**self.counts_json(), "found": [one.as_json() for one in self.hits]}

    def counts_json(self) -> dict[str, object]:
        """Return the fields of ``--json`` without the hits themselves."""
        return {
            "hits": self.count, "counted": self.counted, "expected_right": self.expected.as_json(),
            "expected_precision": None if self.precision is None else self.precision.as_json(),
            "units": dict(self.units),
        }  # fmt: skip


class ArchiveSearcher:
    """Searches a library; holds its index open."""

    def __init__(self, library: Library, store: SpotStore | None = None) -> None:
        self.library = library
        self.making = read_index_provenance(library)
        self.store: SpotStore = open_store(library, read_location(library)) if store is None else store
        if self.store.origin != self.making.origin:
            self.store.close()
            raise CapasError("archive_other_index", where=library.folder, received=self.store.origin.model)

    def search(self, request: SearchRequest) -> SearchResults:
        """Return the hits of a request. Raises CapasError for a malformed query.

        A page that was replaced since, or was interrupted between index and library, is not shown until it is read
        again.
        """
        query = parse_query(request.query)
        with self._asked(request.unit) as (store, pages):
            hits = search_spots(
                store,
                query,
                within=request.within,
                folds=request.folds,
                min_probability=request.min_probability,
                offset=request.offset,
                limit=request.limit,
                pages=pages,
                max_spots=None if request.whole else MAX_SPOTS,
                by_page=request.by_unit,
            )
        with self.library.snapshot():
            whole = functools.lru_cache(PAGES_KEPT)(functools.partial(self.library.whole, posteriors=request.exact))
            shown = (self._found(hit, query, whole, exact=request.exact, folds=request.folds) for hit in hits.hits)
            return SearchResults(
                hits=tuple(one for one in shown if one is not None),
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

    def _found(
        self, hit: Hit, query: Query, whole: Callable[[int], WholePage], *, exact: bool, folds: bool
    ) -> SearchHit | None:
        """The hit on its page; None where the page is no longer, or not yet, what the index knew."""
        page, lines, contents = whole(int(hit.page))
        if page.model != self.making.model or max(spot.line for spot in hit.spots) >= len(lines):
            return None
        held = _extents(tuple(row.line for row in lines), page.height)
        frame = self.making.columns
        places = tuple(
            WordMatch(
                word=spot.word, line=spot.line,
                probability=self._exact(contents, spot.line, spot.word, folds) if exact else spot.probability,
                line_image=(lines[spot.line].line, self.making.height, held[spot.line]),
                columns=(spot.start * frame, spot.end * frame),
            )
            for spot in _each_in_time(hit.spots)
        )  # fmt: skip
        line = hit.line if hit.line is not None else hit.spots[0].line
        # One word, perhaps in several spellings or places of a line: each of them has the probability of them all.
        exactly = {place.probability for place in places} if exact and isinstance(query, Term) else set[float]()
        chance = exactly.pop() if len(exactly) == 1 else hit.probability
        return SearchHit(page=page, line=hit.line, probability=chance, words=places, row=lines[line])

    def _exact(self, contents: Mapping[int, bytes], line: int, word: str, folds: bool) -> float:
        """The probability that the word stands anywhere in the line, in all its spellings where they are folded."""
        return exact_probability(contents[line], word, self.making, folds=folds, after=contents.get(line + 1))


@contextmanager
def open_searcher(library: Library) -> Iterator[ArchiveSearcher]:
    """Open a searcher for one request.

    SQLite's connections do not change threads, and opening one takes a millisecond.
    """
    one = ArchiveSearcher(library)
    try:
        yield one
    finally:
        one.store.close()


def _each_in_time(spots: Iterable[Spot]) -> Iterator[Spot]:
    """Yield the spots under the query's limit: a hit that is a page may hold hundreds, each of a millisecond."""
    for spot in spots:
        check_query_limit()
        yield spot


def exact_probability(
    content: bytes, word: str, making: IndexProvenance, *, folds: bool, after: bytes | None = None
) -> float:
    """Return the probability that ``word`` occurs in the line of these posteriors.

    By ``keyword_index.keyword_automaton``, or where a hyphen divides it between this line and the one ``after`` it, by
    ``keyword_index.hyphenation``.
    """
    letters = _letters(word, making.characters, folds)
    if not all(letters):
        return 0.0
    held = [unpack_posteriors(one) for one in (content, after) if one is not None]
    lines, delimiters = word_delimiters(held, making.alphabet)
    inside = float(
        keyword_probability(lines[0], build_keyword_automaton(letters, delimiters - frozenset().union(*letters)))
    )
    return 1 - (1 - inside) * (1 - _divided(lines, delimiters, word, making, folds))


def _divided(
    lines: Sequence[Floats], delimiters: frozenset[int], word: str, making: IndexProvenance, folds: bool
) -> float:
    """The probability that a hyphen divides the word between two lines; 0 where there is one line, or no hyphen."""
    hyphens = hyphen_labels(making.alphabet)
    if len(lines) < 2 or not hyphens:
        return 0.0
    spots = hyphenated_spots(
        lines[0], lines[1], hyphens=hyphens, delimiters=delimiters, min_probability=making.min_probability
    )
    read = ((making.alphabet.decode(spot.labels), spot.probability) for spot in spots)
    return min(
        1.0, sum(p for text, p in read if text == word or (folds and fold_spelling(text) == fold_spelling(word)))
    )


@functools.lru_cache(maxsize=128)
def _extents(lines: tuple[Line, ...], page_height: int) -> list[LineExtent]:
    """``line_extents`` of the pages looked at last: it takes 20 ms a page, and hits are often on the same ones."""
    return line_extents(lines, page_height)


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
    return bool(fold_spelling(word[at]) and fold_spelling(character)) and fold_spelling(other) == fold_spelling(word)
