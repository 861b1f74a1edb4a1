"""Image restoration: the mean absolute error, which blurs less than the squared one.

Zhao, Gallo, Frosio & Kautz, "Loss Functions for Image Restoration with Neural Networks", IEEE TCI 2017
(arXiv:1511.08861).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext


@runtime_checkable
class RestorationBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> Tensor:
        """Source images, shape (N, C, H, W)."""

    @property
    def targets(self) -> Tensor:
        """Target images, shaped like the network's outputs."""


class Restoration:
    """Objective of image restoration: ``network`` maps source to target images of range ``scale`` (1, or 100)."""

    def __init__(self, network: nn.Module, *, scale: float = 1.0) -> None:
        self.network = network
        self.scale = scale

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: RestorationBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        return {"loss": (self.network(batch.inputs).float() - batch.targets).abs().mean() / self.scale}
