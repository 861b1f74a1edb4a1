"""Multi-label classification: binary cross-entropy per tag, with weights for rare tags.

The thresholds that turn probabilities into tags are tuned in ``capas.decoding.thresholds``.

Shapes: N examples, K tags.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext


@runtime_checkable
class MultilabelBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> object:
        """The network's input."""

    @property
    def targets(self) -> Tensor:
        """Tags (N, K): 1 or true where the tag holds."""


class MultilabelClassification:
    """Objective of a tagger: ``network`` maps inputs to logits (N, K).

    ``positive_weights`` (K) is the weight of a present tag relative to an absent one.
    """

    def __init__(self, network: nn.Module, *, positive_weights: Tensor | None = None) -> None:
        self.network = network
        self.positive_weights = positive_weights

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: MultilabelBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        return {"loss": self.loss(self.network(batch.inputs), batch.targets)}

    def loss(self, logits: Float[Tensor, "N K"], tags: Tensor) -> Float[Tensor, ""]:
        """Return the binary cross-entropy in nats, summed over the tags and averaged over the examples."""
        return self.example_losses(logits, tags).mean()

    def example_losses(self, outputs: Float[Tensor, "N K"], targets: Tensor) -> Float[Tensor, " N"]:
        """Return the binary cross-entropy of each example in nats, summed over the tags."""
        weights = None if self.positive_weights is None else self.positive_weights.to(outputs.device)
        return F.binary_cross_entropy_with_logits(
            outputs.float(), targets.float(), pos_weight=weights, reduction="none"
        ).sum(1)


def positive_weights(tags: Bool[Tensor, "N K"], max_weight: float = 10.0) -> Float[Tensor, " K"]:
    """Return the ratio of absences to presences of each tag, within 1..``max_weight``."""
    present = tags.sum(0).clamp(min=1)
    return ((len(tags) - present) / present).float().clamp(1.0, max_weight)
