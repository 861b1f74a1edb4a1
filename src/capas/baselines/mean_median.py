"""Trivial baselines of regression: the mean and the median."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanMedianBaseline:
    """Mean (least squared error) and median (least absolute error) of the training targets."""

    mean: float
    median: float

    @classmethod
    def fit(cls, targets: Float[Tensor, " N"]) -> "MeanMedianBaseline":
        """Fit to N ≥ 1 training targets."""
        return cls(mean=float(targets.double().mean()), median=float(targets.double().quantile(0.5)))
