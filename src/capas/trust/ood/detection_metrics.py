"""Metrics of out-of-distribution detection: AUROC, and the detection rate at a threshold.

DeLong, DeLong & Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating characteristic
curves: a nonparametric approach", Biometrics 1988.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.rate import Z95, Rate, rate


def auroc(in_distribution: Float[Tensor, " N"], out_of_distribution: Float[Tensor, " M"]) -> Rate:
    """Return the probability that an OOD example scores higher than an in-distribution one, ties half; ``n`` is N + M.

    The interval is that of DeLong et al. on the logit scale, so that it stays within 0..1; where all pairs agree it is
    Wilson's for the smaller group.

    Raises:
        ValueError: A group is empty.
    """
    n, m = len(in_distribution), len(out_of_distribution)
    if not n or not m:
        raise ValueError(f"{n} usual and {m} unusual examples; expected one or more of both")
    a, b = in_distribution.double().sort().values, out_of_distribution.double().sort().values
    below = (torch.searchsorted(a, b) + torch.searchsorted(a, b, right=True)).double() / (2 * n)
    above = 1 - (torch.searchsorted(b, a) + torch.searchsorted(b, a, right=True)).double() / (2 * m)
    value = float(below.mean())
    if not 0 < value < 1 or min(n, m) < 2:
        low, high = rate(round(value * min(n, m)), min(n, m)).interval
        return Rate(value=value, n=n + m, interval=(min(low, value), max(high, value)))
    error = math.sqrt(float(below.var() / m + above.var() / n)) / (value * (1 - value))
    logit = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-(logit + side * Z95 * error))) for side in (-1, 1))
    return Rate(value=value, n=n + m, interval=(low, high))


def detection_rate_at(scores: Float[Tensor, " N"], threshold: float) -> Rate:
    """Return the share of examples that score above the threshold: false alarms in distribution, detections outside."""
    return rate(int((scores > threshold).sum()), len(scores))
