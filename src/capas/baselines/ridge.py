"""Linear baseline of regression: ridge regression with the penalty chosen by leave-one-out error.

Hoerl & Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", Technometrics 1970. Fitted by
scikit-learn's ``RidgeCV`` on standardised columns.
"""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

PENALTIES: Final = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearModel:
    """A fitted linear model in the features' own units.

    Attributes:
        weight: float64 (D,).
        bias: The value where all features are 0.
        penalty: The L2 penalty that was chosen.
    """

    weight: Tensor
    bias: float
    penalty: float

    def predict(self, features: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """Return N numbers in the targets' unit, float64."""
        return features.double() @ self.weight + self.bias


def fit_ridge(features: Float[Tensor, "N D"], targets: Float[Tensor, " N"]) -> LinearModel:
    """Fit with the one of ``PENALTIES`` whose leave-one-out error is least."""
    from sklearn.linear_model import RidgeCV

    x, y = features.double(), targets.double()
    centre, scale = x.mean(0), x.std(0, correction=0)
    scale = torch.where(scale > 0, scale, 1.0)
    model = RidgeCV(alphas=list(PENALTIES)).fit(((x - centre) / scale).numpy(), y.numpy())
    weight = torch.from_numpy(model.coef_) / scale
    return LinearModel(
        weight=weight, bias=float(model.intercept_) - float(centre @ weight), penalty=float(model.alpha_)
    )
