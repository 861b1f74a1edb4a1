"""A rate with Wilson's score interval.

Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927.
"""

import math
from dataclasses import dataclass

Z95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """A share of ``n`` cases in 0..1 with its 95 % interval; NaN and NaN where it has none."""

    value: float
    n: int
    interval: tuple[float, float]

    def as_json(self) -> dict[str, object]:
        """Return the fields that every ``--json`` uses for a rate."""
        return {"value": round(self.value, 6), "n": self.n} | interval_json(self.interval)


def interval_json(interval: tuple[float, float], digits: int = 6) -> dict[str, object]:
    """Return the field "interval", or nothing where there is none (NaN)."""
    low, high = interval
    return {} if math.isnan(low) or math.isnan(high) else {"interval": [round(low, digits), round(high, digits)]}


def rate(successes: int, n: int) -> Rate:
    """Return ``successes`` of ``n`` with Wilson's score interval: within 0..1, and accurate for small n.

    >>> [round(end, 4) for end in rate(985, 1000).interval]
    [0.9754, 0.9909]
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes is {successes}; expected between 0 and n = {n}")
    if n == 0:
        return Rate(value=0.0, n=0, interval=(0.0, 1.0))
    p, z2 = successes / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Rate(value=p, n=n, interval=(max(0.0, centre - half), min(1.0, centre + half)))
