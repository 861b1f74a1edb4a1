"""The deployed network: an encoder without its last layer, and a linear map to vectors of length 1."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.core.rng import derive_seed
from capas.engine.recipes.embedding.encoders import embedding_size
from capas.engine.recipes.verification.methods import EMBEDDING_DIM
from capas.networks.representation.unit_embedding import UnitEmbedding


class VerificationNetwork(nn.Module):
    """Images (B, C, H, W) → embeddings (B, E) of length 1, compared by cosine.

    Its parameters are called as those of the objective, "encoder.…" and "embedder.…", so that a bundle fills it.
    """

    def __init__(self, encoder: nn.Module, embedder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.embedder = embedder

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B E"]:
        """Return the embeddings."""
        embeddings: Tensor = self.embedder(self.encoder(images))
        return embeddings


def verification_network(encoder: nn.Module, shape: tuple[int, ...], *, seed: int = 0) -> VerificationNetwork:
    """Put an embedder on an encoder of images of ``shape`` (C, H, W); its weights are drawn from ``seed``."""
    features = embedding_size(encoder, shape)
    torch.manual_seed(derive_seed(seed, "embedder"))
    return VerificationNetwork(encoder, UnitEmbedding(features, EMBEDDING_DIM))
