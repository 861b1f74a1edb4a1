"""The shares of the parts of a model in its output, by what each says about examples it has not learnt from.

Wolpert, "Stacked Generalization", Neural Networks 1992; Breiman, "Stacked Regressions", Machine Learning 1996: shares
≥ 0 with sum 1. Ours are the most probable ones under a flat prior with one example's weight for each part (a Dirichlet
distribution with parameters 2), so that with few examples they stay near equal.

Shapes: N examples, K classes or tags, M numbers.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from capas.core.spec import OutputKind

MIN_SHARE: Final = 0.05  # a part with less costs time and disk, and says next to nothing
_MIN_PROBABILITY: Final = 1e-6


def fit_blend_shares(predictions: Mapping[str, Tensor], targets: Tensor, kind: OutputKind) -> dict[str, float]:
    """Return the share of each part that is worth keeping; together 1.

    Args:
        predictions: By part: probabilities (N, K) or numbers (N, M).
        targets: Class indices (N,), tags (N, K) or numbers (N, M).
        kind: What is predicted.
    """
    shares = _fitted(torch.stack([part.double() for part in predictions.values()]), targets, kind)
    kept = {name: share for name, share in zip(predictions, shares, strict=True) if share >= MIN_SHARE}
    if len(kept) < len(predictions):
        return fit_blend_shares({name: predictions[name] for name in kept}, targets, kind)
    return kept


def _fitted(parts_PNK: Tensor, targets: Tensor, kind: str) -> list[float]:
    from scipy.optimize import minimize

    if kind == "numbers":
        # As the log loss of a normal distribution as wide as the errors of the best part.
        errors = (parts_PNK - targets).square().mean(1)
        noise = errors.mean(1)[errors.mean(1).argmin()].clamp(min=1e-12)

    @torch.enable_grad()
    def loss_and_slope(free: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        point = torch.tensor(free, requires_grad=True)
        shares = point.softmax(0)
        mean = (shares[:, None, None] * parts_PNK).sum(0)
        if kind == "numbers":
            loss = (mean - targets).square().sum() / (2 * noise * targets.shape[1])
        elif kind == "class":
            loss = F.nll_loss(mean.clamp(min=_MIN_PROBABILITY).log(), targets, reduction="sum")
        else:
            inside = mean.clamp(_MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
            loss = F.binary_cross_entropy(inside, targets.double(), reduction="sum") / targets.shape[1]
        loss = loss - shares.clamp(min=1e-12).log().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        assert point.grad is not None
        return float(loss.detach()), point.grad.numpy()

    found = minimize(loss_and_slope, np.zeros(len(parts_PNK)), jac=True, method="L-BFGS-B")
    shares: list[float] = torch.tensor(found.x).softmax(0).tolist()
    return shares
