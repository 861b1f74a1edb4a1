"""Learning to predict each number of an image from those before it: van den Oord, Kalchbrenner & Kavukcuoglu, "Pixel
Recurrent Neural Networks", ICML 2016, eq. 1.

The loss is −log₂ p per number, the mean over an image, in bits: an exact likelihood of the levels.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext


@runtime_checkable
class ImagesWithClasses(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> Tensor:
        """Images (B, C, H, W) in [-1, 1]."""

    @property
    def condition(self) -> Tensor | None:
        """Their classes (B,), int64; None without."""


class Autoregression:
    """Objective of a network that maps images (B, C, H, W) and classes to logits (B, L, C, H, W) of each number."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.networks: Mapping[str, nn.Module] = {"network": network}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="bits", networks=("network",)),)

    def losses(self, batch: ImagesWithClasses, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        return {"bits": bits_of_levels(self.network(batch.inputs, batch.condition), batch.inputs).mean()}


def bits_of_levels(logits: Float[Tensor, "B L C H W"], images: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
    """Return −log₂ p per number of each image."""
    levels = to_levels(images, logits.shape[1])
    nats = F.cross_entropy(logits.float(), levels, reduction="none")
    return nats.mean((1, 2, 3)) / math.log(2)


def to_levels(images: Float[Tensor, "B C H W"], levels: int) -> Int[Tensor, "B C H W"]:
    """Return the level, 0 to ``levels`` − 1, of numbers in [-1, 1]."""
    return ((images.float() + 1) * (levels - 1) / 2).round().long().clamp(0, levels - 1)


def from_levels(indices: Int[Tensor, "B C H W"], levels: int) -> Float[Tensor, "B C H W"]:
    """Return the numbers in [-1, 1] of levels."""
    return indices.to(torch.float32) * 2 / (levels - 1) - 1
