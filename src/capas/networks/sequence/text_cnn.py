"""TextCNN: Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014 (arXiv:1408.5882): convolutions
over windows of 3, 4 and 5 words, the maximum over time, dropout 0.5, a linear layer. Without pretrained embeddings
("CNN-rand") and without the bound on the norm of the last weights.

Shapes: B texts, T tokens, M maps, K classes. Texts are padded on the right with any token; ``lengths`` say where they
end.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.sequence.attention import padding_mask


@dataclass(frozen=True, kw_only=True, slots=True)
class TextCNNConfig:
    """Configuration of ``TextCNN``.

    Attributes:
        vocabulary: Number of tokens.
        num_classes: Number of outputs.
        width: Width of the embeddings; the paper's 300.
        windows: Kernel sizes in words; the paper's 3, 4 and 5.
        maps: Feature maps per kernel size; the paper's 100.
        dropout: Share of units dropped, in [0, 1).
    """

    vocabulary: int
    num_classes: int
    width: int = 300
    windows: tuple[int, ...] = (3, 4, 5)
    maps: int = 100
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check_at_least_one(vocabulary=self.vocabulary, num_classes=self.num_classes, width=self.width, maps=self.maps)
        if not self.windows or min(self.windows) < 1:
            raise ValueError(f"windows is {self.windows}; expected one size or more, each 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 ≤ value < 1")


class TextCNN(nn.Module):
    """Token ids (B, T) and lengths (B,) → logits (B, K)."""

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__()
        self.vectors = nn.Embedding(config.vocabulary, config.width)
        nn.init.uniform_(self.vectors.weight, -0.25, 0.25)
        self.convolutions = nn.ModuleList(nn.Conv1d(config.width, config.maps, size) for size in config.windows)
        self.windows = config.windows
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.maps * len(config.windows), config.num_classes)

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Return logits (B, K); texts shorter than a window are padded with zeros."""
        inside = padding_mask(lengths, tokens.shape[1])
        x = self.vectors(tokens).masked_fill(~inside[:, :, None], 0.0).transpose(1, 2)
        x = F.pad(x, (0, max(0, max(self.windows) - x.shape[2])))
        strongest = [
            self.max_over_time(convolution(x), lengths, size)
            for convolution, size in zip(self.convolutions, self.windows, strict=True)
        ]
        result: Tensor = self.head(self.dropout(torch.cat(strongest, dim=1)))
        return result

    @staticmethod
    def max_over_time(
        activations: Float[Tensor, "B M T"], lengths: Int[Tensor, " B"], size: int
    ) -> Float[Tensor, "B M"]:
        """Return the maximum over time of ReLU(activations), (B, M), over the windows inside the text: the first, and
        those that fit.
        """
        valid = padding_mask((lengths - size + 1).clamp(min=1), activations.shape[2])
        # After the ReLU nothing is below zero, so that zero is as good as absent.
        return F.relu(activations).masked_fill(~valid[:, None], 0.0).amax(dim=2)
