"""The networks of CycleGAN: Zhu, Park, Isola & Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", ICCV 2017 (arXiv:1703.10593).

The translator is that of Johnson, Alahi & Fei-Fei 2016 (their Appendix 7.2): a convolution of 7×7, two that halve the
image, residual blocks, two that double it again and a convolution of 7×7; reflection padding and instance
normalisation throughout. The discriminator judges overlapping patches (Isola et al. 2017): convolutions of 4×4, the
first ``halvings`` of stride 2. With three channels and width 64 the translator of 9 blocks has 11,378,179 numbers and
the discriminator of patches of 70×70 pixels 2,764,737.

Where we deviate: for small images there are discriminators of smaller patches (34×34, 16×16).

Shapes: B batch, C×H×W an image, h×w a logit for each patch.
"""

import itertools
from dataclasses import dataclass
from typing import Final, Literal

from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one

SLOPE: Final = 0.2
DEVIATION: Final = 0.02  # of the normal distribution that weights begin with
HALVINGS: Final = 2  # of the translator
MAX_FACTOR: Final = 8  # by which the layers of the discriminator grow at most
MIN_SIDE: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleGANConfig:
    """The paper's networks for 256 pixels.

    Attributes:
        channels: Channels of an image C.
        width: Channels of the layers next to the image.
        blocks: Residual blocks of the translator; the paper has 6 for 128 pixels and 9 from 256 on.
        halvings: Layers of the discriminator that halve the image, 1 to 3: patches of 16, 34 or 70 pixels a side.
    """

    channels: int = 3
    width: int = 64
    blocks: int = 9
    halvings: int = 3

    def __post_init__(self) -> None:
        check_at_least_one(channels=self.channels, width=self.width, blocks=self.blocks, halvings=self.halvings)

    @property
    def patch(self) -> int:
        """Pixels a side of what one logit of the discriminator sees.

        >>> [CycleGANConfig(halvings=halvings).patch for halvings in (1, 2, 3)]
        [16, 34, 70]
        """
        side = 1
        for stride in (1, 1, *(2,) * self.halvings):
            side = (side - 1) * stride + 4
        return side


def cyclegan_side(side: int) -> int:
    """Return the largest admissible side that is not above ``side``, at least ``MIN_SIDE``.

    >>> [cyclegan_side(side) for side in (5, 28, 30, 64)]
    [16, 28, 28, 64]
    """
    return max(MIN_SIDE, side >> HALVINGS << HALVINGS)


def config_for_side(side: int, channels: int, width: int) -> CycleGANConfig:
    """Return the networks for images of ``side`` pixels: the paper's from 128 on, smaller ones below."""
    blocks = 9 if side >= 256 else 6 if side >= 128 else 4 if side >= 48 else 3
    return CycleGANConfig(channels=channels, width=width, blocks=blocks, halvings=3 if side >= 128 else 2)


class Translator(nn.Module):
    """Images (B, C, H, W) of one collection → images of the other, both in [-1, 1]; H and W are multiples of four."""

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__()
        width = config.width
        layers: list[nn.Module] = [*_convolution(config.channels, width, 7, padding=3, reflect=True)]
        for _ in range(HALVINGS):
            layers += _convolution(width, 2 * width, 3, stride=2, padding=1)
            width *= 2
        layers += [ResidualBlock(width) for _ in range(config.blocks)]
        for _ in range(HALVINGS):
            doubling = nn.ConvTranspose2d(width, width // 2, 3, 2, 1, output_padding=1)
            width //= 2
            layers += [doubling, nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(width, config.channels, 7, padding=3, padding_mode="reflect"), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_draw)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the translated images."""
        translated: Tensor = self.layers(images)
        return translated


class ResidualBlock(nn.Module):
    """x + two convolutions of x, without a nonlinearity behind the sum: Gross & Wilber 2016, as the paper has it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(width, width, 3, padding=1, reflect=True),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, features: Float[Tensor, "B D h w"]) -> Float[Tensor, "B D h w"]:
        summed: Tensor = features + self.layers(features)
        return summed


class PatchDiscriminator(nn.Module):
    """Images (B, C, H, W) → a number for each patch (B, 1, h, w), to be 1 where it is real and 0 where translated."""

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__()
        widths = [config.width * min(1 << i, MAX_FACTOR) for i in range(config.halvings + 1)]
        # The first layer is not normalised, as in the paper.
        layers: list[nn.Module] = [nn.Conv2d(config.channels, widths[0], 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True)]
        for before, width in itertools.pairwise(widths):
            stride = 1 if len(layers) == 3 * config.halvings - 1 else 2
            layers += [nn.Conv2d(before, width, 4, stride, 1), nn.InstanceNorm2d(width)]
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
        layers.append(nn.Conv2d(widths[-1], 1, 4, 1, 1))
        self.layers = nn.Sequential(*layers)
        self.apply(_draw)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 h w"]:
        """Return the judgements."""
        judged: Tensor = self.layers(images)
        return judged


def _convolution(
    before: int, after: int, size: int, *, stride: int = 1, padding: int, reflect: bool = False
) -> list[nn.Module]:
    mode: Literal["reflect", "zeros"] = "reflect" if reflect else "zeros"
    return [
        nn.Conv2d(before, after, size, stride, padding, padding_mode=mode), nn.InstanceNorm2d(after),
        nn.ReLU(inplace=True),
    ]  # fmt: skip


def _draw(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, DEVIATION)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
