"""A linear map to vectors of length 1, which are compared by cosine; as in FaceNet (arXiv:1503.03832), Section 3.1."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class UnitEmbedding(nn.Module):
    """Features (B, D) → embeddings (B, E) of Euclidean length 1.

    Args:
        in_features: D.
        embedding_dim: E.
    """

    def __init__(self, in_features: int, embedding_dim: int = 128) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, embedding_dim)

    def forward(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B E"]:
        """Return the embeddings."""
        return F.normalize(self.linear(features).float(), dim=1)
