"""TODO docstring."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.rate import Rate, rate


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitConformal:
    """Prediction intervals that cover a share ``level`` of new examples; ``quantile`` in the user's unit, or, with
    difficulties, times them. It is ∞ where too few examples were given for this level."""

    level: float
    quantile: float
    n: int

    @classmethod
    def fit(
        cls,
        predicted: Float[Tensor, " N"],
        targets: Float[Tensor, " N"],
        *,
        level: float = 0.9,
        difficulty: Float[Tensor, " N"] | None = None,
    ) -> "SplitConformal":
        """From examples that the network has not learned from; ``difficulty``: an expected error > 0 for each."""
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; expected a share between 0 and 1")
        if difficulty is not None and not bool((difficulty > 0).all()):
            raise ValueError("difficulty holds values ≤ 0; expected all > 0")
        scores = (targets.double() - predicted.double()).abs()
        if difficulty is not None:
            scores = scores / difficulty.double()
        # The small number undoes what floating point adds to whole products such as 10 × 0.9.
        rank = math.ceil((len(scores) + 1) * level - 1e-9)
        quantile = float(scores.sort().values[rank - 1]) if rank <= len(scores) else math.inf
        return cls(level=level, quantile=quantile, n=len(scores))

    def interval(
        self, predicted: Float[Tensor, " N"], difficulty: Float[Tensor, " N"] | None = None
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
        """Lower and upper ends (N each) in the user's unit."""
        half = self.quantile * (torch.ones_like(predicted) if difficulty is None else difficulty)
        return predicted - half, predicted + half


def interval_coverage(low: Float[Tensor, " N"], high: Float[Tensor, " N"], targets: Float[Tensor, " N"]) -> Rate:
    """The share of targets that lie in their interval, ends included."""
    return rate(int(((low <= targets) & (targets <= high)).sum()), len(targets))
