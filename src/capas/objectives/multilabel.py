"""Several yes/no properties per example: the objective, and from which probability on each property is said to hold.

Learning is binary cross-entropy per tag. A threshold per tag is tuned on the validation split for F1 (Yang, "A Study of
Thresholding Strategies for Text Categorization", SIGIR 2001, "SCut"). A tag with few examples there says little about
its own best threshold, so that its counts are joined by those of ``PRIOR_EXAMPLES`` average examples of all tags together: rare
tags get nearly the common threshold, frequent ones their own.

Shapes: N examples, K tags.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from capas.objectives.base import Phase


@runtime_checkable
class MultilabelBatch(Protocol):
    """What this task needs of a batch."""

    @property
    def inputs(self) -> object:
        """What the network is called with."""

    @property
    def targets(self) -> Tensor:
        """N×K: 1 or true where the tag holds."""


class MultilabelClassification:
    """The objective of a tagger: ``network`` maps its inputs to N×K logits.

    ``positive_weights`` (K) say how much more than an absent tag a present one weighs.
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

    def losses(self, batch: MultilabelBatch, phase: Phase, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"loss": self.loss(self.network(batch.inputs), batch.targets)}

    def loss(self, logits: Float[Tensor, "N K"], tags: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy in nats of an example's tags together: summed over the tags, averaged over the examples."""
        weights = None if self.positive_weights is None else self.positive_weights.to(logits.device)
        losses = F.binary_cross_entropy_with_logits(logits.float(), tags.float(), pos_weight=weights, reduction="none")
        return losses.sum(1).mean()


def positive_weights(tags: Bool[Tensor, "N K"], max_weight: float = 10.0) -> Float[Tensor, " K"]:
    """How often a tag is absent per time that it is present, within 1..``max_weight``: rare tags weigh more."""
    present = tags.sum(0).clamp(min=1)
    return ((len(tags) - present) / present).float().clamp(1.0, max_weight)
