"""Wrong numbers among the targets: in another unit, or far from what the inputs suggest.

Each target is compared with the estimate of a gradient boosting of absolute errors that was not fitted on it: the
absolute error makes it follow the median, which some wrong numbers do not move.

- *Another unit*: where all targets are positive, log₁₀ of target over estimate lies near 0; a unit of its own makes a
  narrow cluster elsewhere, such as at 3 for millimetres among metres.
- *Far off*: errors of more than ``FAR`` robust standard deviations (1.4826 times the median absolute error, of all or
  of the nearest examples, whichever is more), of which normal errors have none and errors with heavy tails few.

Shapes: N examples, D features.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

FOLDS: Final = 4
MIN_NUMBERS: Final = 100
MIN_COUNT, MIN_SHARE = 5, 0.01
MAX_SHARE: Final = 0.4
FAR: Final = 8.0
MIN_FACTOR: Final = 1.8
_NARROW: Final = 0.5  # of the distance between the clusters
_NEIGHBOURS: Final = 40
# What units differ by, each also the other way round.
FACTORS: Final = (1000.0, 100.0, 10.0, 1e6, 60.0, 3600.0, 24.0, 12.0, 2.54, 25.4, 30.48, 3.2808, 1.6093, 2.2046, 4.184)


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberIssues:
    """What is wrong with numbers.

    Attributes:
        other_unit: Indices of the numbers in another unit.
        factor: What these are too large by, where they are too small below 1; 1 where there are none.
        far: Indices of all others that are far from what the inputs suggest, the furthest first.
        explained: Share of the spread that the estimates explain, by absolute errors, up to 1.
        estimates: The estimates, shape (N,).
    """

    other_unit: Tensor
    factor: float
    far: Tensor
    explained: float
    estimates: Tensor


def find_number_issues(features: Float[Tensor, "N D"], targets: Float[Tensor, " N"]) -> NumberIssues:
    """Return what is wrong with N ≥ ``FOLDS`` numbers."""
    values = targets.double()
    positive = bool((values > 0).all())
    fitted = out_of_fold_estimates(features, values.log10() if positive else values)
    unit = torch.empty(0, dtype=torch.long)
    factor = 1.0
    if positive:
        unit, factor = _other_unit(values.log10() - fitted)
    estimates = 10**fitted if positive else fitted
    off = (values - estimates).abs()
    usual = torch.ones(len(values), dtype=torch.bool)
    usual[unit] = False
    spread = float((values[usual] - values[usual].median()).abs().mean())
    explained = 1 - float(off[usual].mean()) / spread if spread > 0 else 0.0
    distance = off / _scale(off, features, usual)
    far = (usual & (distance > FAR)).nonzero()[:, 0]
    enough = max(MIN_COUNT, MIN_SHARE * len(values)) <= len(far) <= MAX_SHARE * len(values)
    far = far[distance[far].argsort(descending=True)] if enough else far[:0]
    return NumberIssues(other_unit=unit, factor=factor, far=far, explained=explained, estimates=estimates)


def out_of_fold_estimates(features: Float[Tensor, "N D"], targets: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Return the estimate of each target by a model that was not fitted on it."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import KFold, cross_val_predict

    model = HistGradientBoostingRegressor(loss="absolute_error", max_iter=80, min_samples_leaf=12, random_state=0)
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    return torch.from_numpy(cross_val_predict(model, features.numpy(), targets.numpy(), cv=folds)).double()


def _other_unit(ratios: Float[Tensor, " N"]) -> tuple[Tensor, float]:
    """The numbers whose log₁₀ ratio lies in a cluster of its own, and its factor."""
    centre = ratios.median()
    scale = 1.4826 * float((ratios - centre).abs().median())
    off = ratios - centre
    for sign in (1, -1):
        apart = (sign * off > max(6 * scale, math.log10(MIN_FACTOR))).nonzero()[:, 0]
        if not max(MIN_COUNT, MIN_SHARE * len(ratios)) <= len(apart) <= MAX_SHARE * len(ratios):
            continue
        middle = float(off[apart].median())
        narrow = float((off[apart] - middle).abs().quantile(0.9))
        # As narrow as the others, and with nothing in between: a tail is widest at its beginning.
        between = int(((sign * off > 0.3 * abs(middle)) & (sign * off < 0.7 * abs(middle))).sum())
        if narrow <= max(4 * scale, 0.02) and narrow < _NARROW * abs(middle) and between <= 0.2 * len(apart):
            return apart, _rounded(10**middle)
    return torch.empty(0, dtype=torch.long), 1.0


def _rounded(factor: float) -> float:
    """The factor between units that is meant, where one lies within a tenth."""
    near = [f for known in FACTORS for f in (known, 1 / known) if abs(math.log(factor / f)) < math.log(1.1)]
    return min(near, key=lambda f: abs(math.log(factor / f))) if near else factor


def _scale(off: Float[Tensor, " N"], features: Float[Tensor, "N D"], usual: Tensor) -> Float[Tensor, " N"]:
    """A robust standard deviation of the errors: of all, or of the nearest examples where it is more."""
    x = (features - features.mean(0)) / features.std(0).clamp(min=1e-9)
    errors, held = off[usual], x[usual].float()
    near = [torch.cdist(part.float(), held).topk(min(_NEIGHBOURS, len(held)), largest=False).indices
            for part in torch.split(x, 512)]  # fmt: skip
    local = errors[torch.cat(near)].median(1).values
    return 1.4826 * torch.maximum(local, errors.median()).clamp(min=1e-12)
