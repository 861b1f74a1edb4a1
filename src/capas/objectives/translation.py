"""Translation: cross-entropy with label smoothing under teacher forcing.

Vaswani et al., "Attention Is All You Need", 2017 (arXiv:1706.03762), Section 5: the decoder sees the reference up to
each position and predicts the next token.

Shapes: N pairs, S source tokens, T target tokens, V vocabulary size.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext

_IGNORED = -100


@runtime_checkable
class TranslationBatch(Protocol):
    """N pairs of texts, padded on the right; targets begin with the begin token and end with the end token."""

    @property
    def source(self) -> Tensor:
        """Source tokens, shape (N, S)."""

    @property
    def source_lengths(self) -> Tensor:
        """Source lengths, shape (N,)."""

    @property
    def target(self) -> Tensor:
        """Target tokens, shape (N, T)."""

    @property
    def target_lengths(self) -> Tensor:
        """Target lengths, shape (N,), counting begin and end."""


class Translation:
    """Objective of translation: ``network`` maps source, source lengths and target to next-token logits (N, T, V)."""

    def __init__(self, network: nn.Module, *, label_smoothing: float = 0.1) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is {label_smoothing}; expected 0 ≤ value < 1")
        self.network = network
        self.label_smoothing = label_smoothing

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: TranslationBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        given, wanted = batch.target[:, :-1], batch.target[:, 1:]
        logits = self.network(batch.source, batch.source_lengths, given)
        places = torch.arange(wanted.shape[1], device=wanted.device)
        wanted = wanted.masked_fill(places >= batch.target_lengths[:, None] - 1, _IGNORED)
        return {"loss": self.loss(logits, wanted)}

    def loss(self, logits: Float[Tensor, "N T V"], targets: Int[Tensor, "N T"]) -> Float[Tensor, ""]:
        """Return the mean smoothed cross-entropy per token, in nats."""
        return F.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=_IGNORED, label_smoothing=self.label_smoothing
        )
