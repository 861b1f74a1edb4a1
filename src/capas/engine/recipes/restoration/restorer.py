"""What each way of transforming pictures gives its network, and how its answer becomes a picture again.

A picture is put through in tiles with a margin that no network here sees beyond, so that the result does not depend on
the tiles; colours, which need to see far, are found on the picture made small.
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
    """One way: its ``kind``, ``channels`` of the pictures, how many times larger the result is (``scale``), and the
    ``width`` of the network."""

    kind: DegradationKind
    channels: int
    scale: int
    width: int

    @property
    def name(self) -> str:
        """The network's."""
        return "colouriser" if self.kind == "colourise" else "super-resolution" if self.scale > 1 else "dncnn"

    @property
    def loss_scale(self) -> float:
        """The range of what the network gives."""
        return 100.0 if self.kind == "colourise" else 1.0

    @property
    def max_side(self) -> int:
        """Pictures out of which pairs are made are brought to this, to learn from and to be tested."""
        return COLOUR_SIDE if self.kind == "colourise" else MAX_SIDE

    @property
    def baseline(self) -> str:
        """The name of what can be had without learning."""
        if self.scale > 1:
            return "bicubic"
        return {"colourise": "grey", "inpaint": "mean_colour"}.get(self.kind, "unchanged")

    def network(self) -> nn.Module:
        """With fresh weights, in training mode."""
        if self.kind == "colourise":
            return Colouriser(width=self.width, depth=COLOUR_DEPTH).train()
        if self.scale > 1:
            config = SuperResolutionConfig(channels=self.channels, factor=self.scale, width=self.width)
            return SuperResolution(config).train()
        extra = 1 if self.kind == "inpaint" else 0
        return DnCNN(DnCNNConfig(channels=self.channels, extra_channels=extra, width=self.width, depth=DEPTH)).train()

    def baseline_image(self, source: Tensor) -> Tensor:
        """The baseline's picture, C×H×W in 0..1."""
        if self.kind == "colourise":
            return lab_channels_to_rgb(source, source.new_zeros(2, *source.shape[1:]))
        if self.scale > 1:
            return bicubic(source[None], source.shape[1] * self.scale, source.shape[2] * self.scale)[0]
        return source[: self.channels]

    def restore(self, network: nn.Module, source: Tensor, execution: Execution) -> Tensor:
        """The picture that the network makes of ``given`` (C×H×W), in 0..1, ``scale`` times as large."""
        if self.kind == "colourise":
            return lab_channels_to_rgb(source, _colours(network, source, execution))
        restored = apply_in_tiles(network, source, self.scale, execution).clamp(0, 1)
        if self.kind == "inpaint":
            hole = source[-1:]
            restored = restored * hole + source[: self.channels] * (1 - hole)
        return restored

    def target_image(self, source: Tensor, target: Tensor) -> Tensor:
        """What should come out, as a picture in 0..1."""
        return lab_channels_to_rgb(source, target) if self.kind == "colourise" else target


def _colours(network: nn.Module, lightness: Tensor, execution: Execution) -> Tensor:
    """a and b, found on a picture of at most ``COLOUR_SIDE`` and enlarged: eyes see colour coarsely."""
    height, width = lightness.shape[1:]
    scale = min(1.0, COLOUR_SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = functional.interpolate(lightness[None], size, mode="bilinear", antialias=True, align_corners=False)
    colours = forward_batch(network, small, execution)
    return functional.interpolate(colours, (height, width), mode="bilinear", align_corners=False)[0]


def restorer_from_config(config: Config) -> Restorer:
    """What a settled configuration means."""
    kind, factor = config.transform.kind, config.transform.factor
    assert kind != "auto"
    scale = int(factor) if factor != "auto" and config.network.name == "super-resolution" else 1
    return Restorer(kind=kind, channels=int(config.data.channels), scale=scale, width=int(config.network.width))
