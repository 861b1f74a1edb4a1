"""The mean of per-example values with a bootstrap interval (Efron, "Bootstrap Methods", 1979)."""

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.rate import Rate


def mean_with_interval(values: Float[Tensor, " N"], *, seed: int = 0, draws: int = 1000) -> Rate:
    """Return the mean of N ≥ 1 values with its 95 % percentile bootstrap interval."""
    if len(values) == 0:
        raise ValueError("no values; expected one or more")
    drawn = torch.randint(len(values), (draws, len(values)), generator=torch.Generator().manual_seed(seed))
    low, high = values.double()[drawn].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Rate(value=float(values.double().mean()), n=len(values), interval=(low, high))
