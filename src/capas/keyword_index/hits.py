"""Lines or pages that match a query, each with its probability, the most probable first.

The combination of several words' probabilities is described in ``combine``.

Counting: as long as the words have no more than ``max_spots`` spots (of several words that must stand together: the
rarest), all of them are read and every number is exact. Above, the best are read, and a query costs the same however
many there are:

    exact    hits, probabilities
    spots    one word or alternatives: the spots of ``min_probability`` or more are counted, from the histogram; a line
             with the word twice, or with several spellings at one position, counts as often, one whose spots reach
             ``min_probability`` only together does not. Hits are ordered by their best spot, within one answer by their
             probability
    best     words that must stand together: hits among the ``max_spots`` best positions of the rarest; there may be
             more
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from capas.keyword_index.combine import (
    Match,
    Unit,
    UnitProbabilities,
    adjacent,
    combine_matches,
    match_all,
    match_any,
)
from capas.keyword_index.query import And, Or, Phrase, Query, Term
from capas.keyword_index.query_expansion import expand_term
from capas.keyword_index.query_limit import checked
from capas.keyword_index.store import SearchScope, Spot, SpotStore

Granularity = Literal["line", "page"]
CountMethod = Literal["exact", "spots", "best"]

MAX_SPOTS: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A line (a page if ``line`` is None) with the probability that it matches, and its spots in order of position."""

    page: str
    line: int | None
    probability: float
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hits:
    """The requested hits, and counts of all.

    Attributes:
        hits: The requested hits.
        counts: Number of hits by probability, the highest first.
        counted: How they were counted.
        by_page: Number of hits on each page.
    """

    hits: tuple[Hit, ...]
    counts: Mapping[float, int]
    counted: CountMethod = "exact"
    by_page: Mapping[str, int]

    @property
    def count(self) -> int:
        return sum(self.counts.values())


def search_spots(
    store: SpotStore,
    query: Query,
    *,
    within: Granularity = "line",
    folds: bool = True,
    min_probability: float = 0.0,
    offset: int = 0,
    limit: int = 50,
    pages: frozenset[str] | None = None,
    max_spots: int | None = MAX_SPOTS,
    by_page: bool = True,
) -> Hits:
    """Return lines or pages that match the query with at least ``min_probability``.

    Args:
        store: The spots.
        query: The query.
        within: Whether hits are lines or pages.
        folds: Whether historical spellings are folded.
        min_probability: Least probability of a hit.
        offset: First hit.
        limit: Number of hits.
        pages: Pages to search; all if None. Equally probable hits are in the order of page and line.
        max_spots: Most spots to read (see above); None reads them all, and so does a ``limit`` beyond it.
        by_page: Whether to count hits by page even where that needs a pass over all spots.
    """
    max_spots = None if max_spots is None or limit > max_spots else max_spots
    asking = _Search(store, within, folds, max_spots, None if pages is None else SearchScope(pages=pages))
    parts = query.parts if isinstance(query, Or) else (query,)
    terms = [part for part in parts if isinstance(part, Term)]
    if len(terms) == len(parts) and asking.exceeds_max_spots(
        [word for term in terms for word in asking.words(term)], asking.scope
    ):
        return asking.best(terms, min_probability, offset, limit, by_page)
    found = asking.evaluate(query, asking.scope, min_probability)
    hits = [(p, unit, spots) for unit, (p, spots) in found.items() if p >= min_probability]
    hits.sort(key=lambda hit: _rank(hit[0], hit[1]))
    shown = tuple(_hit(unit, p, spots) for p, unit, spots in hits[offset : offset + limit])
    return Hits(hits=shown, counts=Counter(p for p, _, _ in hits), counted="best" if asking.cut else "exact",
                by_page=Counter(page for _, (page, _), _ in hits))  # fmt: skip


