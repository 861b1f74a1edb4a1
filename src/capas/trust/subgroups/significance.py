"""Significance of differences between rates: Newcombe's interval, the score test, Fisher's exact one, the
binomial one, and Holm's correction.

Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven methods",
Statistics in Medicine 1998, method 10; Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
Journal of Statistics 1979.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch

from capas.metrics.rate import Rate

SIGNIFICANT: Final = 0.05


def difference_interval(a: Rate, b: Rate, *, share: float = 0.95) -> tuple[float, float]:
    """Return the interval of a − b, two independent rates, at confidence level ``share``: Newcombe's method 10."""
    z = -_normal_quantile((1 - share) / 2)
    (low_a, high_a), (low_b, high_b) = _wilson(a, z), _wilson(b, z)
    gap = a.value - b.value
    below = math.hypot(a.value - low_a, high_b - b.value)
    above = math.hypot(high_a - a.value, b.value - low_b)
    return max(-1.0, gap - below), min(1.0, gap + above)


def _wilson(found: Rate, z: float) -> tuple[float, float]:
    if found.n == 0:
        return 0.0, 1.0
    p, n, z2 = found.value, found.n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _normal_quantile(share: float) -> float:
    return float(torch.special.ndtri(torch.tensor(share, dtype=torch.float64)))


def difference_p(a: Rate, b: Rate) -> float:
    """Return the two-sided p-value of equal rates: the score test with the pooled rate."""
    pooled = (a.value * a.n + b.value * b.n) / (a.n + b.n)
    variance = pooled * (1 - pooled) * (1 / a.n + 1 / b.n)
    return 1.0 if variance <= 0 else math.erfc(abs(a.value - b.value) / math.sqrt(2 * variance))


def exact_difference_p(a: Rate, b: Rate) -> float:
    """Return the two-sided p-value of equal rates by Fisher's exact test: right for any counts, for few above all.

    >>> from capas.metrics.rate import rate
    >>> exact_difference_p(rate(10, 15), rate(141, 143)) < 0.001, exact_difference_p(rate(0, 1), rate(1, 1))
    (True, 1.0)
    """
    if a.n > b.n:
        a, b = b, a
    hits, n = round(a.value * a.n) + round(b.value * b.n), a.n + b.n
    counts = range(max(0, hits - b.n), min(hits, a.n) + 1)
    logs = torch.tensor([_log_choose(a.n, k) + _log_choose(b.n, hits - k) for k in counts], dtype=torch.float64)
    shares = (logs - _log_choose(n, hits)).exp()
    own = shares[round(a.value * a.n) - counts.start]
    return min(1.0, float(shares[shares <= own * (1 + 1e-7)].sum()))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def binomial_tail(hits: int, n: int, level: float) -> float:
    """Return the probability of ``hits`` or fewer of n where each comes with probability ``level``, 0 < level < 1."""
    logs = [_log_choose(n, k) + k * math.log(level) + (n - k) * math.log1p(-level) for k in range(hits + 1)]
    return min(1.0, float(torch.tensor(logs, dtype=torch.float64).logsumexp(0).exp()))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values after Holm's step-down correction; none falls, none exceeds 1.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    found, running = [1.0] * len(p_values), 0.0
    for place, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[i]))
        found[i] = running
    return tuple(found)
