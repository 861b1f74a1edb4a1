"""Gated PixelCNN: van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves & Kavukcuoglu, "Conditional Image Generation
with PixelCNN Decoders", NIPS 2016 (arXiv:1606.05328).

The probability of an image is the product of those of its numbers, each given all before it: row by row, pixel by
pixel, and within a pixel red, green, blue. Each is one of 256 levels (a softmax).

Two stacks of convolutions see all that came before, without a blind spot (Section 2.2, Figure 2): the vertical one the
rows above, the horizontal one what is to the left in the same row, and the rows above through the vertical one. Each
layer is gated (eq. 2), y = tanh(W_f x + V_f h) ⊙ σ(W_g x + V_g h), h the class; the horizontal stack adds its input to
its output.

Channels inside fall into one group for each colour: a group sees the same pixel's earlier colours, and from the second
layer on its own.

Shapes: B batch, C colours, H×W pixels, D channels inside.
"""

from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one

LEVELS: Final = 256
FIRST_KERNEL: Final = 7
KERNEL: Final = 3
Activation = Literal["gated", "relu"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GatedPixelCNNConfig:
    """A small network; the paper's for CIFAR-10 has 20 layers of 128 · 3 channels.

    Attributes:
        channels: Colours C, 1 or 3.
        width: Channels inside for each colour.
        layers: Layers, the first one with the larger kernel among them.
        classes: Classes to choose from; 0 for none.
        levels: Levels of a number.
        activation: "relu" leaves the gates out, to compare with.
    """

    channels: int = 1
    width: int = 32
    layers: int = 6
    classes: int = 0
    levels: int = LEVELS
    activation: Activation = "gated"

    def __post_init__(self) -> None:
        check_at_least_one(channels=self.channels, width=self.width, layers=self.layers, levels=self.levels)

    @property
    def reach(self) -> int:
        """How many rows above, and columns to either side, a prediction can depend on."""
        return FIRST_KERNEL // 2 + 1 + (self.layers - 1) * (KERNEL // 2)


class GatedPixelCNN(nn.Module):
    """Images (B, C, H, W) in [-1, 1] → logits (B, levels, C, H, W) of each number, given those before it."""

    def __init__(self, config: GatedPixelCNNConfig) -> None:
        super().__init__()
        self.config = config
        inside = config.width * config.channels
        self.layers = nn.ModuleList(
            PixelLayer(config, config.channels if number == 0 else inside, first=number == 0)
            for number in range(config.layers)
        )
        self.before_last = ColourConv(config.channels, inside, inside, 1, own=True)
        self.last = ColourConv(config.channels, inside, config.levels * config.channels, 1, own=True)

    def forward(
        self, images: Float[Tensor, "B C H W"], classes: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B L C H W"]:
        """Return the logits. Raises ValueError where ``classes`` are missing or superfluous."""
        if (classes is None) != (self.config.classes == 0):
            raise ValueError(f"classes are {'missing' if classes is None else 'superfluous'}")
        vertical = horizontal = images
        for layer in self.layers:
            vertical, horizontal = layer(vertical, horizontal, classes)
        logits: Tensor = self.last(F.relu(self.before_last(F.relu(horizontal))))
        by_colour = logits.reshape(len(logits), self.config.channels, self.config.levels, *logits.shape[2:])
        return by_colour.transpose(1, 2)


class PixelLayer(nn.Module):
    """One layer of both stacks: (B, D, H, W) each → (B, D', H, W) each."""

    def __init__(self, config: GatedPixelCNNConfig, in_channels: int, *, first: bool) -> None:
        super().__init__()
        colours, inside = config.channels, config.width * config.channels
        kernel = FIRST_KERNEL if first else KERNEL
        self.gated = config.activation == "gated"
        outside = 2 * inside if self.gated else inside
        self.first, self.reach = first, kernel // 2
        self.vertical = nn.Conv2d(in_channels, outside, (self.reach + 1, kernel), padding=(0, self.reach))
        self.from_above = nn.Conv2d(outside, outside, 1)
        self.horizontal = ColourConv(
            colours, in_channels, outside, self.reach + 1, own=not first, halves=2 if self.gated else 1
        )
        self.residual = ColourConv(colours, inside, inside, 1, own=True)
        self.class_terms = nn.Embedding(config.classes, 2 * outside) if config.classes else None
        if self.class_terms is not None:
            nn.init.zeros_(self.class_terms.weight)

    def forward(self, above: Tensor, beside: Tensor, classes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what becomes of the vertical and of the horizontal stack."""
        # Row r of the vertical stack sees the rows up to r; the horizontal one gets what row r − 1 saw.
        vertical = self.vertical(F.pad(above, (0, 0, self.reach, 0)))
        shifted = F.pad(vertical, (0, 0, 1, 0))[:, :, :-1]
        horizontal = self.horizontal(beside) + self.from_above(shifted)
        if self.class_terms is not None and classes is not None:
            term, other = self.class_terms(classes)[:, :, None, None].chunk(2, 1)
            vertical, horizontal = vertical + term, horizontal + other
        result = self.residual(self._activated(horizontal))
        return self._activated(vertical), result if self.first else result + beside

    def _activated(self, x: Tensor) -> Tensor:
        if not self.gated:
            return F.relu(x)
        value, gate = x.chunk(2, 1)
        return value.tanh() * gate.sigmoid()


class ColourConv(nn.Module):
    """A convolution over what is to the left in the same row, up to the pixel itself, of which a colour sees only the
    earlier ones, and with ``own`` itself: (B, D, H, W) → (B, D', H, W).

    Channels fall into equal groups by colour, in order; those that come out in each of ``halves``, value and gate.
    """

    def __init__(
        self, colours: int, in_channels: int, out_channels: int, kernel: int, *, own: bool, halves: int = 1
    ) -> None:
        super().__init__()
        self.left = kernel - 1
        self.convolution = nn.Conv2d(in_channels, out_channels, (1, kernel))
        of_input = torch.arange(in_channels) * colours // in_channels
        size = out_channels // halves
        of_output = (torch.arange(size) * colours // size).repeat(halves)
        allowed = of_input[None] <= of_output[:, None] if own else of_input[None] < of_output[:, None]
        mask = torch.ones(out_channels, in_channels, 1, kernel)
        mask[:, :, 0, -1] = allowed.float()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the result."""
        weight = self.convolution.weight * self.get_buffer("mask")
        return F.conv2d(F.pad(x, (self.left, 0, 0, 0)), weight, self.convolution.bias)
