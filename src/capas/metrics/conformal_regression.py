"""Conformal prediction intervals of regression.

Split conformal prediction: Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005; Lei, G'Sell,
Rinaldo, Tibshirani & Wasserman, "Distribution-Free Predictive Inference for Regression", JASA 2018 (arXiv:1604.04173),
Algorithm 2 (absolute residuals) and section 5.2 (divided by the difficulty σ(x)). With n calibration examples the
interval is  ŷ ± q·σ(x),  q the ⌈(n + 1)(1 − α)⌉-th smallest of |y − ŷ| / σ(x): over draws of both sets it covers with
probability ≥ 1 − α, whatever the network and the distribution, as long as examples are exchangeable.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.rate import Rate, rate


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitConformal:
    """Fitted prediction intervals.

    Attributes:
        level: Coverage 1 − α, 0..1.
        quantile: Half-width in the user's unit, or as a multiple of the difficulty; ∞ where there were too few
            examples.
        n: Number of calibration examples.
    """

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
        """Fit to calibration examples; ``difficulty`` is an expected error > 0 for each.

        Raises:
            ValueError: ``level`` is not between 0 and 1, or a difficulty is not above 0.
        """
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
        """Return the lower and upper ends (N each) in the user's unit."""
        half = self.quantile * (torch.ones_like(predicted) if difficulty is None else difficulty)
        return predicted - half, predicted + half


def interval_coverage(low: Float[Tensor, " N"], high: Float[Tensor, " N"], targets: Float[Tensor, " N"]) -> Rate:
    """Return the share of targets that lie in their interval, ends included."""
    return rate(int(((low <= targets) & (targets <= high)).sum()), len(targets))
