"""How far vectors depend on a class, as numbers that can be made small by gradient: the normalised Hilbert-Schmidt
independence criterion, which sees any dependence, and Pillai's trace, which sees a linear one alone, but sharply.

HSIC: Gretton, Bousquet, Smola & Schölkopf, "Measuring Statistical Dependence with Hilbert-Schmidt Norms", ALT 2005; the
unbiased estimate is eq. 5 of Song et al., "Feature Selection via Dependence Maximization", JMLR 13, 2012:

    HSIC = [tr(K̃L̃) + 1ᵀK̃1 · 1ᵀL̃1 / ((n-1)(n-2)) - 2 · 1ᵀK̃L̃1 / (n-2)] / (n(n-3)),   K̃, L̃ with zero diagonals.

Kernels: a Gaussian of the vectors, whose width is their mean distance, which sees any dependence, not only a linear
one; and whether two classes are the same. Divided by √(HSIC(K, K) · HSIC(L, L)) (Cortes et al., JMLR 13, 2012), it is 0
without dependence, but for chance, and at most about 1.

Pillai's trace: Pillai, "Some New Test Criteria in Multivariate Analysis", Annals of Mathematical Statistics 26, 1955:
with the total scatter T of the vectors and B, that of the means of the classes,

    V = tr(T⁻¹B),   E V = d (k-1) / (n-1) without dependence,

the sum of the squared canonical correlations of the vectors with the classes. It does not depend on the scale of any
number, so that one which tells the class is found however little it varies.
"""

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

MIN_EXAMPLES: Final = 4
MIN_EXAMPLES_PER_NUMBER: Final = 2  # fewer tell hardly anything of a covariance
RIDGE: Final = 1e-3  # of the mean variance: numbers that are not used have none
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


def linear_class_dependence(vectors: Float[Tensor, "N D"], classes: Int[Tensor, " N"]) -> Float[Tensor, ""]:
    """Return Pillai's trace less what chance gives, as a share of the most that it can be: about 1 where the vectors of
    a class are all alike. 0 for one class, and for fewer than two examples for each number of a vector.
    """
    n, d = vectors.shape
    present = torch.unique(classes)
    if len(present) < 2 or n < MIN_EXAMPLES_PER_NUMBER * d:
        return vectors.sum() * 0
    with torch.autocast(vectors.device.type, enabled=False):
        centred = vectors.double() - vectors.double().mean(0)
        total = centred.T @ centred
        ridge = RIDGE * total.diagonal().mean().detach() + TINY
        members = (classes[:, None] == present[None]).to(centred)
        means = (members / members.sum(0).sqrt()).T @ centred  # of each class, times the root of its number
        between = means.T @ means
        trace = torch.linalg.solve(total + ridge * torch.eye(d).to(total), between).diagonal().sum()
        chance = d * (len(present) - 1) / (n - 1)
        result: Tensor = ((trace - chance) / min(len(present) - 1, d)).to(vectors.dtype)
        return result


def _hsic(first: Tensor, second: Tensor) -> Tensor:
    """The unbiased estimate from two kernel matrices (N, N)."""
    n = len(first)
    first, second = (kernel - torch.diag(torch.diagonal(kernel)) for kernel in (first, second))
    together = (first * second).sum() + first.sum() * second.sum() / ((n - 1) * (n - 2))
    result: Tensor = (together - 2 * (first.sum(0) @ second.sum(0)) / (n - 2)) / (n * (n - 3))
    return result
