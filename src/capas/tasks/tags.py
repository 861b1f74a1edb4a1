"""Several yes/no properties per example: the objective, and from which probability on each property is said to hold.

Learning is binary cross-entropy per tag. A threshold per tag is tuned on the validation split for F1 (Yang, "A Study of
Thresholding Strategies for Text Categorization", SIGIR 2001, "SCut"). A tag with few examples there says little about
its own best threshold, so that its counts are joined by those of ``PRIOR`` average examples of all tags together: rare
tags get nearly the common threshold, frequent ones their own.

Shapes: N examples, K tags.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from capas.core.objective import Phase

PRIOR = 20.0
# Candidates: steps of half a percentage point.
_GRID = 199


@runtime_checkable
class TaggedBatch(Protocol):
    """What this task needs of a batch."""

    @property
    def inputs(self) -> object:
        """What the network is called with."""

    @property
    def targets(self) -> Tensor:
        """N×K: 1 or true where the tag holds."""


class Tagging:
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

    def losses(self, batch: TaggedBatch, phase: Phase, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"loss": self.loss(self.network(batch.inputs), batch.targets)}

    def loss(self, logits: Float[Tensor, "N K"], tags: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy in nats of an example's tags together: summed over the tags, averaged over the examples."""
        weights = None if self.positive_weights is None else self.positive_weights.to(logits.device)
        losses = F.binary_cross_entropy_with_logits(logits.float(), tags.float(), pos_weight=weights, reduction="none")
        return losses.sum(1).mean()


def positive_weights(tags: Bool[Tensor, "N K"], most: float = 10.0) -> Float[Tensor, " K"]:
    """How often a tag is absent per time that it is present, within 1..``most``: rare tags weigh more."""
    present = tags.sum(0).clamp(min=1)
    return ((len(tags) - present) / present).float().clamp(1.0, most)


def tune_thresholds(
    probabilities: Float[Tensor, "N K"], tags: Bool[Tensor, "N K"], *, prior: float = PRIOR
) -> Float[Tensor, " K"]:
    """The threshold per tag in 0..1 that has the best F1 on these validation examples (see above for ``prior``).

    A tag holds where its probability reaches the threshold. With ``prior`` 0 each tag stands alone; with a large one
    all tags share one threshold.
    """
    grid = torch.arange(1, _GRID + 1, dtype=torch.float64) / (_GRID + 1)
    called = torch.stack([(probabilities >= threshold).sum(0) for threshold in grid]).double()
    found = torch.stack([((probabilities >= threshold) & tags).sum(0) for threshold in grid]).double()
    present = tags.sum(0).double()
    share = prior / present.sum().clamp(min=1)
    called = called + share * called.sum(1, keepdim=True)
    found = found + share * found.sum(1, keepdim=True)
    present = present + share * present.sum()
    f1 = 2 * found / (called + present).clamp(min=1e-12)
    return grid[_middle_of_best(f1)].float()


def call_tags(probabilities: Float[Tensor, "N K"], thresholds: Float[Tensor, " K"]) -> Bool[Tensor, "N K"]:
    """Which tags are said to hold."""
    return probabilities >= thresholds


def _middle_of_best(f1: Float[Tensor, "G K"]) -> Tensor:
    # Between two probabilities all thresholds are as good: the middle of the best ones is the safest.
    best = f1 >= f1.amax(0) - 1e-12
    first = best.int().argmax(0)
    # Only the first stretch, should there be several.
    places = torch.arange(len(f1))[:, None]
    broken = ~best & (places > first)
    end = torch.where(broken.any(0), broken.int().argmax(0), len(f1)) - 1
    return (first + end) // 2
