"""A linear layer over sparse features: (index, weight) pairs such as tf-idf. With one output per topic and binary
cross-entropy it is one logistic regression per topic.

Shapes: B texts, N pairs of all texts, K classes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one


@dataclass(frozen=True, kw_only=True, slots=True)
class SparseLinearConfig:
    """Configuration of ``SparseLinear``.

    Attributes:
        features: Number of different indices.
        num_classes: Number of outputs.
    """

    features: int
    num_classes: int

    def __post_init__(self) -> None:
        check_at_least_one(features=self.features, num_classes=self.num_classes)


class SparseLinear(nn.Module):
    """Sparse features → logits B×K: W x + b, with x given by ``indices`` and ``weights`` (N) and ``offsets`` (B).

    Text b has the pairs from ``offsets[b]`` to the next offset. Starts at zero: the problem is convex.
    """

    def __init__(self, config: SparseLinearConfig) -> None:
        super().__init__()
        self.rows = nn.EmbeddingBag(config.features, config.num_classes, mode="sum")
        self.bias = nn.Parameter(torch.zeros(config.num_classes))
        nn.init.zeros_(self.rows.weight)

    def forward(
        self, indices: Int[Tensor, " N"], weights: Float[Tensor, " N"], offsets: Int[Tensor, " B"]
    ) -> Float[Tensor, "B K"]:
        """Return logits (B, K)."""
        result: Tensor = self.rows(indices, offsets, per_sample_weights=weights) + self.bias
        return result
