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
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.attention import padding_mask
from capas.networks.transformer import TextEncoder, TransformerConfig

# A prime near 2³²/φ (Knuth's multiplicative hashing), so that pairs (a, b) and (b, a) differ.
_HASH = 2_654_435_761


@dataclass(frozen=True, kw_only=True, slots=True)
class BagOfNgramsConfig:
    """``buckets``: rows that all word pairs share; 0 leaves the pairs out."""

    vocabulary: int
    num_classes: int
    width: int = 64
    buckets: int = 2**16

    def __post_init__(self) -> None:
        _check(vocabulary=self.vocabulary, num_classes=self.num_classes, width=self.width)
        if self.buckets < 0:
            raise ValueError(f"buckets is {self.buckets}; expected 0 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class TextCNNConfig:
    """``maps`` for each of the ``windows`` (in words); the paper's 100 of 3, 4 and 5, over vectors of 300."""

    vocabulary: int
    num_classes: int
    width: int = 300
    windows: tuple[int, ...] = (3, 4, 5)
    maps: int = 100
    dropout: float = 0.5

    def __post_init__(self) -> None:
        _check(vocabulary=self.vocabulary, num_classes=self.num_classes, width=self.width, maps=self.maps)
        if not self.windows or min(self.windows) < 1:
            raise ValueError(f"windows is {self.windows}; expected one size or more, each 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 ≤ value < 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTransformerConfig:
    """A small encoder with pre-norm, which needs no warm-up."""

    vocabulary: int
    num_classes: int
    width: int = 128
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        _check(num_classes=self.num_classes)

    def encoder(self) -> TransformerConfig:
        """The setting of the encoder, which checks the rest."""
        return TransformerConfig(
            vocabulary=self.vocabulary, width=self.width, heads=self.heads, encoder_layers=self.layers,
            feedforward=4 * self.width, dropout=self.dropout, pre_norm=True,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class SparseLinearConfig:
    """``features``: how many different indices there are."""

    features: int
    num_classes: int

    def __post_init__(self) -> None:
        _check(features=self.features, num_classes=self.num_classes)


class BagOfNgrams(nn.Module):
    """Tokens B×T and lengths B → logits B×K, by the mean vector of all words and neighbouring pairs."""

    def __init__(self, config: BagOfNgramsConfig) -> None:
        super().__init__()
        self.vocabulary, self.buckets = config.vocabulary, config.buckets
        self.vectors = nn.EmbeddingBag(config.vocabulary + config.buckets, config.width, mode="sum")
        nn.init.uniform_(self.vectors.weight, -1 / config.width, 1 / config.width)
        self.head = nn.Linear(config.width, config.num_classes)

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """An empty text gives the logits of a mean of nothing: the bias."""
        inside = padding_mask(lengths, tokens.shape[1])
        rows = tokens.masked_fill(~inside, 0)
        if self.buckets:
            # The later word of a pair tells whether the pair is inside.
            rows, inside = torch.cat([rows, self.pairs(rows)], 1), torch.cat([inside, inside[:, 1:]], 1)
        weights = inside.to(self.vectors.weight.dtype) / inside.sum(1, keepdim=True).clamp(min=1)
        result: Tensor = self.head(self.vectors(rows, per_sample_weights=weights))
        return result

    def pairs(self, tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B P"]:
        """The rows of the P = T - 1 neighbouring pairs."""
        hashed = (tokens[:, :-1].long() * _HASH + tokens[:, 1:].long() * 97) % (2**61 - 1)
        return self.vocabulary + hashed % self.buckets


class TextCNN(nn.Module):
    """Tokens B×T and lengths B → logits B×K, by the strongest answer of each convolution anywhere in the text."""

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__()
        self.vectors = nn.Embedding(config.vocabulary, config.width)
        nn.init.uniform_(self.vectors.weight, -0.25, 0.25)
        self.convolutions = nn.ModuleList(nn.Conv1d(config.width, config.maps, size) for size in config.windows)
        self.windows = config.windows
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.maps * len(config.windows), config.num_classes)

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Texts shorter than a window are seen with zeros behind them."""
        inside = padding_mask(lengths, tokens.shape[1])
        x = self.vectors(tokens).masked_fill(~inside[:, :, None], 0.0).transpose(1, 2)
        x = F.pad(x, (0, max(0, max(self.windows) - x.shape[2])))
        strongest = [
            self.strongest(convolution(x), lengths, size)
            for convolution, size in zip(self.convolutions, self.windows, strict=True)
        ]
        result: Tensor = self.head(self.dropout(torch.cat(strongest, dim=1)))
        return result

    @staticmethod
    def strongest(answers: Float[Tensor, "B M T"], lengths: Int[Tensor, " B"], size: int) -> Float[Tensor, "B M"]:
        """The largest of ReLU(answers) over the windows that lie in the text: the first, and those that fit."""
        valid = padding_mask((lengths - size + 1).clamp(min=1), answers.shape[2])
        # After the ReLU nothing is below zero, so that zero is as good as absent.
        return F.relu(answers).masked_fill(~valid[:, None], 0.0).amax(dim=2)


class TextTransformer(nn.Module):
    """Tokens B×T and lengths B → logits B×K, by an encoder and a mean over the text."""

    def __init__(self, config: TextTransformerConfig) -> None:
        super().__init__()
        self.encoder = TextEncoder(config.encoder())
        self.head = nn.Linear(config.width, config.num_classes)

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Logits."""
        result: Tensor = self.head(self.encoder(tokens, lengths))
        return result


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


def _check(**sizes: int) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; expected 1 or more")
