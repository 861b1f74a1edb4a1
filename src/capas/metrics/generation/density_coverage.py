"""Density and coverage: Naeem, Oh, Uh, Choi & Yoo, "Reliable Fidelity and Diversity Metrics for Generative Models",
ICML 2020 (arXiv:2002.09797), eq. 4 and 5.

Around every real example lies a ball that reaches to its k-th nearest real neighbour. Coverage is the share of the
balls that hold a sample: how much of the data is made. Density is the number of balls a sample lies in, over k: 1 for
samples like the data, more where they keep to where the data are dense, 0 where they are like none.

Shapes: N real examples, M samples, D features.
"""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.rate import Rate, rate

NEIGHBOURS: Final = 5  # k, as in the paper


@dataclass(frozen=True, kw_only=True, slots=True)
class DensityCoverage:
    """Both figures.

    Attributes:
        density: ≥ 0.
        density_interval: 95 %, by drawing the samples again and again; NaN for very few.
        coverage: Share of the real examples that have a sample near them.
    """

    density: float
    density_interval: tuple[float, float]
    coverage: Rate


def density_coverage(
    real: Float[Tensor, "N D"], made: Float[Tensor, "M D"], neighbours: int = NEIGHBOURS
) -> DensityCoverage:
    """Return density and coverage of samples. With k or fewer real examples, k is one less than their number.

    Raises ValueError for fewer than two real examples or no sample.
    """
    if len(real) < 2 or not len(made):
        raise ValueError(f"{len(real)} real examples and {len(made)} samples; expected two and one at least")
    k = min(neighbours, len(real) - 1)
    # An example is its own nearest neighbour, at distance 0.
    radii = _distances(real, real).kthvalue(k + 1, dim=1).values
    inside = _distances(real, made) < radii[:, None]
    density = mean_with_interval(inside.sum(0).double() / k)
    covered = rate(int(inside.any(1).sum()), len(real))
    return DensityCoverage(density=density.value, density_interval=density.interval, coverage=covered)


def _distances(one: Float[Tensor, "N D"], other: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    # From differences, not from products: equal examples are at distance 0, and their balls are empty.
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")
