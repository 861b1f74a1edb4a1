"""Gradient boosting on binned columns: the rival that a network for tables must beat.

Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics 2001, in the form of
scikit-learn's ``HistGradientBoosting`` (after LightGBM, Ke et al., NIPS 2017) with its defaults. Missing numbers (NaN)
go to whichever side of a split gains more.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

SEED = 0


def fit_boosted_regression(
    features: Float[Tensor, "N D"], targets: Float[Tensor, " N"]
) -> Callable[[Float[Tensor, "M D"]], Float[Tensor, " M"]]:
    """Fit to features (N, D) and numbers (N,); return the function from features (M, D) to numbers (M,), float64."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(random_state=SEED).fit(features.numpy(), targets.numpy())
    return lambda rows: torch.from_numpy(model.predict(rows.numpy())).double()


def fit_boosted_classes(
    features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int
) -> Callable[[Float[Tensor, "M D"]], Float[Tensor, "M K"]]:
    """Fit to features (N, D) and class indices (N,), of at least two classes; return the function from features (M, D)
    to probabilities (M, num_classes). A class without examples has probability 0."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(random_state=SEED).fit(features.numpy(), labels.numpy())
    known = torch.from_numpy(model.classes_)

    def predict(rows: Tensor) -> Tensor:
        probabilities = torch.zeros(len(rows), num_classes, dtype=torch.float64)
        probabilities[:, known] = torch.from_numpy(model.predict_proba(rows.numpy())).double()
        return probabilities.float()

    return predict
