"""From the similarity of a pair to the probability that it is the same identity.

A logistic map gives the logarithm of the likelihood ratio of a cosine c (Brümmer & du Preez, "Application-Independent
Evaluation of Speaker Detection", Computer Speech & Language 2006):

    llr(c) = a c + b,  a ≥ 0,          p(same | c) = σ(llr(c) + log π / (1 − π))

with π the prior probability of the same identity. a and b have the least log loss on pairs of identities that were not
trained on, where genuine and impostor pairs together weigh the same: that is π = 0.5, and the ratio holds for any π.

|llr| is bounded by log(n + 1), n the number of pairs of the rarer kind: n pairs without an error do not say that
errors are impossible, and a cosine beyond all that were seen is no stronger evidence than they are.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_INVERSE_PENALTY: Final = 1e4  # of separable pairs the best slope would be infinite
EPSILON: Final = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class PairCalibration:
    """The fitted map.

    Attributes:
        slope: a, ≥ 0.
        intercept: b.
        max_llr: Greatest |llr|, in nats, > 0.
    """

    slope: float
    intercept: float
    max_llr: float

    def __post_init__(self) -> None:
        if not (self.slope >= 0 and self.max_llr > 0 and math.isfinite(self.slope + self.intercept + self.max_llr)):
            raise ValueError(f"{self}; expected finite numbers, slope ≥ 0 and max_llr > 0")

    def llr(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-likelihood ratios of similarities, in nats, same shape."""
        ratios: NDArray[np.float64] = np.clip(self.slope * scores + self.intercept, -self.max_llr, self.max_llr)
        return ratios

    def probability(self, scores: NDArray[np.float64], prior: float = 0.5) -> NDArray[np.float64]:
        """Return the probabilities of the same identity; ``prior`` in (0, 1) is that before looking."""
        shares: NDArray[np.float64] = 1 / (1 + np.exp(-(self.llr(scores) + logit(prior))))
        return shares

    def threshold(self, probability: float, prior: float = 0.5) -> float:
        """Return the least similarity with at least this probability: ±infinity where all or none have it."""
        wanted = logit(probability) - logit(prior)
        if wanted <= -self.max_llr:
            return -math.inf
        if wanted > self.max_llr or self.slope < EPSILON:
            return math.inf if wanted > min(self.max_llr, self.intercept) else -math.inf
        return (wanted - self.intercept) / self.slope


def fit_pair_calibration(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> PairCalibration:
    """Fit the map to pairs of both kinds; ``scores`` and ``same`` are (P,)."""
    from sklearn.linear_model import LogisticRegression

    genuine, impostor = int(same.sum()), int((~same).sum())
    if not genuine or not impostor:
        raise ValueError(f"{genuine} genuine and {impostor} impostor pairs; expected some of both")
    weights = np.where(same, 0.5 / genuine, 0.5 / impostor) * len(same)
    # The penalty is meant for scores of spread 1; cosines of a hardly trained network differ by hundredths.
    mean, spread = float(scores.mean()), max(float(scores.std()), EPSILON)
    scaled = (scores - mean) / spread
    model = LogisticRegression(C=_INVERSE_PENALTY).fit(scaled[:, None], same, sample_weight=weights)
    slope = float(model.coef_[0, 0]) / spread
    intercept = float(model.intercept_[0]) - slope * mean
    if slope < 0:  # what is more alike is less often the same: it says nothing
        slope, intercept = 0.0, 0.0
    return PairCalibration(slope=slope, intercept=intercept, max_llr=math.log(min(genuine, impostor) + 1))


def pair_log_loss(probabilities: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Return the mean log loss in nats, both kinds of pair weighted to one half; ln 2 says nothing."""
    clipped = np.clip(probabilities, EPSILON, 1 - EPSILON)
    return float(-(np.log(clipped[same]).mean() + np.log(1 - clipped[~same]).mean()) / 2)


def least_probability(cost_false_match: float, cost_false_non_match: float) -> float:
    """Return from which probability on "the same" has the lower expected cost.

    Saying "the same" costs (1 − p) · C_fm on average, saying "not the same" p · C_fnm: they are equal at
    C_fm / (C_fm + C_fnm).

    >>> least_probability(1, 1), least_probability(9, 1)
    (0.5, 0.9)
    """
    if not (cost_false_match > 0 and cost_false_non_match > 0):
        raise ValueError(f"costs {cost_false_match} and {cost_false_non_match}; expected positive numbers")
    return cost_false_match / (cost_false_match + cost_false_non_match)


def logit(probability: float) -> float:
    """Return log p / (1 − p) of a probability in (0, 1)."""
    return math.log(probability / (1 - probability))
