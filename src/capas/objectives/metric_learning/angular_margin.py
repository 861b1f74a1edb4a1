"""Additive angular margin: Deng, Guo, Xue & Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face
Recognition", CVPR 2019 (arXiv:1801.07698).

    L = −log exp(s cos(θ_y + m)) / (exp(s cos(θ_y + m)) + Σ_{j ≠ y} exp(s cos θ_j))          (eq. 3)

θ_j is the angle between an embedding and the prototype of identity j. Beyond θ = π − m, where cos(θ + m) would rise
again, it is continued by cos θ − m sin m, as in the authors' code.

Shapes: N embeddings of D numbers, K identities.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.similarity import cosine_similarities


def angular_margin_loss(
    embeddings: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    prototypes: Float[Tensor, "K D"],
    *,
    margin: float = 0.5,
    scale: float = 64.0,
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy, in nats.

    Args:
        embeddings: Of any length.
        labels: Identities, in 0..K − 1.
        prototypes: One for each identity, of any length.
        margin: m, in radians, in [0, π].
        scale: s > 0.
    """
    cosines = cosine_similarities(embeddings, prototypes)
    own = cosines.gather(1, labels[:, None])
    # cos(θ + m) without an arc cosine, whose slope is infinite where an embedding lies on its prototype.
    sines = (1 - own.square()).clamp(min=1e-12).sqrt()
    harder = own * math.cos(margin) - sines * math.sin(margin)
    beyond = own < math.cos(math.pi - margin)
    logits = cosines.scatter(1, labels[:, None], torch.where(beyond, own - margin * math.sin(margin), harder))
    return F.cross_entropy(scale * logits, labels)


class Prototypes(nn.Module):
    """One learned vector for each identity; ``forward`` returns them, (K, D)."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(num_classes, embedding_dim).normal_(std=0.01))

    def forward(self) -> Float[Tensor, "K D"]:
        """Return the vectors."""
        return self.vectors
