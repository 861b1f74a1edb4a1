"""How well scores of pairs tell the same identity from different ones: ROC, DET, equal error rate, operating points.

Two errors are possible. A *false match* takes different identities for the same, a *false non-match* one identity for
two (ISO/IEC 19795-1). At a threshold t a pair is a match if its score is t or more:

    FMR(t) = share of the impostor pairs with score ≥ t        FNMR(t) = share of the genuine pairs with score < t

The ROC curve shows 1 − FNMR over FMR; the DET curve shows FNMR over FMR on normal-deviate axes (Martin et al., "The DET
Curve in Assessment of Detection Task Performance", Eurospeech 1997). The equal error rate is where the two are equal,
linearly interpolated between neighbouring thresholds.

Pairs are not independent: one odd example spoils all pairs that it is in. Intervals are therefore drawn over
identities, not over pairs: each draw takes as many identities as there are, with replacement; a pair counts as often as
its identities were drawn (Poh & Bengio, "Estimating the Confidence Interval of Expected Performance Curve in Biometric
Authentication Using Joint Bootstrap", ICASSP 2007).

Shapes: P pairs, I identities, R draws, T thresholds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from capas.metrics.bootstrap import percentile_interval
from capas.metrics.rate import rate

DRAWS: Final = 400
BINS: Final = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredPairs:
    """Pairs of examples with a similarity.

    Attributes:
        scores: Higher for more alike, (P,).
        same: Whether both are of one identity, (P,).
        first: Identity of the first example, (P,), in 0..I − 1.
        second: Identity of the second one, (P,).
    """

    scores: Floats
    same: NDArray[np.bool_]
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.scores) == len(self.same) == len(self.first) == len(self.second):
            raise ValueError("scores, same, first and second differ in length")
        if not self.same.any() or self.same.all():
            raise ValueError("only pairs of one kind; expected genuine and impostor pairs")

    @property
    def genuine(self) -> int:
        """Number of genuine pairs."""
        return int(self.same.sum())

    @property
    def impostor(self) -> int:
        """Number of impostor pairs."""
        return len(self.same) - self.genuine

    @property
    def identities(self) -> int:
        """Number of different identities among the pairs."""
        return len(np.unique(np.concatenate([self.first, self.second])))

    def take(self, chosen: NDArray[np.bool_]) -> "ScoredPairs":
        """Return the pairs where ``chosen`` is True."""
        return ScoredPairs(
            scores=self.scores[chosen], same=self.same[chosen], first=self.first[chosen], second=self.second[chosen]
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorCurve:
    """The two error rates at every threshold that makes a difference.

    Attributes:
        thresholds: Ascending, (T,); the first accepts every pair, the last none.
        false_match: FMR at each, descending from 1 to 0.
        false_non_match: FNMR at each, ascending from 0 to 1.
    """

    thresholds: Floats
    false_match: Floats
    false_non_match: Floats


def error_curve(pairs: ScoredPairs, weights: Floats | None = None) -> ErrorCurve:
    """Return the error rates of pairs; ``weights`` (P,), ≥ 0, say how often each counts (once by default)."""
    order = np.argsort(pairs.scores, kind="stable")
    scores, same = pairs.scores[order], pairs.same[order]
    counted = np.ones(len(scores)) if weights is None else weights[order]
    # Equal scores share a threshold: each step of the curve ends where the score changes.
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    non_match = _below(counted * same, starts)
    match = _below(counted * ~same, starts)
    thresholds = np.r_[scores[starts], np.nextafter(scores[-1], np.inf)]
    return ErrorCurve(thresholds=thresholds, false_match=1 - match, false_non_match=non_match)


def _below(counts: Floats, starts: NDArray[np.int64]) -> Floats:
    """The share of ``counts`` before each start, and 1 at the end; NaN where there are none."""
    running = np.r_[0.0, np.cumsum(counts)]
    with np.errstate(invalid="ignore"):
        share: Floats = np.r_[running[starts], running[-1]] / running[-1]
    return share


def equal_error_rate(curve: ErrorCurve) -> tuple[float, float]:
    """Return the equal error rate in 0..1, and the threshold where it is reached; NaN where a rate is undefined.

    >>> pairs = ScoredPairs(scores=np.array([0.9, 0.4, 0.5, 0.1]), same=np.array([True, True, False, False]),
    ...                     first=np.array([0, 1, 0, 0]), second=np.array([0, 1, 1, 1]))
    >>> equal_error_rate(error_curve(pairs))
    (0.5, 0.5)
    """
    gap = curve.false_match - curve.false_non_match  # descends from 1 to −1
    if np.isnan(gap).any():
        return float("nan"), float("nan")
    after = int(np.argmax(gap <= 0))
    before = after - 1
    share = gap[before] / (gap[before] - gap[after])
    error = curve.false_match[before] + share * (curve.false_match[after] - curve.false_match[before])
    return float(error), float(curve.thresholds[after])


def area_under_roc(curve: ErrorCurve) -> float:
    """Return the probability that a genuine pair scores higher than an impostor pair; ties count half."""
    return float(np.trapezoid((1 - curve.false_non_match)[::-1], curve.false_match[::-1]))


def true_match_rate(curve: ErrorCurve, false_match_rate: float) -> float:
    """Return the greatest share of genuine pairs accepted while FMR stays at or below ``false_match_rate``."""
    if np.isnan(curve.false_match).any():
        return float("nan")
    at = int(np.argmax(curve.false_match <= false_match_rate + 1e-12))
    return float(1 - curve.false_non_match[at])


def rates_at(curve: ErrorCurve, threshold: float) -> tuple[float, float]:
    """Return FMR and FNMR where pairs of score ≥ ``threshold`` are taken for the same."""
    at = int(np.searchsorted(curve.thresholds, threshold, side="left"))
    at = min(at, len(curve.thresholds) - 1)
    return float(curve.false_match[at]), float(curve.false_non_match[at])


def balanced_calibration_error(probabilities: Floats, same: NDArray[np.bool_], weights: Floats) -> float:
    """Return the expected calibration error where genuine and impostor pairs are equally common.

    Bins of equal width; the mean gap between stated probability and share of genuine pairs, both kinds of pair weighted
    to one half in all.

    Args:
        probabilities: Of being the same at a prior of 0.5, (P,).
        same: Whether it is the same, (P,).
        weights: How often each pair counts, (P,).
    """
    weights = np.where(same, weights / max(1e-12, weights[same].sum()), weights / max(1e-12, weights[~same].sum())) / 2
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(bins, weights * (same - probabilities), minlength=BINS)).sum())


def identity_draws(pairs: ScoredPairs, *, seed: int = 0, draws: int = DRAWS) -> Floats:
    """Return how often each pair counts in each draw of identities, (R, P)."""
    names, places = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)
    first, second = places[: len(pairs.first)], places[len(pairs.first) :]
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws).astype(np.float64)
    # A genuine pair lies within one identity; an impostor pair occurs once for each pair of drawn copies.
    drawn: Floats = np.where(pairs.same, counts[:, first], counts[:, first] * counts[:, second])
    return drawn


def interval_over_identities(
    pairs: ScoredPairs, drawn: Floats, figure: Callable[[Floats], float]
) -> tuple[float, float]:
    """Return the 95 % interval of ``figure(weights)``; NaN, NaN of too few identities.

    Args:
        pairs: The pairs.
        drawn: ``identity_draws`` of them, (R, P).
        figure: The figure of pairs that count as often as weights (P,) say; NaN where it is undefined.
    """
    values = torch.tensor([figure(weights) for weights in drawn], dtype=torch.float64)
    return percentile_interval(values, pairs.identities)


def honest_interval(value: float, interval: tuple[float, float], identities: int) -> tuple[float, float]:
    """Return the interval of a rate in 0..1, widened where no pair, or every pair, counts.

    However identities are drawn from those without an error, none appears, and the interval has no width. Then the end
    is Wilson's for as many independent cases as there are identities.
    """
    low, high = interval
    if 0 < value < 1 or np.isnan(low):
        return interval
    wilson = rate(identities if value >= 1 else 0, identities).interval
    return min(low, wilson[0]), max(high, wilson[1])
