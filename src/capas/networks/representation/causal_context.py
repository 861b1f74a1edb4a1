"""The autoregressive network of contrastive predictive coding: van den Oord, Li & Vinyals, "Representation Learning
with Contrastive Predictive Coding", 2018 (arXiv:1807.03748), Sections 2.2 and 3.1.

    c_t = GRU(z_≤t),   ẑ_{t+k} = W_k c_t                                                     (eq. 3)

Where we deviate: the vectors z are brought to mean 0 and deviation 1 over their dimensions first, so that the encoder
cannot lower the loss by making them ever longer.

Shapes: B sequences, T places, D features, K distances.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one


class CausalContext(nn.Module):
    """What comes after what has been seen so far, at each of several distances.

    Args:
        feature_dim: D.
        distances: How many places ahead is predicted, each ≥ 1.
        context_dim: Width of the contexts; None for D.
    """

    def __init__(self, feature_dim: int, distances: Sequence[int], *, context_dim: int | None = None) -> None:
        super().__init__()
        check_at_least_one(
            feature_dim=feature_dim, number_of_distances=len(distances), distance=min(distances, default=1)
        )
        self.distances = tuple(distances)
        width = feature_dim if context_dim is None else context_dim
        self.recurrent = nn.GRU(feature_dim, width, batch_first=True)
        self.predictors = nn.ModuleList(nn.Linear(width, feature_dim, bias=False) for _ in distances)

    def forward(
        self, features: Float[Tensor, "B T D"]
    ) -> tuple[Float[Tensor, "B T D"], dict[int, Float[Tensor, "B T D"]]]:
        """Return the scaled features, and by distance what each place predicts for the place so far ahead of it."""
        scaled = F.layer_norm(features, features.shape[-1:])
        contexts, _ = self.recurrent(scaled)
        predicted = {k: layer(contexts) for k, layer in zip(self.distances, self.predictors, strict=True)}
        return scaled, predicted
