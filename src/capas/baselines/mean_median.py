"""TODO docstring."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanMedianBaseline:
    """The trivial baselines: the mean (least squared error) and the median (least absolute error) of the training
    targets, whatever is asked."""

    mean: float
    median: float

    @classmethod
    def fit(cls, targets: Float[Tensor, " N"]) -> "MeanMedianBaseline":
        """From the training targets; N ≥ 1."""
        return cls(mean=float(targets.double().mean()), median=float(targets.double().quantile(0.5)))
