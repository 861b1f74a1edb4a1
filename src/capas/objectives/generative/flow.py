"""Learning an invertible network by exact likelihood: Kingma & Dhariwal, "Glow", NeurIPS 2018, eq. 1 and 2.

The loss is −log₂ p(x) per number of an image whose 256 levels are dequantized with uniform noise, in bits.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.sampling.dequantization import bits_per_dimension, dequantized


@runtime_checkable
class ExactDensity(Protocol):
    """What the objective needs of a network."""

    def log_likelihood(self, images: Tensor, classes: Tensor | None = None) -> Tensor:
        """Return log p(x) of each image (B,), in nats."""


@runtime_checkable
class FlowBatch(Protocol):
    """Images, and their classes."""

    @property
    def inputs(self) -> Tensor:
        """Images (B, C, H, W) in [-1, 1]."""

    @property
    def condition(self) -> Tensor | None:
        """Their classes (B,), int64; None without."""


class Flow:
    """Objective of an invertible network, an ``ExactDensity``."""

    def __init__(self, network: nn.Module) -> None:
        assert isinstance(network, ExactDensity)
        self.density: ExactDensity = network
        self.network = cast(nn.Module, network)
        self.networks: Mapping[str, nn.Module] = {"network": self.network}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="bits", networks=("network",)),)

    def losses(self, batch: FlowBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        images = batch.inputs
        uniform = context.uniform(len(images), *images.shape[1:]).to(images.device)
        # Determinants of products in bfloat16 would be those of another map.
        with torch.autocast(images.device.type, enabled=False):
            likelihood = self.density.log_likelihood(dequantized(images, uniform), batch.condition)
        return {"bits": bits_per_dimension(likelihood, images[0].numel()).mean()}
