"""Expected number of correct hits above a threshold, and expected precision, with intervals.

With calibrated probabilities p_i of n hits, the number of correct ones is a sum of independent Bernoulli variables: its
mean is Σ p_i, and its distribution, the Poisson binomial, comes exactly from its characteristic function by a Fourier
transform (Hong, "On computing the distribution function for the Poisson binomial distribution", 2013, Section 2.1).
From thousands of hits on it is approximated by a normal one with variance Σ p_i (1 − p_i). The intervals hold 95 of 100
outcomes *if* the probabilities are calibrated; how far they are is measured elsewhere, and no interval here covers for
it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

_EXACT: Final = 2000
_Z: Final = 1.959964


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedCount:
    """A mean with the 95 % interval of outcomes, from ``n`` hits."""

    value: float
    n: int
    interval: tuple[float, float]

    def as_json(self) -> dict[str, object]:
        """Return the fields that every ``--json`` uses for a metric."""
        return {"value": self.value, "n": self.n, "interval": list(self.interval)}


def expected_hits(counts: Mapping[float, int]) -> ExpectedCount:
    """Return the expected number of correct hits; ``counts`` maps probabilities to numbers of hits.

    >>> expected_hits({0.9: 1, 0.5: 2, 0.1: 1}).value
    2.0
    """
    value = math.fsum(p * n for p, n in counts.items())
    return ExpectedCount(value=value, n=sum(counts.values()), interval=_outcomes(counts))


def expected_precision(counts: Mapping[float, int]) -> ExpectedCount | None:
    """Return the expected share of correct hits; None where there are none."""
    count = sum(counts.values())
    if not count:
        return None
    right = expected_hits(counts)
    low, high = right.interval
    return ExpectedCount(value=right.value / count, n=count, interval=(low / count, high / count))


def _outcomes(counts: Mapping[float, int]) -> tuple[float, float]:
    """The numbers of right ones below and above which at most 2.5 of 100 outcomes lie."""
    count = sum(counts.values())
    if count > _EXACT:
        mean = math.fsum(p * n for p, n in counts.items())
        spread = math.sqrt(math.fsum(p * (1 - p) * n for p, n in counts.items()))
        return max(0.0, mean - _Z * spread), min(float(count), mean + _Z * spread)
    turns = np.exp(2j * np.pi * np.arange(count + 1) / (count + 1))
    characteristic = np.ones_like(turns)
    for p, n in counts.items():
        characteristic *= (1 - p + p * turns) ** n
    below = np.cumsum(np.fft.fft(characteristic).real / len(turns))
    # A thousandth of a millionth against rounding, where an outcome is certain.
    return float(np.searchsorted(below, 0.025 + 1e-9)), float(np.searchsorted(below, 0.975 - 1e-9))
