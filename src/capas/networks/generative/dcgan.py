"""DCGAN: Radford, Metz & Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016 (arXiv:1511.06434).

Strided and fractionally strided convolutions of 4×4 with batch normalisation, ReLU in the generator and leaky ReLU of
slope 0.2 in the discriminator (Section 3). With 64 pixels, three channels and width 64 the generator has 3,576,704
numbers and the discriminator 2,765,568.

Where we deviate: the smallest image inside has 4 to 7 pixels a side instead of 4, so that sizes such as 28 = 7 · 2²
can be made; a condition is put in as Mirza & Osindero 2014 have it.

Shapes: B batch, C×S×S an image, Z numbers of noise.
"""

from dataclasses import dataclass
from typing import Final

from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.generative.class_condition import ClassCondition

SLOPE: Final = 0.2
DEVIATION: Final = 0.02  # of the normal distribution that weights begin with
SMALLEST: Final = (4, 7)  # sides of the smallest image inside


@dataclass(frozen=True, kw_only=True, slots=True)
class DCGANConfig:
    """The paper's network for 64 pixels.

    Attributes:
        side: Pixels a side S: 4 to 7 times a power of two, 8 or more.
        channels: Channels of an image C.
        noise: Numbers of noise Z.
        width: Channels of the layer next to the image; each further one has twice as many.
        classes: Classes to choose from; 0 for none.
    """

    side: int = 64
    channels: int = 3
    noise: int = 100
    width: int = 64
    classes: int = 0

    def __post_init__(self) -> None:
        check_at_least_one(channels=self.channels, noise=self.noise, width=self.width)
        if self.side != dcgan_side(self.side):
            raise ValueError(f"side is {self.side}; expected 4 to 7 times a power of two, such as 28, 32 or 64")

    @property
    def doublings(self) -> int:
        """How often the smallest image inside is doubled."""
        return _doublings(self.side)

    @property
    def smallest(self) -> int:
        """Its pixels a side."""
        return self.side >> self.doublings

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the layers from the smallest image to the one next to the result."""
        return tuple(self.width << i for i in reversed(range(self.doublings)))


def dcgan_side(side: int) -> int:
    """Return the largest admissible side that is not above ``side``, at least 8.

    >>> [dcgan_side(side) for side in (28, 30, 33, 64, 100)]
    [28, 28, 32, 64, 96]
    """
    side = max(8, side)
    step = 1 << _doublings(side)
    return side // step * step


def _doublings(side: int) -> int:
    doublings = 0
    while side >> doublings > SMALLEST[1]:
        doublings += 1
    return doublings


class DCGANGenerator(nn.Module):
    """Noise (B, Z) and classes (B,) → images (B, C, S, S) in [-1, 1]."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__()
        self.config = config
        self.condition = ClassCondition(config.classes)
        first, *others = config.widths
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(config.noise + config.classes, first, config.smallest, bias=False),
            nn.BatchNorm2d(first), nn.ReLU(inplace=True),
        ]  # fmt: skip
        before = first
        for width in others:
            layers += [
                nn.ConvTranspose2d(before, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            ]  # fmt: skip
            before = width
        layers += [nn.ConvTranspose2d(before, config.channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.layers.apply(_draw)

    def forward(self, noise: Float[Tensor, "B Z"], classes: Int[Tensor, " B"] | None = None) -> Tensor:
        """Return the images. Raises ValueError where ``classes`` are missing or superfluous."""
        images: Tensor = self.layers(self.condition.beside(noise, classes)[:, :, None, None])
        return images


class DCGANDiscriminator(nn.Module):
    """Images (B, C, S, S) and classes (B,) → logits (B,), above 0 where an image seems real."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__()
        self.condition = ClassCondition(config.classes)
        layers: list[nn.Module] = []
        before = config.channels + config.classes
        for number, width in enumerate(reversed(config.widths)):
            layers.append(nn.Conv2d(before, width, 4, 2, 1, bias=False))
            # The layer at the image has none: the network would not see its brightness and contrast (Section 3).
            layers += [nn.BatchNorm2d(width)] if number else []
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
            before = width
        layers.append(nn.Conv2d(before, 1, config.smallest, bias=False))
        self.layers = nn.Sequential(*layers)
        self.layers.apply(_draw)

    def forward(self, images: Float[Tensor, "B C H W"], classes: Int[Tensor, " B"] | None = None) -> Tensor:
        """Return the logits. Raises ValueError where ``classes`` are missing or superfluous."""
        logits: Tensor = self.layers(self.condition.as_planes(images, classes))
        return logits.flatten()


def _draw(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, DEVIATION)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, DEVIATION)
        nn.init.zeros_(layer.bias)
