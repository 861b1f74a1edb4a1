"""StyleGAN2: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020 (arXiv:1912.04958).

Modulated convolutions upon a learnt constant; noise, scaled by one learnt number, is added behind each; images of all
sizes are summed up from the coarsest to the finest (the skip generator of its Figure 7); the filter for doubling and
halving is [1, 3, 3, 1]. At 1024 pixels the generator has 30,370,060 numbers, 2,101,248 of them in its mapping network,
and the discriminator (``style_discriminator``) 29,012,513.

Where we deviate: the constant has 4 to 7 pixels a side instead of 4, so that sizes such as 28 = 7 · 2² can be made.

Shapes: B batch, C×S×S an image, W numbers of a latent, L layers that are told a latent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.generative.dcgan import SMALLEST, dcgan_side
from capas.networks.generative.filter_matrix import MatrixFilter, fir_matrix
from capas.networks.generative.style_generator import MappingNetwork, StyleGenerator
from capas.networks.generative.style_layers import ModulatedConv2d, leaky_relu

BINOMIAL: Final = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleGAN2Config:
    """The paper's networks for 1024 pixels (its configuration F).

    Attributes:
        side: Pixels a side S: 4 to 7 times a power of two, 8 or more.
        channels: Channels of an image C.
        noise: Numbers of noise Z.
        latent: Numbers of a latent W.
        mapping_layers: Layers of the mapping network.
        width: Channels of the layers at the image's own size; at half of it they are twice as many.
        max_width: At most so many.
        classes: Classes to choose from; 0 for none.
    """

    side: int = 1024
    channels: int = 3
    noise: int = 512
    latent: int = 512
    mapping_layers: int = 8
    width: int = 32
    max_width: int = 512
    classes: int = 0

    def __post_init__(self) -> None:
        check_at_least_one(channels=self.channels, width=self.width, max_width=self.max_width)
        if self.side != dcgan_side(self.side):
            raise ValueError(f"side is {self.side}; expected 4 to 7 times a power of two, such as 28, 32 or 64")

    @property
    def sides(self) -> tuple[int, ...]:
        """Pixels a side of the images within, from the smallest to the whole."""
        sides = [self.side]
        while sides[0] > SMALLEST[1]:
            sides.insert(0, sides[0] // 2)
        return tuple(sides)

    def width_at(self, side: int) -> int:
        """Return the channels of the layers of this many pixels a side."""
        return min(self.max_width, self.width * (self.side // side))


def small_stylegan2(side: int, channels: int, width: int, classes: int) -> StyleGAN2Config:
    """Return what a processor trains in minutes: latents of 128 numbers, and two layers to make them, which Karras et
    al. 2020 (arXiv:2006.06676, Table 8) found enough for small images.
    """
    return StyleGAN2Config(
        side=side, channels=channels, noise=128, latent=128, mapping_layers=2, width=width, max_width=8 * width,
        classes=classes,
    )  # fmt: skip


def stylegan2_generator(config: StyleGAN2Config) -> StyleGenerator:
    """Return the generator."""
    mapping = MappingNetwork(config.noise, config.latent, config.mapping_layers, config.classes)
    return StyleGenerator(mapping, StyleGAN2Synthesis(config))


class StyledLayer(nn.Module):
    """Modulated convolution, noise, bias and leaky ReLU.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        latent: Numbers of the latent.
        side: Pixels a side of what comes out.
        up: Whether that is twice as many as go in.
    """

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, latent: int, side: int, *, up: bool) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, outputs, latent, 3, up=up)
        # The convolution makes 2 · side/2 + 1 pixels of each row, with zeros in between that the filter fills.
        self.filter = MatrixFilter(fir_matrix([2 * tap for tap in BINOMIAL], side + 1, side, before=1)) if up else None
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise", torch.randn(side, side))

    def forward(self, images: Tensor, latents: Tensor, noise: Tensor | None) -> Tensor:
        made: Tensor = self.convolution(images, latents)
        if self.filter is not None:
            made = self.filter(made)
        added = self.strength * (self.noise if noise is None else noise.to(made))
        return leaky_relu(made + added + self.bias[:, None, None])


class ToImage(nn.Module):
    """A modulated convolution of 1×1 to the channels of an image, not demodulated."""

    def __init__(self, inputs: int, channels: int, latent: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, channels, latent, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, images: Tensor, latents: Tensor) -> Tensor:
        made: Tensor = self.convolution(images, latents)
        return made + self.bias[:, None, None]


class StyleGAN2Synthesis(nn.Module):
    """Latents of each layer (B, L, W) → images (B, C, S, S) (``Synthesis``)."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        smallest = config.sides[0]
        self.constant = nn.Parameter(torch.randn(config.width_at(smallest), smallest, smallest))
        layers: list[nn.Module] = []
        images: list[nn.Module] = []
        doublings: list[nn.Module] = []
        before = config.width_at(smallest)
        for side in config.sides:
            width = config.width_at(side)
            if side > smallest:
                layers.append(StyledLayer(before, width, config.latent, side, up=True))
                doublings.append(
                    MatrixFilter(fir_matrix([2 * tap for tap in BINOMIAL], side // 2, side, before=2, up=2))
                )
            layers.append(StyledLayer(width, width, config.latent, side, up=False))
            images.append(ToImage(width, config.channels, config.latent))
            before = width
        self.layers, self.images, self.doublings = map(nn.ModuleList, (layers, images, doublings))

    @property
    def num_styles(self) -> int:
        """One for each convolution, and one for the last image."""
        return len(self.layers) + 1

    @property
    def noise_shapes(self) -> Sequence[tuple[int, int]]:
        sides = self.config.sides
        return [(side, side) for side in (sides[0], *(side for side in sides[1:] for _ in range(2)))]

    def forward(
        self, styles: Float[Tensor, "B L N"], noises: Sequence[Tensor] | None = None, shift: Tensor | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Return images. ``shift`` moves the constant, as if it went on around its edges, by the phases of its Fourier
        series.
        """
        given: Sequence[Tensor | None] = noises or [None] * len(self.layers)
        smallest = self.config.sides[0]
        hidden = self.constant.expand(len(styles), -1, -1, -1)
        if shift is not None:
            hidden = shifted_around(hidden, shift * smallest / self.config.side)
        hidden = self.layers[0](hidden, styles[:, 0], given[0])
        image: Tensor = self.images[0](hidden, styles[:, 1])
        for number, doubling in enumerate(self.doublings):
            first = 2 * number + 1
            hidden = self.layers[first](hidden, styles[:, first], given[first])
            hidden = self.layers[first + 1](hidden, styles[:, first + 1], given[first + 1])
            image = doubling(image) + self.images[number + 1](hidden, styles[:, first + 2])
        return image


def shifted_around(images: Float[Tensor, "B C H W"], shift: Float[Tensor, "B 2"]) -> Float[Tensor, "B C H W"]:
    """Return images moved by any number of pixels to the right and down; what leaves on one side enters on the other.

    >>> shifted_around(torch.tensor([[[[1.0, 2.0, 3.0]]]]), torch.tensor([[1.0, 0.0]])).round().tolist()
    [[[[3.0, 1.0, 2.0]]]]
    """
    height, width = images.shape[2:]
    rows, columns = torch.fft.fftfreq(height, device=images.device), torch.fft.rfftfreq(width, device=images.device)
    turned = rows[:, None] * shift[:, 1, None, None] + columns * shift[:, 0, None, None]
    phases = torch.exp(-2j * torch.pi * turned)[:, None]
    shifted: Tensor = torch.fft.irfft2(torch.fft.rfft2(images.float()) * phases, s=(height, width))
    return shifted
