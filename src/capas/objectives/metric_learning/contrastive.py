"""Contrastive loss: Hadsell, Chopra & LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006.

    L = ½ D²  for a pair of the same identity,   ½ max(0, m − D)²  for a pair of different ones        (eq. 4)

D is the Euclidean distance. Where we deviate: embeddings are scaled to length 1, so that a margin of 1 means the same
for every network; all pairs of a batch are used, and those of different identities, which are many more, do not
outweigh the others: the means over both kinds of pair are added.

Shapes: N embeddings of D numbers.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from capas.objectives.similarity import euclidean_distances, full_precision


def same_identity(labels: Int[Tensor, " N"]) -> Bool[Tensor, "N N"]:
    """Return which pairs have the same label; an example is no pair with itself."""
    return (labels[:, None] == labels) & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)


def contrastive_loss(
    embeddings: Float[Tensor, "N D"], labels: Int[Tensor, " N"], *, margin: float = 1.0
) -> Float[Tensor, ""]:
    """Return the mean loss of the pairs of the same identity plus that of different ones, ≥ 0.

    Args:
        embeddings: Of any length.
        labels: Identities.
        margin: Distance beyond which different identities are far enough apart, in (0, 2].
    """
    normalised = F.normalize(full_precision(embeddings), dim=1)
    distances = euclidean_distances(normalised, normalised)
    same, different = same_identity(labels), labels[:, None] != labels
    pull, push = distances.square() / 2, (margin - distances).clamp(min=0).square() / 2
    return mean_where(pull, same) + mean_where(push, different)


def mean_where(values: Float[Tensor, "N N"], mask: Bool[Tensor, "N N"]) -> Float[Tensor, ""]:
    """Return the mean of the values where ``mask`` is True; 0 where it is nowhere."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)
