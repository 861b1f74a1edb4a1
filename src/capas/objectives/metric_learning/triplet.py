"""Triplet loss: Schroff, Kalenichenko & Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering",
CVPR 2015 (arXiv:1503.03832).

    L = max(0, |a − p|² − |a − n|² + α)                                                     (eq. 2)

for an anchor a, a positive p of its identity and a negative n of another one, embeddings of length 1. Which triplets
of a batch are used (Section 3.2):

- hard: for each anchor its farthest positive and its nearest negative; as Hermans, Beyer & Leibe, "In Defense of the
  Triplet Loss for Person Re-Identification", 2017 (arXiv:1703.07737), "batch hard";
- semi-hard: all whose negative is farther than the positive, but by less than α. Hard ones let a network that has
  learned little yet collapse (Section 3.2).

Shapes: N embeddings of D numbers.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.objectives.metric_learning.contrastive import same_identity
from capas.objectives.similarity import cosine_similarities

Mining = Literal["hard", "semi-hard"]


def triplet_loss(
    embeddings: Float[Tensor, "N D"], labels: Int[Tensor, " N"], *, margin: float = 0.2, mining: Mining = "semi-hard"
) -> Float[Tensor, ""]:
    """Return the mean loss of the triplets that ``mining`` chooses, ≥ 0; 0, with a gradient of 0, where there is none.

    Args:
        embeddings: Of any length.
        labels: Identities.
        margin: α, in squared distance, > 0.
        mining: Which triplets are used; semi-hard ones need memory of N³ numbers.
    """
    # For vectors of length 1, |a − b|² = 2 − 2 cos.
    squared = 2 - 2 * cosine_similarities(embeddings, embeddings)
    return _hard(squared, labels, margin) if mining == "hard" else _semi_hard(squared, labels, margin)


def _hard(squared: Float[Tensor, "N N"], labels: Int[Tensor, " N"], margin: float) -> Float[Tensor, ""]:
    positive, negative = same_identity(labels), labels[:, None] != labels
    farthest = squared.masked_fill(~positive, float("-inf")).amax(1)
    nearest = squared.masked_fill(~negative, float("inf")).amin(1)
    anchors = positive.any(1)
    losses = (farthest - nearest + margin)[anchors].clamp(min=0)
    return losses.sum() / anchors.sum().clamp(min=1)


def _semi_hard(squared: Float[Tensor, "N N"], labels: Int[Tensor, " N"], margin: float) -> Float[Tensor, ""]:
    violated = squared[:, :, None] - squared[:, None, :] + margin  # anchor, positive, negative
    valid = same_identity(labels)[:, :, None] & (labels[:, None] != labels)[:, None, :]
    chosen = valid & (violated > 0) & (violated < margin)
    return torch.where(chosen, violated, 0.0).sum() / chosen.sum().clamp(min=1)
