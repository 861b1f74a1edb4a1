"""StyleGAN3-T: Karras et al., "Alias-Free Generative Adversarial Networks", NeurIPS 2021 (arXiv:2106.12423).

Details should be drawn where the object is, and not stick to the pixels. So every layer treats its numbers as samples
of a continuous signal that has no frequencies above a cutoff: the input is made of sine waves, which can be shifted by
any amount; leaky ReLUs, which would make frequencies that the grid cannot hold, are taken at twice the sampling rate
and filtered before they come back to it (Section 3.2); all is drawn with a margin that is cut off in the end, so that
zeros around the image do not tell where its edges are. There is no noise. Cutoffs grow geometrically from layer to
layer up to half the sampling rate of the image, which the last two layers use up (critical sampling).

At 1024 pixels the generator has 22,313,167 numbers. The discriminator is that of StyleGAN2 (``style_discriminator``).

Where we deviate: sampling rates are the image's side divided by powers of two, so that sides such as 28 = 7 · 2² can be
made; frequencies of the input are uniform over the disc below the first cutoff.

Shapes: B batch, C×S×S an image, W numbers of a latent, L layers that are told a latent.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.generative.dcgan import dcgan_side
from capas.networks.generative.filter_matrix import MatrixFilter
from capas.networks.generative.kaiser_filter import LowPass, low_pass_matrix, positions
from capas.networks.generative.style_generator import MappingNetwork, StyleGenerator
from capas.networks.generative.style_layers import EqualizedLinear, ModulatedConv2d, leaky_relu

FIRST_CUTOFF: Final = 2.0
FIRST_STOPBAND: Final = 2.0**2.1
LAST_STOPBAND: Final = 2.0**0.3  # times the last cutoff
CRITICAL_LAYERS: Final = 2
FILTER_SIZE: Final = 6
OVERSAMPLING: Final = 2
OUTPUT_SCALE: Final = 0.25
MAGNITUDE_WEIGHT: Final = 0.001  # of what went through last in the running mean: half-life about 22,000 images


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleGAN3Config:
    """The paper's configuration T for 1024 pixels.

    Attributes:
        side: Pixels a side S: 4 to 7 times a power of two, 8 or more.
        channels: Channels of an image C.
        noise: Numbers of noise Z.
        latent: Numbers of a latent W.
        mapping_layers: Layers of the mapping network.
        layers: Layers of the synthesis network, without the input and the one to the image's channels.
        margin: Pixels around the image, at each layer's own sampling rate.
        width: Channels of the layers whose cutoff is half the image's sampling rate; at half of it they are twice as
            many.
        max_width: At most so many.
        classes: Classes to choose from; 0 for none.
    """

    side: int = 1024
    channels: int = 3
    noise: int = 512
    latent: int = 512
    mapping_layers: int = 2
    layers: int = 14
    margin: int = 10
    width: int = 32
    max_width: int = 512
    classes: int = 0

    def __post_init__(self) -> None:
        check_at_least_one(channels=self.channels, margin=self.margin, width=self.width, max_width=self.max_width)
        if self.layers <= CRITICAL_LAYERS:
            raise ValueError(f"layers is {self.layers}; expected more than {CRITICAL_LAYERS}")
        if self.side != dcgan_side(self.side):
            raise ValueError(f"side is {self.side}; expected 4 to 7 times a power of two, such as 28, 32 or 64")

    @property
    def grids(self) -> tuple["SignalGrid", ...]:
        """The grid of the input and of what comes out of each layer, the last of them that of the image's layer."""
        return tuple(self._grid(number) for number in range(self.layers + 1))

    def _grid(self, number: int) -> "SignalGrid":
        share = min(number / (self.layers - CRITICAL_LAYERS), 1.0)
        last = self.side / 2
        cutoff = FIRST_CUTOFF * (last / FIRST_CUTOFF) ** share
        stopband = FIRST_STOPBAND * (last * LAST_STOPBAND / FIRST_STOPBAND) ** share
        rate = float(self.side)
        # As coarse as the stopband allows.
        while rate / 2 >= min(2 * stopband, self.side) and rate % 2 == 0:
            rate /= 2
        whole = number >= self.layers - 1
        return SignalGrid(
            cutoff=cutoff, half_width=max(stopband, rate / 2) - cutoff, rate=rate,
            size=self.side if whole else math.ceil(rate) + 2 * self.margin,
            width=min(self.max_width, round(self.width * last / cutoff)),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalGrid:
    """How a signal within the network is sampled.

    Attributes:
        cutoff: The highest frequency that it should hold, in cycles over the image.
        half_width: From there to where a filter lets nothing pass.
        rate: Samples over the image.
        size: Samples a side, with the margin.
        width: Channels.
    """

    cutoff: float
    half_width: float
    rate: float
    size: int
    width: int


def small_stylegan3(side: int, channels: int, width: int, classes: int) -> StyleGAN3Config:
    """Return what a processor trains in minutes: six layers, and latents of 128 numbers."""
    return StyleGAN3Config(
        side=side, channels=channels, noise=128, latent=128, layers=6, margin=4, width=width, max_width=4 * width,
        classes=classes,
    )  # fmt: skip


def stylegan3_generator(config: StyleGAN3Config) -> StyleGenerator:
    """Return the generator."""
    mapping = MappingNetwork(config.noise, config.latent, config.mapping_layers, config.classes)
    return StyleGenerator(mapping, StyleGAN3Synthesis(config))


class FourierInput(nn.Module):
    """Latents (B, W) → sine waves (B, C, N, N), turned and shifted as the latent says.

    Args:
        grid: Where they are sampled.
        latent: Numbers of a latent.
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(self, grid: SignalGrid, latent: int) -> None:
        super().__init__()
        self.grid = grid
        # Always made on the CPU, where a network without memory is built to count it: constants take up little.
        drawn = torch.rand(2, grid.width, device="cpu")
        radius, angle = grid.cutoff * drawn[0].sqrt(), 2 * math.pi * drawn[1]
        self.register_buffer("frequencies", torch.stack([radius * angle.cos(), radius * angle.sin()], 1))
        self.register_buffer("phases", torch.rand(grid.width))
        self.weight = nn.Parameter(torch.randn(grid.width, grid.width))
        # Four numbers: direction of the turn (cosine, sine) and the shift; at first no turn and no shift.
        self.affine = EqualizedLinear(latent, 4)
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))

    def forward(self, latents: Float[Tensor, "B N"], shift: Float[Tensor, "B 2"] | None) -> Float[Tensor, "B C S S"]:
        """Return the waves, moved by ``shift`` widths of the image to the right and down."""
        with torch.autocast(latents.device.type, enabled=False):
            told = self.affine(latents.float())
            cosine, sine = (told[:, :2] / told[:, :2].norm(dim=1, keepdim=True).clamp(min=1e-8)).T
            turn = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
            waves = self.frequencies @ turn  # (B, C, 2)
            phases = self.phases - torch.einsum("cf,bf->bc", self.frequencies, told[:, 2:])
            if shift is not None:
                phases = phases - torch.einsum("bcf,bf->bc", waves, shift)
            line = torch.from_numpy(positions(self.grid.size, self.grid.rate)).to(waves)
            across, down = waves[:, :, 0, None] * line, waves[:, :, 1, None] * line + phases[:, :, None]
            made = torch.sin(2 * math.pi * (across[:, :, None] + down[..., None]))
        mixed: Tensor = F.conv2d(made, (self.weight / math.sqrt(len(self.weight)))[:, :, None, None])
        return mixed


class AliasFreeLayer(nn.Module):
    """Modulated convolution, then a leaky ReLU at twice the sampling rate between two filters.

    Args:
        before: SignalGrid of what goes in.
        after: SignalGrid of what comes out.
        latent: Numbers of a latent.
    """

    magnitude: Tensor

    def __init__(self, before: SignalGrid, after: SignalGrid, latent: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(before.width, after.width, latent, 3)
        self.bias = nn.Parameter(torch.zeros(after.width))
        self.register_buffer("magnitude", torch.ones(()))
        self.latest = torch.ones(())
        rate = OVERSAMPLING * max(before.rate, after.rate)
        up, down = round(rate / before.rate), round(rate / after.rate)
        fine = before.size * up
        self.rise = MatrixFilter(low_pass_matrix(
            LowPass(cutoff=before.cutoff, half_width=before.half_width, taps=FILTER_SIZE * up, rate=rate),
            size=before.size, rate=before.rate, outputs=fine, output_rate=rate,
        ))  # fmt: skip
        self.fall = MatrixFilter(low_pass_matrix(
            LowPass(cutoff=after.cutoff, half_width=after.half_width, taps=FILTER_SIZE * down, rate=rate),
            size=fine, rate=rate, outputs=after.size, output_rate=after.rate,
        ))  # fmt: skip

    def forward(self, images: Tensor, latents: Tensor) -> Tensor:
        self.latest = images.detach().float().square().mean()
        made = self.convolution(images * self.magnitude.rsqrt(), latents)
        return self.activated(made + self.bias[:, None, None])

    def activated(self, images: Tensor) -> Tensor:
        """Return the leaky ReLU of images on the first grid, on the second one."""
        drawn: Tensor = self.fall(leaky_relu(self.rise(images)))
        return drawn


class StyleGAN3Synthesis(nn.Module):
    """Latents of each layer (B, L, W) → images (B, C, S, S) (``Synthesis``, ``FollowsMagnitudes``)."""

    noise_shapes: Sequence[tuple[int, int]] = ()
    magnitude: Tensor

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        self.config = config
        grids = config.grids
        self.input = FourierInput(grids[0], config.latent)
        # The first layer keeps the grid of the input; the last grid is that of the layer to the image's channels.
        self.layers = nn.ModuleList(
            AliasFreeLayer(grids[max(0, number - 1)], grids[number], config.latent) for number in range(config.layers)
        )
        last = grids[config.layers - 1]
        self.image = ModulatedConv2d(last.width, config.channels, config.latent, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(config.channels))
        self.register_buffer("magnitude", torch.ones(()))
        self.latest = torch.ones(())

    @property
    def num_styles(self) -> int:
        """One for the input, one for each layer, and one for the image."""
        return len(self.layers) + 2

    def forward(
        self, styles: Float[Tensor, "B L N"], noises: Sequence[Tensor] | None = None, shift: Tensor | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Return images. ``shift`` moves the sine waves of the input."""
        hidden: Tensor = self.input(styles[:, 0], None if shift is None else shift / self.config.side)
        for number, layer in enumerate(self.layers):
            hidden = layer(hidden, styles[:, number + 1])
        self.latest = hidden.detach().float().square().mean()
        made: Tensor = self.image(hidden * self.magnitude.rsqrt(), styles[:, -1])
        return (made + self.bias[:, None, None]) * OUTPUT_SCALE

    @torch.no_grad()
    def follow_magnitudes(self, gather: Callable[[Tensor], Tensor]) -> None:
        """Move the running means of squares that layers are normalised by towards what went through them last."""
        for part in (*self.layers, self):
            part.magnitude.lerp_(gather(part.latest.reshape(1)).mean().to(part.magnitude), MAGNITUDE_WEIGHT)
