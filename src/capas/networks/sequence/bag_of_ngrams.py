"""Bag of n-grams: Joulin, Grave, Bojanowski & Mikolov, "Bag of Tricks for Efficient Text Classification", EACL 2017
(arXiv:1607.01759): the mean of the embeddings of words and word pairs, then a linear layer. Pairs share rows by a hash.

Shapes: B texts, T tokens, K classes. Texts are padded on the right with any token; ``lengths`` say where they end.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.sequence.attention import padding_mask

# A prime near 2³²/φ (Knuth's multiplicative hashing), so that pairs (a, b) and (b, a) differ.
_HASH = 2_654_435_761


@dataclass(frozen=True, kw_only=True, slots=True)
class BagOfNgramsConfig:
    """Configuration of ``BagOfNgrams``.

    Attributes:
        vocabulary: Number of tokens.
        num_classes: Number of outputs.
        width: Width of the embeddings.
        buckets: Embeddings that all word pairs share; 0 leaves the pairs out.
    """

    vocabulary: int
    num_classes: int
    width: int = 64
    buckets: int = 2**16

    def __post_init__(self) -> None:
        check_at_least_one(vocabulary=self.vocabulary, num_classes=self.num_classes, width=self.width)
        if self.buckets < 0:
            raise ValueError(f"buckets is {self.buckets}; expected 0 or more")


class BagOfNgrams(nn.Module):
    """Token ids (B, T) and lengths (B,) → logits (B, K)."""

    def __init__(self, config: BagOfNgramsConfig) -> None:
        super().__init__()
        self.vocabulary, self.buckets = config.vocabulary, config.buckets
        self.vectors = nn.EmbeddingBag(config.vocabulary + config.buckets, config.width, mode="sum")
        nn.init.uniform_(self.vectors.weight, -1 / config.width, 1 / config.width)
        self.head = nn.Linear(config.width, config.num_classes)

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Return logits (B, K); those of an empty text are the bias."""
        inside = padding_mask(lengths, tokens.shape[1])
        rows = tokens.masked_fill(~inside, 0)
        if self.buckets:
            # The later word of a pair tells whether the pair is inside.
            rows, inside = torch.cat([rows, self.bigram_ids(rows)], 1), torch.cat([inside, inside[:, 1:]], 1)
        weights = inside.to(self.vectors.weight.dtype) / inside.sum(1, keepdim=True).clamp(min=1)
        result: Tensor = self.head(self.vectors(rows, per_sample_weights=weights))
        return result

    def bigram_ids(self, tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B P"]:
        """Return the embedding rows of the P = T - 1 neighbouring pairs."""
        hashed = (tokens[:, :-1].long() * _HASH + tokens[:, 1:].long() * 97) % (2**61 - 1)
        return self.vocabulary + hashed % self.buckets
