"""Similarities and distances between embeddings, in full precision whatever the autocast.

Shapes: N and M embeddings of D numbers.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def full_precision(tensor: Tensor) -> Tensor:
    """Return float32 where the tensor has fewer bits than that; float64 stays."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def cosine_similarities(first: Float[Tensor, "N D"], second: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """Return the cosine of every pair, in [-1, 1]."""
    # Eight bits of mantissa would round a cosine to about 0.004, which a temperature of 0.1 makes ten times that.
    with torch.autocast(first.device.type, enabled=False):
        normalised = [F.normalize(full_precision(side), dim=1) for side in (first, second)]
        return normalised[0] @ normalised[1].T


def euclidean_distances(first: Float[Tensor, "N D"], second: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """Return the Euclidean distance of every pair, ≥ 0.

    Computed from differences, not from products, so that close pairs keep their digits; equal ones are given a gradient
    of zero instead of NaN.
    """
    with torch.autocast(first.device.type, enabled=False):
        return torch.cdist(full_precision(first), full_precision(second), compute_mode="donot_use_mm_for_euclid_dist")
