"""Linear baseline of regression: ridge regression with the penalty chosen by leave-one-out error.

Hoerl & Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", Technometrics 1970; Allen's PRESS
statistic, Technometrics 1974: the error without example i is  eᵢ / (1 − hᵢ),  h the diagonal of the hat matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Ridge:
    """Linear regression with an L2 penalty on standardised columns."""

    weight: Tensor
    centre: Tensor
    scale: Tensor
    bias: float
    penalty: float

    @classmethod
    def fit(
        cls,
        features: Float[Tensor, "N D"],
        targets: Float[Tensor, " N"],
        *,
        penalties: Sequence[float] = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0),
    ) -> "Ridge":
        """Fit with the penalty of least leave-one-out error, in closed form from one decomposition."""
        x, y = features.double(), targets.double()
        centre, scale = x.mean(0), x.std(0, correction=0)
        scale = torch.where(scale > 0, scale, 1.0)
        bias = float(y.mean())
        u, s, vt = torch.linalg.svd((x - centre) / scale, full_matrices=False)
        along = u.T @ (y - bias)
        best: tuple[float, float, Tensor] | None = None
        for penalty in penalties:
            shrink = s.square() / (s.square() + penalty)
            errors = y - bias - u @ (shrink * along)
            leverage = (u.square() * shrink).sum(1) + 1 / len(y)
            press = float((errors / (1 - leverage).clamp(min=1e-12)).square().mean())
            if best is None or press < best[0]:
                best = (press, penalty, vt.T @ (s / (s.square() + penalty) * along))
        if best is None:
            raise ValueError("penalties is empty; expected at least one")
        return cls(weight=best[2], centre=centre, scale=scale, bias=bias, penalty=best[1])

    def predict(self, features: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """Return N numbers in the user's unit, float64."""
        return (features.double() - self.centre) / self.scale @ self.weight + self.bias
