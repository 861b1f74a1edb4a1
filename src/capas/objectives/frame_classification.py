"""Frame classification: cross-entropy over labelled frames, weighted by class.

Shapes: B clips, T frames, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext

IGNORE_INDEX: Final = -1


@runtime_checkable
class FrameBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> object:
        """The network's input."""

    @property
    def targets(self) -> Tensor:
        """Class indices (B, T), ``IGNORE_INDEX`` behind the end of a clip."""


class FrameClassification:
    """Objective of a frame classifier: ``network`` maps inputs to logits (B, T, K).

    Frames with the target ``IGNORE_INDEX`` do not count.
    """

    def __init__(self, network: nn.Module, *, class_weights: Tensor | None = None) -> None:
        self.network = network
        self.class_weights = class_weights

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: FrameBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        return {"loss": self.loss(self.network(batch.inputs), batch.targets)}

    def loss(self, logits: Float[Tensor, "B T K"], targets: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
        """Return the mean cross-entropy, in nats, over the labelled frames, weighted by class."""
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        return F.cross_entropy(logits.float().transpose(1, 2), targets, weight=weights, ignore_index=IGNORE_INDEX)
