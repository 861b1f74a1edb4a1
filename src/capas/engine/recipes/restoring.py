"""What each way of transforming pictures gives its network, and how its answer becomes a picture again.

A picture is put through in tiles with a margin that no network here sees beyond, so that the result does not depend on
the tiles; colours, which need to see far, are found on the picture made small.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from capas.data.lab import delta_e_2000, rgb_to_lab
from capas.data.made_pairs import Kind, coloured
from capas.engine.choose import Execution
from capas.engine.recipes.one_answer import outputs_of
from capas.networks.restoration import (
    Colouriser,
    DnCNN,
    DnCNNConfig,
    SuperResolution,
    SuperResolutionConfig,
    bicubic,
)
from capas.tasks.picture_quality import WINDOW, psnr, ssim

TILE, MARGIN = 256, 32
COLOUR_SIDE: Final = 256
LARGEST_SIDE: Final = 512
MOST_DB: Final = 100.0  # of two pictures that are equal
DEPTH, COLOUR_DEPTH = 8, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Restorer:
    """One way: its ``kind``, ``channels`` of the pictures, how many times larger the result is (``scale``), and the
    ``width`` of the network."""

    kind: Kind
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
    def largest_side(self) -> int:
        """Pictures out of which pairs are made are brought to this, to learn from and to be tested."""
        return COLOUR_SIDE if self.kind == "colourise" else LARGEST_SIDE

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

    def unlearnt(self, given: Tensor) -> Tensor:
        """The baseline's picture, C×H×W in 0..1."""
        if self.kind == "colourise":
            return coloured(given, given.new_zeros(2, *given.shape[1:]))
        if self.scale > 1:
            return bicubic(given[None], given.shape[1] * self.scale, given.shape[2] * self.scale)[0]
        return given[: self.channels]

    def restore(self, network: nn.Module, given: Tensor, execution: Execution) -> Tensor:
        """The picture that the network makes of ``given`` (C×H×W), in 0..1, ``scale`` times as large."""
        if self.kind == "colourise":
            return coloured(given, _colours(network, given, execution))
        restored = in_tiles(network, given, self.scale, execution).clamp(0, 1)
        if self.kind == "inpaint":
            hole = given[-1:]
            restored = restored * hole + given[: self.channels] * (1 - hole)
        return restored

    def wanted_picture(self, given: Tensor, wanted: Tensor) -> Tensor:
        """What should come out, as a picture in 0..1."""
        return coloured(given, wanted) if self.kind == "colourise" else wanted


def _colours(network: nn.Module, lightness: Tensor, execution: Execution) -> Tensor:
    """a and b, found on a picture of at most ``COLOUR_SIDE`` and enlarged: eyes see colour coarsely."""
    height, width = lightness.shape[1:]
    scale = min(1.0, COLOUR_SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = functional.interpolate(lightness[None], size, mode="bilinear", antialias=True, align_corners=False)
    colours = outputs_of(network, small, execution)
    return functional.interpolate(colours, (height, width), mode="bilinear", align_corners=False)[0]


def in_tiles(network: nn.Module, given: Tensor, scale: int, execution: Execution, *, tile: int = TILE) -> Tensor:
    """The network's answer to C×H×W, put together from tiles of ``tile`` pixels with a margin around each."""
    height, width = given.shape[1:]
    rows = []
    for top in range(0, height, tile):
        row = [_one_tile(network, given, scale, execution, (top, left, tile)) for left in range(0, width, tile)]
        rows.append(torch.cat(row, dim=2))
    return torch.cat(rows, dim=1)


def _one_tile(
    network: nn.Module, given: Tensor, scale: int, execution: Execution, place: tuple[int, int, int]
) -> Tensor:
    top, left, tile = place
    first_row, first_column = max(0, top - MARGIN), max(0, left - MARGIN)
    part = given[:, first_row : top + tile + MARGIN, first_column : left + tile + MARGIN]
    answer = outputs_of(network, part[None], execution)[0]
    rows, columns = min(tile, given.shape[1] - top), min(tile, given.shape[2] - left)
    start_row, start_column = scale * (top - first_row), scale * (left - first_column)
    return answer[:, start_row : start_row + scale * rows, start_column : start_column + scale * columns]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """How near one picture is to the wanted one: dB, −1..1 (None where a side is below 11 pixels), and ΔE2000 (None for
    grey)."""

    psnr: float
    ssim: float | None
    delta_e: float | None


def quality(picture: Tensor, wanted: Tensor) -> Quality:
    """Of two pictures C×H×W in 0..1, rounded to 256 levels as they would be stored."""
    shown, true = ((p.clamp(0, 1) * 255).round()[None] / 255 for p in (picture, wanted))
    large = min(wanted.shape[1:]) >= WINDOW
    return Quality(
        psnr=min(MOST_DB, float(psnr(shown, true))),
        ssim=float(ssim(shown, true)) if large else None,
        delta_e=float(delta_e_2000(rgb_to_lab(shown), rgb_to_lab(true)).mean()) if len(picture) == 3 else None,
    )
