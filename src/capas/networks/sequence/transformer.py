"""Transformer: Vaswani et al., "Attention Is All You Need", NIPS 2017 (arXiv:1706.03762).

    post-norm (the paper, Section 3.1):   x ← LayerNorm(x + Dropout(sublayer(x)))
    pre-norm:                             x ← x + Dropout(sublayer(LayerNorm(x)))
    FFN(x) = max(0, x W_1 + b_1) W_2 + b_2                                                  (eq. 2)
    PE(pos, 2i) = sin(pos / 10000^(2i/D)),  PE(pos, 2i + 1) = cos(…)                         (Section 3.5)

One matrix embeds source and target, multiplied by √D, and turns the decoder's vectors into logits (Section 3.4). It is
drawn with deviation 1/√D, so that embedded tokens have unit variance and first logits are small; with torch's default
deviation of 1 training does not get going.

Where we deviate: a last LayerNorm closes each stack, as in torch.nn.Transformer (pre-norm needs it; Xiong et al. 2020,
arXiv:2002.04745; post-norm trains with a warm-up only). The base setting has 44,140,544 parameters without embeddings.

Shapes: B batch, S source and T target places, D width, V vocabulary.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from capas.networks.sequence.attention import KeyValueCache, MultiHeadAttention, padding_mask


@dataclass(frozen=True, kw_only=True, slots=True)
class TransformerConfig:
    """The paper's base configuration, save for the vocabulary.

    Attributes:
        vocabulary: Number of tokens, shared by source and target.
        width: Width of the embeddings.
        heads: Attention heads per layer.
        encoder_layers: Layers of the encoder.
        decoder_layers: Layers of the decoder.
        feedforward: Hidden units of the feed-forward networks.
        dropout: Share of units dropped, in [0, 1).
        pre_norm: LayerNorm before each sublayer instead of after it.
    """

    vocabulary: int
    width: int = 512
    heads: int = 8
    encoder_layers: int = 6
    decoder_layers: int = 6
    feedforward: int = 2048
    dropout: float = 0.1
    pre_norm: bool = False

    def __post_init__(self) -> None:
        if self.width % 2 or self.heads < 1 or self.width % self.heads:
            raise ValueError(f"width is {self.width}; expected an even multiple of heads = {self.heads}")
        for name in ("vocabulary", "encoder_layers", "decoder_layers", "feedforward"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 ≤ value < 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerCache:
    """Keys and values of one decoder layer: of the target so far (None before the first token) and of the source."""

    target: KeyValueCache | None
    source: KeyValueCache


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderCache:
    """State of an incremental decoder.

    Attributes:
        position: Number of tokens decoded.
        layers: Keys and values per layer.
        allowed: Mask of the source, bool (B, S), False at padding.
    """

    position: int
    layers: tuple[LayerCache, ...]
    allowed: Tensor

    def select(self, rows: Tensor) -> "DecoderCache":
        """Return the batch rows ``rows`` (N indices, repeats allowed), as beam search re-sorts them."""
        layers = tuple(
            LayerCache(target=layer.target and layer.target.select(rows), source=layer.source.select(rows))
            for layer in self.layers
        )
        return DecoderCache(position=self.position, layers=layers, allowed=self.allowed[rows])


def sinusoidal_positions(
    length: int, width: int, *, start: int = 0, device: torch.device | None = None
) -> Float[Tensor, "T D"]:
    """Return the position encodings of ``start`` … ``start + length - 1``, in [-1, 1] (Section 3.5).

    >>> sinusoidal_positions(1, 4).tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    places = torch.arange(start, start + length, device=device, dtype=torch.float32)
    rates = 10_000.0 ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angles = places[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class ResidualSublayer(nn.Module):
    """The residual connection around a sublayer, with its LayerNorm before (pre-norm) or after it: (…, D) → (…, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.pre_norm = config.pre_norm

    def before(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Return the input of the sublayer."""
        return self._normed(x) if self.pre_norm else x

    def after(self, x: Float[Tensor, "*B D"], result: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Return ``x`` with the sublayer's ``result`` added."""
        total = x + self.dropout(result)
        return total if self.pre_norm else self._normed(total)

    def _normed(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(x)
        return result


def feed_forward(config: TransformerConfig) -> nn.Sequential:
    """Return the feed-forward network of equation 2: (…, D) → (…, D)."""
    return nn.Sequential(
        nn.Linear(config.width, config.feedforward), nn.ReLU(), nn.Linear(config.feedforward, config.width)
    )


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network: (B, S, D) → (B, S, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.width, config.heads)
        self.feed = feed_forward(config)
        self.around_attention, self.around_feed = ResidualSublayer(config), ResidualSublayer(config)

    def forward(self, x: Float[Tensor, "B S D"], allowed: Bool[Tensor, "B S"]) -> Float[Tensor, "B S D"]:
        """Return the layer's outputs; ``allowed`` is False at padding."""
        y = self.around_attention.before(x)
        x = self.around_attention.after(x, self.attention(y, y, allowed[:, None, None]))
        return self.around_feed.after(x, self.feed(self.around_feed.before(x)))


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the source (``cross``), then the feed-forward network: (B, T, D) →
    (B, T, D).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.width, config.heads)
        self.cross = MultiHeadAttention(config.width, config.heads)
        self.feed = feed_forward(config)
        self.around_attention, self.around_cross = ResidualSublayer(config), ResidualSublayer(config)
        self.around_feed = ResidualSublayer(config)

    def forward(
        self, x: Float[Tensor, "B T D"], memory: LayerCache, allowed: Bool[Tensor, "B S"]
    ) -> tuple[Float[Tensor, "B T D"], LayerCache]:
        """Return the outputs for tokens ``x`` that follow those in ``memory``, and the cache extended by them."""
        y = self.around_attention.before(x)
        own = self.attention.project_keys_values(y)
        target = own if memory.target is None else memory.target.append(own)
        x = self.around_attention.after(x, self.attention.attend(y, target, causal=True))
        looked = self.cross.attend(self.around_cross.before(x), memory.source, allowed[:, None, None])
        x = self.around_cross.after(x, looked)
        x = self.around_feed.after(x, self.feed(self.around_feed.before(x)))
        return x, LayerCache(target=target, source=memory.source)


class TransformerEncoder(nn.Module):
    """The encoder stack: (B, S, D) → (B, S, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x: Float[Tensor, "B S D"], allowed: Bool[Tensor, "B S"]) -> Float[Tensor, "B S D"]:
        """Return the encoder's outputs; ``allowed`` is False at padding."""
        for layer in self.layers:
            x = layer(x, allowed)
        result: Tensor = self.norm(x)
        return result


class TransformerDecoder(nn.Module):
    """The decoder stack: embeddings (B, T, D) and a cache → (B, T, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.width)

    def begin(self, source: Float[Tensor, "B S D"], allowed: Bool[Tensor, "B S"]) -> DecoderCache:
        """Return the cache before the first token: only the encoded ``source``."""
        crossings = (layer.cross for layer in self.layers if isinstance(layer, DecoderLayer))
        layers = tuple(LayerCache(target=None, source=cross.project_keys_values(source)) for cross in crossings)
        return DecoderCache(position=0, layers=layers, allowed=allowed)

    def forward(self, x: Float[Tensor, "B T D"], memory: DecoderCache) -> tuple[Float[Tensor, "B T D"], DecoderCache]:
        """Return the outputs for tokens that follow those in ``memory``, and the cache after them."""
        after: list[LayerCache] = []
        for layer, past in zip(self.layers, memory.layers, strict=True):
            x, present = layer(x, past, memory.allowed)
            after.append(present)
        later = DecoderCache(position=memory.position + x.shape[1], layers=tuple(after), allowed=memory.allowed)
        return self.norm(x), later


class TokenEmbedding(nn.Module):
    """Token ids (B, T) → embeddings (B, T, D): rows of the shared matrix times √D, plus position encodings, then
    dropout.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(config.vocabulary, config.width) * config.width**-0.5)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Int[Tensor, "B T"], start: int = 0) -> Float[Tensor, "B T D"]:
        """Return the embeddings; ``start`` is the position of the first token."""
        width = self.weight.shape[1]
        waves = sinusoidal_positions(tokens.shape[1], width, start=start, device=tokens.device).to(self.weight.dtype)
        result: Tensor = self.dropout(F.embedding(tokens, self.weight) * width**0.5 + waves)
        return result

    def logits(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """Return logits (B, T, V) of each token of the vocabulary."""
        return F.linear(x, self.weight)


class Transformer(nn.Module):
    """Encoder and decoder: source ids (B, S), lengths (B,) and target ids (B, T) → logits (B, T, V) of the next token.

    Texts are padded on the right, with any token: ``lengths`` say where they end.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(config)
        self.encoder = TransformerEncoder(config)
        self.decoder = TransformerDecoder(config)
        _initialise([self.encoder, self.decoder])

    def forward(
        self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"], target: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T V"]:
        """Return logits of the token after each target token. Padding of the target comes last, so nothing real attends
        to it.
        """
        return self.decode(target, self.encode(source, lengths))[0]

    def encode(self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"]) -> DecoderCache:
        """Encode the source; returns the cache that decoding starts from."""
        allowed = padding_mask(lengths, source.shape[1])
        return self.decoder.begin(self.encoder(self.embedding(source), allowed), allowed)

    def decode(self, target: Int[Tensor, "B T"], memory: DecoderCache) -> tuple[Float[Tensor, "B T V"], DecoderCache]:
        """Return logits after each of the ``target`` tokens, which follow those in ``memory``, and the cache after
        them.
        """
        x, later = self.decoder(self.embedding(target, memory.position), memory)
        return self.embedding.logits(x), later


class TextEncoder(nn.Module):
    """Token ids (B, T) and lengths (B,) → text embeddings (B, D): the encoder's outputs, averaged over the text."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(config)
        self.encoder = TransformerEncoder(config)
        _initialise([self.encoder])

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B D"]:
        """Return the embeddings; an empty text gives zeros."""
        allowed = padding_mask(lengths, tokens.shape[1])
        x: Tensor = self.encoder(self.embedding(tokens), allowed)
        return masked_mean(x, allowed)


def masked_mean(x: Float[Tensor, "B T D"], allowed: Bool[Tensor, "B T"]) -> Float[Tensor, "B D"]:
    """Return the mean over the ``allowed`` positions; zeros where there is none."""
    kept = x.masked_fill(~allowed[:, :, None], 0.0)
    return kept.sum(dim=1) / allowed.sum(dim=1, keepdim=True).clamp(min=1)


def _initialise(parts: Iterable[nn.Module]) -> None:
    # Glorot's, as the authors' code and torch.nn.Transformer.
    for part in parts:
        for layer in part.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
