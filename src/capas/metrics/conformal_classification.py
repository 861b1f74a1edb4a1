"""Conformal prediction sets: sets of classes that contain the true one with a stated probability.

Split conformal prediction (Vovk, Gammerman & Shafer 2005). With scores s of n calibration examples, the set of a new
one is {k : s(x, k) ≤ q}, q the ⌈(n + 1)·level⌉-th smallest:

    LAC   s = 1 − p_k                                       Sadinle, Lei & Wasserman, JASA 2019 (arXiv:1609.00451)
    APS   s = Σ of p over more probable classes + u·p_k     Romano, Sesia & Candès, NeurIPS 2020 (arXiv:2006.02544)

u is uniform in 0..1. LAC's sets are the smallest on average, APS's cover easy and hard examples more evenly. With
``per_class`` each class has a q of its own, so that each is covered. The most probable class is always in the set: an
empty set helps nobody, and this can only raise the coverage.

Shapes: N examples, K classes.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from capas.metrics.rate import Rate, rate

ConformalScore = Literal["lac", "aps"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionSets:
    """Fitted conformal prediction sets.

    Attributes:
        method: Conformal score.
        level: Coverage, 0..1.
        quantiles: Largest score inside the set, by class, shape (K,); ∞ where there were too few examples for the
            level.
        n: Number of calibration examples.
    """

    method: ConformalScore
    level: float
    quantiles: Tensor
    n: int

    @classmethod
    def fit(
        cls,
        probabilities: Float[Tensor, "N K"],
        targets: Int[Tensor, " N"],
        rng: torch.Generator,
        *,
        level: float = 0.95,
        method: ConformalScore = "lac",
        per_class: bool = False,
    ) -> "PredictionSets":
        """Fit to calibration examples that the network was not trained on."""
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; expected a share between 0 and 1")
        own = _scores(probabilities, method, rng).gather(1, targets[:, None])[:, 0]
        k = probabilities.shape[1]
        parts = [own[targets == c] for c in range(k)] if per_class else [own] * k
        quantiles = torch.tensor([_quantile(part, level) for part in parts], dtype=torch.float64)
        return cls(method=method, level=level, quantiles=quantiles, n=len(targets))

    def sets(self, probabilities: Float[Tensor, "N K"], rng: torch.Generator) -> Bool[Tensor, "N K"]:
        """Return which classes are in each example's set, booleans (N, K)."""
        members = _scores(probabilities, self.method, rng) <= self.quantiles
        return members.scatter(1, probabilities.argmax(1, keepdim=True), True)


def _quantile(scores: Tensor, level: float) -> float:
    # The small number undoes what floating point adds to whole products such as 10 × 0.9.
    rank = math.ceil((len(scores) + 1) * level - 1e-9)
    return float(scores.sort().values[rank - 1]) if rank <= len(scores) else math.inf


def _scores(probabilities: Tensor, method: ConformalScore, rng: torch.Generator) -> Tensor:
    p = probabilities.double()
    if method == "lac":
        return 1 - p
    ordered, order = p.sort(dim=1, descending=True, stable=True)
    part = torch.rand(len(p), 1, generator=rng, dtype=torch.float64)
    above = ordered.cumsum(1) - ordered + part * ordered
    return torch.zeros_like(p).scatter(1, order, above)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetCoverage:
    """The quality of prediction sets.

    Attributes:
        coverage: How often the true class is in the set.
        mean_size: Mean number of classes in a set.
        single: How often a set has one class.
        per_class: Coverage by class.
    """

    coverage: Rate
    mean_size: float
    single: Rate
    per_class: tuple[Rate, ...]


def set_coverage(sets: Bool[Tensor, "N K"], targets: Int[Tensor, " N"]) -> SetCoverage:
    """Measure N ≥ 1 sets on examples that were not used to fit them."""
    if not len(sets):
        raise ValueError("no sets; expected one or more")
    held, sizes = sets.gather(1, targets[:, None])[:, 0], sets.sum(1)
    own = [held[targets == k] for k in range(sets.shape[1])]
    return SetCoverage(
        coverage=rate(int(held.sum()), len(held)),
        mean_size=float(sizes.double().mean()),
        single=rate(int((sizes == 1).sum()), len(sizes)),
        per_class=tuple(rate(int(part.sum()), len(part)) for part in own),
    )
