"""Lines or pages that answer a query, each with its probability, the most probable first.

How the probabilities of several words combine. A network with CTC gives every frame of every line its probabilities
independently of the others', given the picture. So, in the model itself, occurrences in different lines are
independent, and those in different places of one line nearly so; readings of the same place exclude each other.

    one place      several readings (folds, wildcards, OR):      the sum of p
    several places of one word, and OR in general:               1 − Π (1 − p)
    AND, and the words of a phrase:                              Π p
    a NOT b                                                      p(a) · (1 − p(b))

Toselli, Vidal, Puigcerver & Noya-García, "Probabilistic multi-word spotting in handwritten text images", Pattern
Analysis and Applications 22, 2019, discuss such rules for pages. The other candidate, the least of the probabilities,
is an upper bound of AND and of a phrase; against the exact probability of two neighbouring words by their automaton
(40 lines each of three degrees of noise) the product was 4, 10 and 20 % too low, the least 2, 6 and 78 times too high.

What is counted. As long as the words have no more than ``most`` spots (of several words that must stand together: the
rarest), all of them are read and every number is exact. Above, the best are read, and the answer costs the same however
many there are:

    exact    hits, probabilities
    spots    one word or alternatives: the spots of ``least`` or more are counted, from the histogram; a line with the
             word twice, or with several spellings at one place, counts as often, one whose spots reach ``least`` only
             together does not. Hits stand in the order of their best spot, in an answer in that of their probability
    best     words that must stand together: hits among the ``most`` best places of the rarest; there may be more
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Final, Literal

from capas.search.query import And, Or, Phrase, Query, Term
from capas.search.store import Scope, Spot, SpotStore
from capas.search.vocabulary import meant

Within = Literal["line", "page"]
Counted = Literal["exact", "spots", "best"]
_Unit = tuple[str, int | None]

MOST: Final = 10_000
# Between two words of a phrase: the gap in widths of a letter of the first word.
_NEAREST: Final = -1.0
_FARTHEST: Final = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A line (or with ``line`` None a page) and the probability that it answers the query, with the spots that say so,
    in the order in which they stand."""

    page: str
    line: int | None
    probability: float
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hits:
    """Some of the hits, and of all of them: how many there are of each probability, the highest first, how that was
    ``counted``, and how many are on each page."""

    shown: tuple[Hit, ...]
    counts: Mapping[float, int]
    counted: Counted = "exact"
    by_page: Mapping[str, int]

    @property
    def count(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Match:
    """A word or phrase at a place."""

    probability: float
    spots: tuple[Spot, ...]


_Found = dict[_Unit, tuple[float, tuple[Spot, ...]]]


def search(
    store: SpotStore,
    query: Query,
    *,
    within: Within = "line",
    folds: bool = True,
    least: float = 0.0,
    offset: int = 0,
    limit: int = 50,
    pages: frozenset[str] | None = None,
    most: int | None = MOST,
    by_page: bool = True,
) -> Hits:
    """Lines or pages that answer the query with a probability of ``least`` or more, among all or those ``pages``:
    ``limit`` of them from the ``offset``-th on. Equally probable ones stand in the order of page and line. More than
    ``most`` spots are not read (see above); None reads them all, and so does a ``limit`` beyond it. ``by_page`` False
    leaves the hits on each page uncounted where that would take a look at all spots."""
    most = None if most is None or limit > most else most
    asking = _Search(store, within, folds, most, None if pages is None else Scope(pages=pages))
    parts = query.parts if isinstance(query, Or) else (query,)
    terms = [part for part in parts if isinstance(part, Term)]
    if len(terms) == len(parts) and asking.many([word for term in terms for word in asking.words(term)], asking.scope):
        return asking.best(terms, least, offset, limit, by_page)
    found = asking.found(query, asking.scope, least)
    hits = [(p, unit, spots) for unit, (p, spots) in found.items() if p >= least]
    hits.sort(key=lambda hit: (-hit[0], hit[1][0], hit[1][1] or 0))
    shown = tuple(_hit(unit, p, spots) for p, unit, spots in hits[offset : offset + limit])
    return Hits(shown=shown, counts=Counter(p for p, _, _ in hits), counted="best" if asking.cut else "exact",
                by_page=Counter(page for _, (page, _), _ in hits))  # fmt: skip


@dataclass(slots=True)
class _Search:
    store: SpotStore
    within: Within
    folds: bool
    most: int | None
    scope: Scope | None
    cut: bool = False
    meant: dict[Term, tuple[str, ...]] = field(default_factory=dict)

    def many(self, words: Sequence[str], scope: Scope | None) -> bool:
        """Whether these words have more than ``most`` spots in a scope."""
        if self.most is None or (scope is not None and scope.lines is not None):
            return False
        if self.store.size(words, self.most + 1) <= self.most:
            return False
        return scope is None or sum(self.store.histogram(words, scope=scope).values()) > self.most

    def best(self, terms: Sequence[Term], least: float, offset: int, limit: int, by_page: bool) -> Hits:
        """The lines or pages of the best spots; the rest is counted only."""
        words, wanted = [word for term in terms for word in self.words(term)], offset + limit
        read = 4 * wanted
        while True:
            spots = list(self.store.spots(words, least=least, limit=read, scope=self.scope))
            units = list(dict.fromkeys(map(self.unit, spots)))
            if len(units) >= wanted or len(spots) < read:
                break
            read *= 4
        chosen = units[offset:wanted]
        held = replace(self, most=None).places(terms, self.around(chosen)) if chosen else {}
        hits = [_hit(unit, *held[unit]) for unit in chosen]
        hits.sort(key=lambda hit: (-hit.probability, hit.page, hit.line or 0))
        counts = self.store.histogram(words, scope=self.scope)
        return Hits(shown=tuple(hits), counts={p: n for p, n in counts.items() if p >= least}, counted="spots",
                    by_page=self.store.by_page(words, least=least, scope=self.scope) if by_page else {})  # fmt: skip

    def found(self, query: Query, scope: Scope | None, least: float) -> _Found:
        """What answers the query in a scope; units below ``least`` may be missing."""
        match query:
            case And(parts=parts, without=without):
                return self.all_of(parts, without, scope, least)
            case Or(parts=parts):
                words = [part for part in parts if isinstance(part, Term | Phrase)]
                others = [self.found(part, scope, 0) for part in parts if not isinstance(part, Term | Phrase)]
                return _any([self.places(words, scope), *others] if words else others)
            case _:
                return self.places([query], scope)

    def all_of(self, parts: Sequence[Query], without: Sequence[Query], scope: Scope | None, least: float) -> _Found:
        """The rarest part first, the others only where it stands; no part is less probable than all together."""
        found: dict[int, _Found] = {}
        for at in sorted(range(len(parts)), key=lambda at: self.size(parts[at])):
            here = {unit: one for unit, one in self.found(parts[at], scope, least).items() if one[0] >= least}
            found[at] = here
            scope = self.around(here)
        whole = replace(self, most=None)
        return _all([found[at] for at in range(len(parts))], [whole.found(part, scope, 0) for part in without])

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
                few = self.store.size(words, MOST + 1)
                return few if few <= MOST else sum(self.store.histogram(words).values())

    def words(self, term: Term) -> tuple[str, ...]:
        if term not in self.meant:
            self.meant[term] = tuple(meant(self.store, term, folds=self.folds))
        return self.meant[term]

    def unit(self, spot: Spot) -> _Unit:
        return spot.page, spot.line if self.within == "line" else None

    def around(self, units: Iterable[_Unit]) -> Scope:
        """Where these units are."""
        if self.within == "line":
            return Scope(lines=frozenset((page, line) for page, line in units if line is not None))
        return Scope(pages=frozenset(page for page, _ in units))

    def places(self, queries: Sequence[Term | Phrase], scope: Scope | None) -> _Found:
        """Where at least one of these words or phrases stands."""
        by_unit: dict[_Unit, list[_Match]] = {}
        for query in queries:
            for match in self.phrase(query.terms, scope) if isinstance(query, Phrase) else self.term(query, scope):
                by_unit.setdefault(self.unit(match.spots[0]), []).append(match)
        return {unit: _combined(found) for unit, found in by_unit.items()}

    def term(self, term: Term, scope: Scope | None) -> list[_Match]:
        words, limit = self.words(term), None
        if self.many(words, scope):
            limit, self.cut = self.most, True
        spots = self.store.spots(words, limit=limit, scope=scope)
        return [_Match(probability=spot.probability, spots=(spot,)) for spot in spots]

    def phrase(self, terms: Sequence[Term], scope: Scope | None) -> list[_Match]:
        """The rarest word first, the others only in the lines where it stands."""
        found: dict[int, list[_Match]] = {}
        for at in sorted(range(len(terms)), key=lambda at: self.size(terms[at])):
            found[at] = self.term(terms[at], scope)
            scope = Scope(lines=frozenset((match.spots[0].page, match.spots[0].line) for match in found[at]))
        chains = found[0]
        for at in range(1, len(terms)):
            following: dict[tuple[str, int], list[_Match]] = {}
            for match in found[at]:
                following.setdefault((match.spots[0].page, match.spots[0].line), []).append(match)
            chains = [
                _Match(probability=chain.probability * match.probability, spots=(*chain.spots, *match.spots))
                for chain in chains
                for match in following.get((chain.spots[-1].page, chain.spots[-1].line), ())
                if _adjacent(chain.spots[-1], match.spots[0])
            ]
        return chains


def _hit(unit: _Unit, probability: float, spots: Iterable[Spot]) -> Hit:
    ordered = tuple(sorted(spots, key=lambda spot: (spot.line, spot.start)))
    return Hit(page=unit[0], line=unit[1], probability=probability, spots=ordered)


def _adjacent(first: Spot, second: Spot) -> bool:
    letter = (first.end - first.start) / len(first.word)
    return _NEAREST * letter <= second.start - first.end <= _FARTHEST * letter


def at_least_one(matches: Iterable[_Match]) -> float:
    """The probability that one of the matches stands where it may: readings of one place add up, places combine.

    The place of the most probable match holds all that overlap with it; then that of the next."""
    left = sorted(matches, key=lambda match: -match.probability)
    none = 1.0
    while left:
        best, *others = left
        here = best.probability + sum(match.probability for match in others if _overlap(best, match))
        none *= 1 - min(1.0, here)
        left = [match for match in others if not _overlap(best, match)]
    return 1 - none


def _overlap(one: _Match, other: _Match) -> bool:
    a, b = one.spots, other.spots
    return a[0].line == b[0].line and a[0].start < b[-1].end and b[0].start < a[-1].end


def _all(wanted: Sequence[_Found], without: Sequence[_Found]) -> _Found:
    units = set(wanted[0]).intersection(*wanted[1:])
    return {
        unit: (
            prod(found[unit][0] for found in wanted) * prod(1 - found[unit][0] for found in without if unit in found),
            tuple(spot for found in wanted for spot in found[unit][1]),
        )
        for unit in units
    }


def _any(parts: Sequence[_Found]) -> _Found:
    units = set().union(*parts)
    return {
        unit: (
            1 - prod(1 - found[unit][0] for found in parts if unit in found),
            tuple(spot for found in parts if unit in found for spot in found[unit][1]),
        )
        for unit in units
    }


def _combined(matches: Sequence[_Match]) -> tuple[float, tuple[Spot, ...]]:
    if len(matches) == 1:  # most lines; by the same arithmetic as many
        return 1 - (1 - min(1.0, matches[0].probability)), matches[0].spots
    return at_least_one(matches), _spots(matches)


def _spots(matches: Iterable[_Match]) -> tuple[Spot, ...]:
    return tuple(dict.fromkeys(spot for match in matches for spot in match.spots))
