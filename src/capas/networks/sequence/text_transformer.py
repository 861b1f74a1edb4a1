"""A Transformer encoder for text classification: the encoder of Vaswani et al., "Attention Is All You Need", NIPS 2017
(arXiv:1706.03762; ``transformer.py``), averaged over the text, then a linear layer.

Shapes: B texts, T tokens, K classes. Texts are padded on the right with any token; ``lengths`` say where they end.
"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.sequence.transformer import TextEncoder, TransformerConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTransformerConfig:
    """A small encoder with pre-norm, which needs no warm-up.

    Attributes:
        vocabulary: Number of tokens.
        num_classes: Number of outputs.
        width: Width of the embeddings.
        heads: Attention heads per layer.
        layers: Encoder layers.
        dropout: Share of units dropped, in [0, 1).
    """

    vocabulary: int
    num_classes: int
    width: int = 128
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_at_least_one(num_classes=self.num_classes)

    def encoder(self) -> TransformerConfig:
        """Return the configuration of the encoder, which validates the rest."""
        return TransformerConfig(
            vocabulary=self.vocabulary, width=self.width, heads=self.heads, encoder_layers=self.layers,
            feedforward=4 * self.width, dropout=self.dropout, pre_norm=True,
        )  # fmt: skip


class TextTransformer(nn.Module):
    """Token ids (B, T) and lengths (B,) → logits (B, K)."""

    def __init__(self, config: TextTransformerConfig) -> None:
        super().__init__()
        self.encoder = TextEncoder(config.encoder())
        self.head = nn.Linear(config.width, config.num_classes)

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Return logits (B, K)."""
        result: Tensor = self.head(self.encoder(tokens, lengths))
        return result
