"""Fréchet distance of two Gaussians fitted to features: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule
Converge to a Local Nash Equilibrium", NIPS 2017 (arXiv:1706.08500), eq. 6:

    |μ − μ'|² + tr(Σ + Σ' − 2 (Σ Σ')^½).

It is biased: it shrinks as there are more examples, so that figures of different numbers cannot be compared.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def frechet_distance(real: Float[Tensor, "N D"], made: Float[Tensor, "M D"]) -> float:
    """Return the distance of two sets of features, ≥ 0. Raises ValueError for fewer than two examples of either."""
    if min(len(real), len(made)) < 2:
        raise ValueError(f"{len(real)} and {len(made)} examples; expected two or more of each")
    one, other = real.double(), made.double()
    size = one.shape[1]
    covariance, other_covariance = (torch.cov(rows.T).reshape(size, size) for rows in (one, other))
    # tr (Σ Σ')^½ = Σᵢ √λᵢ of the symmetric Σ^½ Σ' Σ^½, which has no imaginary part to cut off.
    root = _root(covariance)
    mixed = torch.linalg.eigvalsh(root @ other_covariance @ root).clamp(min=0).sqrt().sum()
    apart = (one.mean(0) - other.mean(0)).square().sum()
    return max(0.0, float(apart + covariance.trace() + other_covariance.trace() - 2 * mixed))


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root
