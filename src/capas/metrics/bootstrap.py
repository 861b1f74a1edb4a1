"""Percentile bootstrap intervals (Efron, "Bootstrap Methods", 1979)."""

import math
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.rate import Rate

# Of so few units the draws hold hardly more than the values themselves: one image drawn a thousand times gives an
# interval without width, which would read as certainty.
MIN_UNITS: Final = 5


def percentile_interval(drawn: Float[Tensor, " R"], units: int) -> tuple[float, float]:
    """Return the 95 % interval of the figures of R draws; NaN is left out (a draw in which the figure is undefined).

    Args:
        drawn: The figure in each draw.
        units: How many images, lines, sentences or recordings were drawn from.

    Returns:
        Both ends, or NaN and NaN where there were fewer than ``MIN_UNITS`` or the figure is undefined in every draw.
    """
    known = drawn[~drawn.isnan()]
    if units < MIN_UNITS or not len(known):
        return math.nan, math.nan
    low, high = known.quantile(torch.tensor([0.025, 0.975], dtype=known.dtype, device=known.device)).tolist()
    return low, high


def mean_with_interval(values: Float[Tensor, " N"], *, seed: int = 0, draws: int = 1000) -> Rate:
    """Return the mean of N ≥ 1 values with its 95 % interval."""
    if len(values) == 0:
        raise ValueError("no values; expected one or more")
    drawn = torch.randint(len(values), (draws, len(values)), generator=torch.Generator().manual_seed(seed))
    interval = percentile_interval(values.double()[drawn].mean(1), len(values))
    return Rate(value=float(values.double().mean()), n=len(values), interval=interval)
