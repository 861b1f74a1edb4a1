"""Attention: Vaswani et al., "Attention Is All You Need", NIPS 2017 (arXiv:1706.03762), Section 3.2.

    Attention(Q, K, V) = softmax(Q Kᵀ / √E) V                                              (eq. 1)
    MultiHead(Q, K, V) = Concat(head_1 … head_H) W_O,   head_i = Attention(Q W_Qi, K W_Ki, V W_Vi)

Where we deviate: the projections have biases (as the authors' code and torch.nn.MultiheadAttention); attention weights
are not dropped out, as in the paper's text but not in its code; a query that may look nowhere gives zeros, not NaN.

Shapes: B batch, H heads, T queries, S keys, E width of one head, D = H·E width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyValueCache:
    """Keys and values that can be attended to, kept between the steps of an incremental decoder.

    Attributes:
        keys: Shape (B, H, S, E).
        values: Shape (B, H, S, E).
    """

    keys: Tensor
    values: Tensor

    def append(self, other: "KeyValueCache") -> "KeyValueCache":
        """Return these positions followed by those of ``other``."""
        return KeyValueCache(
            keys=torch.cat([self.keys, other.keys], dim=2), values=torch.cat([self.values, other.values], dim=2)
        )

    def select(self, rows: Tensor) -> "KeyValueCache":
        """Return the batch rows ``rows`` (N indices, repeats allowed)."""
        return KeyValueCache(keys=self.keys[rows], values=self.values[rows])


def attention_weights(
    queries: Float[Tensor, "B H T E"], keys: Float[Tensor, "B H S E"], allowed: Bool[Tensor, "#B #H #T S"] | None
) -> Float[Tensor, "B H T S"]:
    """Return softmax(Q Kᵀ / √E): rows sum to one over the ``allowed`` keys, or are all zero where none is allowed."""
    scores: Tensor = queries @ keys.transpose(-2, -1) / float(queries.shape[-1] ** 0.5)
    if allowed is None:
        return scores.softmax(dim=-1)
    weights = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights.masked_fill(~allowed, 0.0)


def padding_mask(lengths: Int[Tensor, " B"], size: int) -> Bool[Tensor, "B S"]:
    """Return a mask (B, size), True at the first ``lengths[b]`` positions."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def causal_mask(queries: int, keys: int, device: torch.device) -> Bool[Tensor, "T S"]:
    """Return a mask (T, S), True at keys up to the query's own position; the last query is aligned with the
    last key.
    """
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


class MultiHeadAttention(nn.Module):
    """``heads`` attentions in parallel: queries (B, T, D) and memory (B, S, D) → (B, T, D).

    Masks are boolean, True where attention is allowed. Parameters as in torch.nn.MultiheadAttention: ``projection``
    stacks W_Q, W_K, W_V.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"width is {width}; expected a multiple of heads = {heads}")
        self.heads = heads
        self.projection = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        # Where keep_attention wants the weights; None takes the fast path, which never forms them.
        self.capture: tuple[dict[str, Tensor], str] | None = None
        nn.init.xavier_uniform_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)
        nn.init.zeros_(self.output.bias)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"],
        allowed: Bool[Tensor, "#B #H #T S"] | None = None,
        *,
        causal: bool = False,
    ) -> Float[Tensor, "B T D"]:
        """Attend from ``x`` to ``memory`` where ``allowed``, and if ``causal`` only up to the query's own position."""
        return self.attend(x, self.project_keys_values(memory), allowed, causal=causal)

    def project_keys_values(self, memory: Float[Tensor, "B S D"]) -> KeyValueCache:
        """Return the keys and values of all heads for ``memory``."""
        width = memory.shape[-1]
        both = F.linear(memory, self.projection.weight[width:], self.projection.bias[width:])
        keys, values = both.chunk(2, dim=-1)
        return KeyValueCache(keys=self._split(keys), values=self._split(values))

    def attend(
        self,
        x: Float[Tensor, "B T D"],
        cache: KeyValueCache,
        allowed: Bool[Tensor, "#B #H #T S"] | None = None,
        *,
        causal: bool = False,
    ) -> Float[Tensor, "B T D"]:
        """Attend to precomputed keys and values, as ``forward``; with ``causal`` the last of ``x`` is aligned with the
        last key.
        """
        width, places = x.shape[-1], (x.shape[1], cache.keys.shape[2])
        queries = self._split(F.linear(x, self.projection.weight[:width], self.projection.bias[:width]))
        simple = causal and allowed is None and places[0] == places[1] and self.capture is None
        if causal and not simple and places[0] > 1:
            order = causal_mask(*places, x.device)[None, None]
            allowed = order if allowed is None else allowed & order
        if self.capture is None:
            mixed = F.scaled_dot_product_attention(queries, cache.keys, cache.values, allowed, is_causal=simple)
        else:
            weights = attention_weights(queries, cache.keys, allowed)
            maps, name = self.capture
            maps[name] = weights.detach()
            mixed = weights @ cache.values
        result: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return result

    def _split(self, x: Float[Tensor, "B S D"]) -> Float[Tensor, "B H S E"]:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


@contextmanager
def capture_attention(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Record attention: within the block, each forward pass of ``network`` leaves its weights (B, H, T, S) in the
    dictionary.

    Keys are the dotted names of the attention layers (``decoder.layers.0.cross``); a later pass overwrites an earlier
    one. Outputs are the same up to rounding, only slower.
    """
    maps: dict[str, Tensor] = {}
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, MultiHeadAttention)}
    for name, layer in layers.items():
        layer.capture = (maps, name)
    try:
        yield maps
    finally:
        for layer in layers.values():
            layer.capture = None
