"""The simple way to search, which reads every spot of every word: the reference for ``capas.keyword_index.hits``.

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
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final, Literal

from capas.keyword_index.query import And, Or, Phrase, Query, Term
from capas.keyword_index.query_expansion import expand_term
from capas.keyword_index.store import Spot, SpotStore

Within = Literal["line", "page"]
_Unit = tuple[str, int | None]

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
    """Some of the hits, and of all of them: their probabilities, the most probable first."""

    shown: tuple[Hit, ...]
    probabilities: tuple[float, ...]


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
) -> Hits:
    """Lines or pages (called by numbers) that answer the query with a probability of ``least`` or more: ``limit`` of
    them from the ``offset``-th on. Equally probable ones stand in the order of page and line."""
    found = _Search(store, within, folds).found(query)
    hits = [(p, unit, spots) for unit, (p, spots) in found.items() if p >= least]
    hits.sort(key=lambda hit: (-hit[0], int(hit[1][0]), hit[1][1] or 0))
    shown = (
        Hit(page=page, line=line, probability=p, spots=tuple(sorted(spots, key=lambda spot: (spot.line, spot.start))))
        for p, (page, line), spots in hits[offset : offset + limit]
    )
    return Hits(shown=tuple(shown), probabilities=tuple(p for p, _, _ in hits))


@dataclass(frozen=True, slots=True)
class _Search:
    store: SpotStore
    within: Within
    folds: bool

    def found(self, query: Query) -> _Found:
        match query:
            case And(parts=parts, without=without):
                return _all([self.found(part) for part in parts], [self.found(part) for part in without])
            case Or(parts=parts):
                words = [part for part in parts if isinstance(part, Term | Phrase)]
                others = [self.found(part) for part in parts if not isinstance(part, Term | Phrase)]
                return _any([self.places(words), *others] if words else others)
            case _:
                return self.places([query])

    def places(self, queries: Sequence[Term | Phrase]) -> _Found:
        """Where at least one of these words or phrases stands."""
        by_unit: dict[_Unit, list[_Match]] = {}
        for query in queries:
            for match in self.phrase(query.terms) if isinstance(query, Phrase) else self.term(query):
                spot = match.spots[0]
                here = by_unit.setdefault((spot.page, spot.line if self.within == "line" else None), [])
                if all(other.spots != match.spots for other in here):
                    here.append(match)
        return {unit: (at_least_one(found), _spots(found)) for unit, found in by_unit.items()}

    def term(self, term: Term) -> list[_Match]:
        spots = self.store.spots(expand_term(self.store, term, folds=self.folds))
        return [_Match(probability=spot.probability, spots=(spot,)) for spot in spots]

    def phrase(self, terms: Sequence[Term]) -> list[_Match]:
        chains = self.term(terms[0])
        for term in terms[1:]:
            following: dict[tuple[str, int], list[_Match]] = {}
            for match in self.term(term):
                following.setdefault((match.spots[0].page, match.spots[0].line), []).append(match)
            chains = [
                _Match(probability=chain.probability * match.probability, spots=(*chain.spots, *match.spots))
                for chain in chains
                for match in following.get((chain.spots[-1].page, chain.spots[-1].line), ())
                if _adjacent(chain.spots[-1], match.spots[0])
            ]
        return chains


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


def _spots(matches: Iterable[_Match]) -> tuple[Spot, ...]:
    return tuple(dict.fromkeys(spot for match in matches for spot in match.spots))
