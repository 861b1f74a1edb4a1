"""Attention maps of text encoders: which words the embedding of a text is gathered from.

- rollout: Abnar & Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020 (arXiv:2005.00928), Section 3:
  R = Ā_L ⋯ Ā_1 with Ā_l = (A_l + I)/2, A_l the mean over the heads and I for the residual connection;
- the last layer: A_L alone.

The embedding of a text is the mean over its positions, so a position has the mean of its column, and a word the sum of
its tokens. Attention is a weak explanation (Jain & Wallace, "Attention is not Explanation", NAACL 2019,
arXiv:1902.10186: very different attention often gives the same prediction), so its maps have to pass all checks.

Shapes: H heads, T positions, P words.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.engine.recipes.single_output.feature_hooks import layers_of
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.networks.sequence.attention import MultiHeadAttention, capture_attention


def rollout(layers: Sequence[Float[Tensor, "_ T T"]]) -> Float[Tensor, "T T"]:
    """Return the attention rollout over ``layers``, the first one first; rows sum to one."""
    heads = [layer.mean(0) for layer in layers]
    flow = torch.eye(len(heads[0]), dtype=heads[0].dtype)
    for mean in heads:
        flow = (mean + torch.eye(len(mean), dtype=mean.dtype)) / 2 @ flow
    return flow


def last_layer(layers: Sequence[Float[Tensor, "_ T T"]]) -> Float[Tensor, "T T"]:
    """Return the mean attention over the heads of the last of the ``layers``; rows sum to one."""
    return layers[-1].mean(0)


ATTENTION_METHODS: Final[Mapping[str, Callable[[Sequence[Tensor]], Tensor]]] = MappingProxyType(
    {"attention_rollout": rollout, "attention_last": last_layer}
)


def attention_network(reader: TextReader) -> nn.Module | None:
    """Return the attention network that encodes a text; None where there is none."""
    encoder = reader.encoding.encoder
    network = reader.network if encoder is None else encoder
    return network if layers_of(network, MultiHeadAttention) else None


@torch.no_grad()
def attention_to_words(reader: TextReader, words: Sequence[str], text: str) -> dict[str, Float[Tensor, " P"]]:
    """Return the attention to each of the first ``words`` of ``text``, 0..1, by method of ``ATTENTION_METHODS``.

    Empty where the network has no attention. What is left to 1 went to the rest of the text.
    """
    network = attention_network(reader)
    if network is None:
        return {}
    with capture_attention(network) as kept:
        reader.network(reader.collate([text]))
    layers = [weights[0] for weights in kept.values()]
    code = reader.encoding
    ends = list(accumulate(map(code.count_tokens, words), initial=code.num_leading_tokens))
    found = {}
    for name, way in ATTENTION_METHODS.items():
        shares = way(layers).mean(0)
        found[name] = torch.stack([shares[start:end].sum() for start, end in pairwise(ends)])
    return found