@dataclass(slots=True)
class _Search:
    store: SpotStore
    within: Granularity
    folds: bool
    max_spots: int | None
    scope: SearchScope | None
    cut: bool = False
    expansions: dict[Term, tuple[str, ...]] = field(default_factory=dict)

    def exceeds_max_spots(self, words: Sequence[str], scope: SearchScope | None) -> bool:
        """Whether these words have more than ``max_spots`` spots in a scope."""
        if self.max_spots is None or (scope is not None and scope.lines is not None):
            return False
        if self.store.size(words, self.max_spots + 1) <= self.max_spots:
            return False
        return scope is None or sum(self.store.histogram(words, scope=scope).values()) > self.max_spots

    def best(self, terms: Sequence[Term], min_probability: float, offset: int, limit: int, by_page: bool) -> Hits:
        """The lines or pages of the best spots; the rest is counted only."""
        words, wanted = [word for term in terms for word in self.words(term)], offset + limit
        read = 4 * wanted
        while True:
            spots = list(self.store.spots(words, min_probability=min_probability, limit=read, scope=self.scope))
            units = list(dict.fromkeys(map(self.unit, spots)))
            if len(units) >= wanted or len(spots) < read:
                break
            read *= 4
        chosen = units[offset:wanted]
        held = replace(self, max_spots=None).places(terms, self.around(chosen)) if chosen else {}
        hits = [_hit(unit, *held[unit]) for unit in chosen]
        hits.sort(key=lambda hit: _rank(hit.probability, (hit.page, hit.line)))
        counts = self.store.histogram(words, scope=self.scope)
        return Hits(
            hits=tuple(hits),
            counts={p: n for p, n in counts.items() if p >= min_probability},
            counted="spots",
            by_page=self.store.by_page(words, min_probability=min_probability, scope=self.scope) if by_page else {},
        )

    def evaluate(self, query: Query, scope: SearchScope | None, min_probability: float) -> UnitProbabilities:
        """What answers the query in a scope; units below ``min_probability`` may be missing."""
        match query:
            case And(parts=parts, without=without):
                return self.evaluate_all(parts, without, scope, min_probability)
            case Or(parts=parts):
                words = [part for part in parts if isinstance(part, Term | Phrase)]
                others = [self.evaluate(part, scope, 0) for part in parts if not isinstance(part, Term | Phrase)]
                return match_any([self.places(words, scope), *others] if words else others)
            case _:
                return self.places([query], scope)

    def evaluate_all(
        self, parts: Sequence[Query], without: Sequence[Query], scope: SearchScope | None, min_probability: float
    ) -> UnitProbabilities:
        """The rarest part first, the others only where it stands; no part is less probable than all together."""
        found: dict[int, UnitProbabilities] = {}
        for at in sorted(range(len(parts)), key=lambda at: self.size(parts[at])):
            here = {
                unit: one
                for unit, one in self.evaluate(parts[at], scope, min_probability).items()
                if one[0] >= min_probability
            }
            found[at] = here
            scope = self.around(here)
        whole = replace(self, max_spots=None)
        return match_all([found[at] for at in range(len(parts))], [whole.evaluate(part, scope, 0) for part in without])

    def size(self, query: Query) -> int:
        """How many spots are to be read at least."""
        match query:
            case And(parts=parts):
                return min(map(self.size, parts))
            case Or(parts=parts):
                return sum(map(self.size, parts))
            case Phrase(terms=terms):
                return min(map(self.size, terms))
            case _:
                words = self.words(query)
                few = self.store.size(words, MAX_SPOTS + 1)
                return few if few <= MAX_SPOTS else sum(self.store.histogram(words).values())

    def words(self, term: Term) -> tuple[str, ...]:
        if term not in self.expansions:
            self.expansions[term] = tuple(expand_term(self.store, term, folds=self.folds))
        return self.expansions[term]

    def unit(self, spot: Spot) -> Unit:
        return spot.page, spot.line if self.within == "line" else None

    def around(self, units: Iterable[Unit]) -> SearchScope:
        """Where these units are."""
        if self.within == "line":
            return SearchScope(lines=frozenset((page, line) for page, line in units if line is not None))
        return SearchScope(pages=frozenset(page for page, _ in units))

    def places(self, queries: Sequence[Term | Phrase], scope: SearchScope | None) -> UnitProbabilities:
        """Where at least one of these words or phrases stands."""
        # The same spots, meant by two of the queries, are one match: its probability must not count twice.
        by_unit: dict[Unit, dict[tuple[Spot, ...], Match]] = {}
        for query in queries:
            found = self.phrase(query.terms, scope) if isinstance(query, Phrase) else self.term(query, scope)
            for match in checked(found):
                by_unit.setdefault(self.unit(match.spots[0]), {})[match.spots] = match
        return {unit: combine_matches([*found.values()]) for unit, found in checked(by_unit.items())}

    def term(self, term: Term, scope: SearchScope | None) -> list[Match]:
        words, limit = self.words(term), None
        if self.exceeds_max_spots(words, scope):
            limit, self.cut = self.max_spots, True
        spots = checked(self.store.spots(words, limit=limit, scope=scope))
        return [Match(probability=spot.probability, spots=(spot,)) for spot in spots]

    def phrase(self, terms: Sequence[Term], scope: SearchScope | None) -> list[Match]:
        """The rarest word first, the others only in the lines where it stands."""
        found: dict[int, list[Match]] = {}
        for at in sorted(range(len(terms)), key=lambda at: self.size(terms[at])):
            found[at] = self.term(terms[at], scope)
            scope = SearchScope(lines=frozenset((match.spots[0].page, match.spots[0].line) for match in found[at]))
        chains = found[0]
        for at in range(1, len(terms)):
            following: dict[tuple[str, int], list[Match]] = {}
            for match in found[at]:
                following.setdefault((match.spots[0].page, match.spots[0].line), []).append(match)
            chains = [
                Match(probability=chain.probability * match.probability, spots=(*chain.spots, *match.spots))
                for chain in checked(chains)
                for match in following.get((chain.spots[-1].page, chain.spots[-1].line), ())
                if adjacent(chain.spots[-1], match.spots[0])
            ]
        return chains


def _rank(probability: float, unit: Unit) -> tuple[float, int, str, int]:
    """The most probable first, then page by page; pages whose names are numbers stand in their order (2 before 10)."""
    page, line = unit
    return -probability, len(page), page, line or 0


def _hit(unit: Unit, probability: float, spots: Iterable[Spot]) -> Hit:
    ordered = tuple(sorted(spots, key=lambda spot: (spot.line, spot.start)))
    return Hit(page=unit[0], line=unit[1], probability=probability, spots=ordered)
