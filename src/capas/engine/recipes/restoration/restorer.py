"""The kinds of image-to-image problems: which network each has, and how its output becomes an image again.

Colours, which need a large receptive field, are predicted on the downscaled image; all else in tiles (``tiling.py``).
"""

from dataclasses import dataclass
from typing import Final

from torch import Tensor, nn
from torch.nn import functional

from capas.data.image.degradations import (
    DegradationKind,
    lab_channels_to_rgb,
)
from capas.engine.config import Config
from capas.engine.execution import Execution
from capas.engine.recipes.restoration.tiling import apply_in_tiles
from capas.engine.recipes.shared.forward import forward_batch
from capas.networks.vision.bicubic import bicubic
from capas.networks.vision.colouriser import Colouriser
from capas.networks.vision.dncnn import DnCNN, DnCNNConfig
from capas.networks.vision.super_resolution import SuperResolution, SuperResolutionConfig

COLOUR_SIDE: Final = 256
MAX_SIDE: Final = 512
DEPTH, COLOUR_DEPTH = 8, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Restorer:
    """One image-to-image problem.

    Attributes:
        kind: What is restored.
        channels: Channels of the images, 1 or 3.
        scale: Upscaling factor, 1 where the size is kept.
        width: Width of the network.
    """

    kind: DegradationKind
    channels: int
    scale: int
    width: int

    @property
    def name(self) -> str:
        """Name of the network in the catalogue."""
        return "colouriser" if self.kind == "colourise" else "super-resolution" if self.scale > 1 else "dncnn"

    @property
    def loss_scale(self) -> float:
        """Range of the network's outputs."""
        return 100.0 if self.kind == "colourise" else 1.0

    @property
    def max_side(self) -> int:
        """Longest side of the images that degraded pairs are made of, in training and in evaluation."""
        return COLOUR_SIDE if self.kind == "colourise" else MAX_SIDE

    @property
    def baseline(self) -> str:
        """Name of the baseline without training."""
        if self.scale > 1:
            return "bicubic"
        return {"colourise": "grey", "inpaint": "mean_colour"}.get(self.kind, "unchanged")

    def network(self) -> nn.Module:
        """Return a network with fresh weights, in training mode."""
        if self.kind == "colourise":
            return Colouriser(width=self.width, depth=COLOUR_DEPTH).train()
        if self.scale > 1:
            config = SuperResolutionConfig(channels=self.channels, factor=self.scale, width=self.width)
            return SuperResolution(config).train()
        extra = 1 if self.kind == "inpaint" else 0
        return DnCNN(DnCNNConfig(channels=self.channels, extra_channels=extra, width=self.width, depth=DEPTH)).train()

    def baseline_image(self, source: Tensor) -> Tensor:
        """Return the baseline's image (C, H, W) in [0, 1]."""
        if self.kind == "colourise":
            return lab_channels_to_rgb(source, source.new_zeros(2, *source.shape[1:]))
        if self.scale > 1:
            return bicubic(source[None], source.shape[1] * self.scale, source.shape[2] * self.scale)[0]
        return source[: self.channels]

    def restore(self, network: nn.Module, source: Tensor, execution: Execution) -> Tensor:
        """Return the restored image in [0, 1], ``scale`` times as large as ``source`` (C, H, W)."""
        if self.kind == "colourise":
            return lab_channels_to_rgb(source, _colours(network, source, execution))
        restored = apply_in_tiles(network, source, self.scale, execution).clamp(0, 1)
        if self.kind == "inpaint":
            hole = source[-1:]
            restored = restored * hole + source[: self.channels] * (1 - hole)
        return restored

    def target_image(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the target as an image in [0, 1]."""
        return lab_channels_to_rgb(source, target) if self.kind == "colourise" else target


def _colours(network: nn.Module, lightness: Tensor, execution: Execution) -> Tensor:
    """The channels a and b, predicted at no more than ``COLOUR_SIDE`` pixels and upsampled: eyes see colour
    coarsely.
    """
    height, width = lightness.shape[1:]
    scale = min(1.0, COLOUR_SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = functional.interpolate(lightness[None], size, mode="bilinear", antialias=True, align_corners=False)
    colours = forward_batch(network, small, execution)
    return functional.interpolate(colours, (height, width), mode="bilinear", align_corners=False)[0]


def restorer_from_config(config: Config) -> Restorer:
    """Return the problem that a resolved configuration describes."""
    kind, factor = config.transform.kind, config.transform.factor
    assert kind != "auto" and kind != "unpaired"
    scale = int(factor) if factor != "auto" and config.network.name == "super-resolution" else 1
    return Restorer(kind=kind, channels=int(config.data.channels), scale=scale, width=int(config.network.width))
