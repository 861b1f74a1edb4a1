"""Semantic segmentation: cross-entropy over labelled pixels, weighted by class.

Shapes: N images, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor, nn

from capas.metrics.segmentation import (
    IGNORE_INDEX,
)
from capas.objectives.base import Phase, StepContext


@runtime_checkable
class SegmentationBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> object:
        """The network's input: images (N, C, H, W), normalised."""

    @property
    def targets(self) -> Tensor:
        """Class indices (N, H, W), ``ignore_index`` where unlabelled."""


class Segmentation:
    """Objective of segmentation: ``network`` maps images to logits (N, K, H, W).

    Pixels with the target ``ignore_index`` do not count.
    """

    def __init__(
        self, network: nn.Module, *, class_weights: Tensor | None = None, ignore_index: int = IGNORE_INDEX
    ) -> None:
        self.network = network
        self.class_weights = class_weights
        self.void = ignore_index

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: SegmentationBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        return {"loss": self.loss(self.network(batch.inputs), batch.targets)}

    def loss(self, logits: Float[Tensor, "N K H W"], masks: Integer[Tensor, "N H W"]) -> Float[Tensor, ""]:
        """Return the mean cross-entropy, in nats, over the labelled pixels, weighted by class; 0 without any."""
        weights = None if self.class_weights is None else self.class_weights.to(logits)
        targets = masks.long()
        total = F.cross_entropy(logits.float(), targets, weight=weights, ignore_index=self.void, reduction="sum")
        known = targets[targets != self.void]
        divisor = weights[known].sum() if weights is not None else known.new_tensor(len(known)).float()
        return total / divisor.clamp(min=1e-12)


def pixel_class_weights(
    masks: Integer[Tensor, "N H W"], num_classes: int, *, ignore_index: int = IGNORE_INDEX
) -> Float[Tensor, " K"]:
    """Return class weights for rare classes: 1 / ln(1.02 + share of the pixels), about 1.4..50.

    Paszke et al., "ENet", arXiv:1606.02147, section 5.2.
    """
    counts = torch.bincount(masks[masks != ignore_index].long(), minlength=num_classes).float()
    return 1 / (1.02 + counts / counts.sum().clamp(min=1)).log()
