"""Combination of the probabilities of several words into that of a query.

A CTC network gives every frame of every line its probabilities independently of the others', given the image. So, in
the model itself, occurrences in different lines are independent, and those at different positions of one line nearly
so; readings of the same position exclude each other.

    one position   several readings (folds, wildcards, OR):      the sum of p
    several positions of one word, and OR in general:            1 − Π (1 − p)
    AND, and the words of a phrase:                              Π p
    a NOT b                                                      p(a) · (1 − p(b))

Toselli, Vidal, Puigcerver & Noya-García, "Probabilistic multi-word spotting in handwritten text images", Pattern
Analysis and Applications 22, 2019, discuss such rules for pages. The other candidate, the least of the probabilities,
is an upper bound of AND and of a phrase; against the exact probability of two neighbouring words by their automaton (40
lines each of three degrees of noise) the product was 4, 10 and 20 % too low, the least 2, 6 and 78 times too high.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from capas.keyword_index.store import Spot

Unit = tuple[str, int | None]  # a line of a page, or with None the page

# Between two words of a phrase: the gap in widths of a letter of the first word.
_NEAREST: Final = -1.0
_FARTHEST: Final = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A word or phrase at a position."""

    probability: float
    spots: tuple[Spot, ...]


# The probability that each unit answers, 0..1, and the spots that say so.
UnitProbabilities = dict[Unit, tuple[float, tuple[Spot, ...]]]


def adjacent(first: Spot, second: Spot) -> bool:
    """Return whether the second word follows the first in their line, as far as their positions can tell."""
    letter = (first.end - first.start) / len(first.word)
    return _NEAREST * letter <= second.start - first.end <= _FARTHEST * letter


def at_least_one(matches: Iterable[Match]) -> float:
    """Return the probability of at least one match: readings of one position add up, positions combine independently.

    The position of the most probable match takes all that overlap with it; then that of the next.
    """
    left = sorted(matches, key=lambda match: -match.probability)
    none = 1.0
    while left:
        best, *others = left
        here = best.probability + sum(match.probability for match in others if _overlap(best, match))
        none *= 1 - min(1.0, here)
        left = [match for match in others if not _overlap(best, match)]
    return 1 - none


def _overlap(one: Match, other: Match) -> bool:
    a, b = one.spots, other.spots
    return a[0].line == b[0].line and a[0].start < b[-1].end and b[0].start < a[-1].end


def match_all(required: Sequence[UnitProbabilities], without: Sequence[UnitProbabilities]) -> UnitProbabilities:
    """Return where everything ``required`` occurs, and nothing of ``without``."""
    units = set(required[0]).intersection(*required[1:])
    return {
        unit: (
            prod(probabilities[unit][0] for probabilities in required)
            * prod(1 - probabilities[unit][0] for probabilities in without if unit in probabilities),
            tuple(spot for probabilities in required for spot in probabilities[unit][1]),
        )
        for unit in units
    }


def match_any(parts: Sequence[UnitProbabilities]) -> UnitProbabilities:
    """Return where at least one of the parts occurs."""
    units = set().union(*parts)
    return {
        unit: (
            1 - prod(1 - probabilities[unit][0] for probabilities in parts if unit in probabilities),
            tuple(spot for probabilities in parts if unit in probabilities for spot in probabilities[unit][1]),
        )
        for unit in units
    }


def combine_matches(matches: Sequence[Match]) -> tuple[float, tuple[Spot, ...]]:
    """Combine the matches of one unit: the probability of at least one of them, and their spots, each once."""
    if len(matches) == 1:  # most lines; by the same arithmetic as many
        return 1 - (1 - min(1.0, matches[0].probability)), matches[0].spots
    return at_least_one(matches), _spots(matches)


def _spots(matches: Iterable[Match]) -> tuple[Spot, ...]:
    return tuple(dict.fromkeys(spot for match in matches for spot in match.spots))
