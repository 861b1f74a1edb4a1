"""Networks over texts: three that read token ids, and a linear one over sparse features.

- BagOfNgrams: Joulin, Grave, Bojanowski & Mikolov, "Bag of Tricks for Efficient Text Classification", EACL 2017
  (arXiv:1607.01759): the mean of the vectors of words and word pairs, then a linear layer. Pairs share rows by a hash.
- TextCNN: Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014 (arXiv:1408.5882): convolutions
  over windows of 3, 4 and 5 words, the maximum over time, dropout 0.5, a linear layer. Without pretrained vectors
  ("CNN-rand") and without the bound on the norm of the last weights.
- TextTransformer: the encoder of Vaswani et al. 2017, averaged over the text (transformer.py), then a linear layer.
- SparseLinear: a linear layer over (index, weight) pairs such as tf-idf; with one output per topic and binary
  cross-entropy it is one logistic regression per topic.

Shapes: B texts, T tokens, K classes. Texts are padded on the right with any token; ``lengths`` say where they end.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_sizes


@dataclass(frozen=True, kw_only=True, slots=True)
class SparseLinearConfig:
    """``features``: how many different indices there are."""

    features: int
    num_classes: int

    def __post_init__(self) -> None:
        check_sizes(features=self.features, num_classes=self.num_classes)


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
        """Logits."""
        result: Tensor = self.rows(indices, offsets, per_sample_weights=weights) + self.bias
        return result
