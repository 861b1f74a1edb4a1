"""TODO docstring."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_sizes
from capas.networks.sequence.transformer import TextEncoder, TransformerConfig


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
        check_sizes(num_classes=self.num_classes)

    def encoder(self) -> TransformerConfig:
        """The setting of the encoder, which checks the rest."""
        return TransformerConfig(
            vocabulary=self.vocabulary, width=self.width, heads=self.heads, encoder_layers=self.layers,
            feedforward=4 * self.width, dropout=self.dropout, pre_norm=True,
        )  # fmt: skip


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
