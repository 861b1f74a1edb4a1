"""How many hits are to be expected above a threshold, and what share of those shown will be right.

With calibrated probabilities p_i of n hits, the number of right ones is a sum of independent coins: its mean is Σ p_i,
and its distribution, the Poisson binomial's, comes exactly from its characteristic function by a Fourier transform
(Hong, "On computing the distribution function for the Poisson binomial distribution", 2013, Section 2.1). From
thousands of hits on it is a normal one with variance Σ p_i (1 − p_i). The intervals hold 95 of 100 outcomes *if* the
probabilities are calibrated; how far they are is measured elsewhere, and no interval here covers for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_EXACT: Final = 2000
_Z: Final = 1.959964


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """A mean with the 95 % interval of outcomes, from ``n`` hits."""

    value: float
    n: int
    interval: tuple[float, float]

    def as_json(self) -> dict[str, object]:
        """As every ``--json`` gives a figure."""
        return {"value": self.value, "n": self.n, "interval": list(self.interval)}


def expected_hits(probabilities: Sequence[float]) -> Expected:
    """How many of these hits are right, by their probabilities.

    >>> expected_hits([0.9, 0.5, 0.1]).value
    1.5
    """
    return Expected(value=math.fsum(probabilities), n=len(probabilities), interval=_outcomes(probabilities))


def expected_precision(probabilities: Sequence[float]) -> Expected | None:
    """The share of these hits that is right; None where there are none."""
    count = len(probabilities)
    if not count:
        return None
    right = expected_hits(probabilities)
    low, high = right.interval
    return Expected(value=right.value / count, n=count, interval=(low / count, high / count))


def _outcomes(probabilities: Sequence[float]) -> tuple[float, float]:
    """The numbers of right ones below and above which at most 2.5 of 100 outcomes lie."""
    if len(probabilities) > _EXACT:
        mean, spread = math.fsum(probabilities), math.sqrt(math.fsum(p * (1 - p) for p in probabilities))
        return max(0.0, mean - _Z * spread), min(float(len(probabilities)), mean + _Z * spread)
    turns = np.exp(2j * np.pi * np.arange(len(probabilities) + 1) / (len(probabilities) + 1))
    characteristic = np.ones_like(turns)
    for p in probabilities:
        characteristic *= 1 - p + p * turns
    below = np.cumsum(np.fft.fft(characteristic).real / len(turns))
    # A thousandth of a millionth against rounding, where an outcome is certain.
    return float(np.searchsorted(below, 0.025 + 1e-9)), float(np.searchsorted(below, 0.975 - 1e-9))
