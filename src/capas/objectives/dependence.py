"""How far vectors depend on a class, as a number that can be made small by gradient: the normalised Hilbert-Schmidt
independence criterion.

HSIC: Gretton, Bousquet, Smola & Schölkopf, "Measuring Statistical Dependence with Hilbert-Schmidt Norms", ALT 2005; the
unbiased estimate is eq. 5 of Song et al., "Feature Selection via Dependence Maximization", JMLR 13, 2012:

    HSIC = [tr(K̃L̃) + 1ᵀK̃1 · 1ᵀL̃1 / ((n-1)(n-2)) - 2 · 1ᵀK̃L̃1 / (n-2)] / (n(n-3)),   K̃, L̃ with zero diagonals.

Kernels: a Gaussian of the vectors, whose width is their mean distance, which sees any dependence, not only a linear
one; and whether two classes are the same. Divided by √(HSIC(K, K) · HSIC(L, L)) (Cortes et al., JMLR 13, 2012), it is 0
without dependence, but for chance, and at most about 1.
"""

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

MIN_EXAMPLES: Final = 4
TINY: Final = 1e-10


def class_dependence(vectors: Float[Tensor, "N D"], classes: Int[Tensor, " N"]) -> Float[Tensor, ""]:
    """Return the dependence of ``vectors`` on ``classes``; 0 for fewer than four examples."""
    if len(vectors) < MIN_EXAMPLES:
        return vectors.sum() * 0
    with torch.autocast(vectors.device.type, enabled=False):
        full = vectors.double()  # differences of nearly equal sums: in float32 a single class would seem to tell
        squares = (full[:, None] - full[None]).square().sum(2)
        width = 2 * squares.detach().mean().clamp(min=TINY)
        kernel = torch.exp(-squares / width)
        same = (classes[:, None] == classes[None]).to(kernel)
        scale = (_hsic(kernel, kernel) * _hsic(same, same)).clamp(min=TINY).sqrt()
        return (_hsic(kernel, same) / scale).to(vectors.dtype)


def _hsic(first: Tensor, second: Tensor) -> Tensor:
    """The unbiased estimate from two kernel matrices (N, N)."""
    n = len(first)
    first, second = (kernel - torch.diag(torch.diagonal(kernel)) for kernel in (first, second))
    together = (first * second).sum() + first.sum() * second.sum() / ((n - 1) * (n - 2))
    result: Tensor = (together - 2 * (first.sum(0) @ second.sum(0)) / (n - 2)) / (n * (n - 3))
    return result
