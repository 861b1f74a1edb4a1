"""Super-resolution: the residual blocks of Lim et al., "Enhanced Deep Residual Networks for Single Image
Super-Resolution" (EDSR), CVPRW 2017 (arXiv:1707.02921): convolution, ReLU, convolution, plus the input, no
normalisation; and the last layer of Shi et al. (ESPCN), CVPR 2016 (arXiv:1609.05158), eq. 4: one convolution to C · r²
maps at the small size, shuffled into r × r pixels.

Where we deviate: the result is added to the bicubic enlargement, and the last layer starts at zero, so that an
untrained network is as good as bicubic; EDSR enlarges ×4 in two steps.

Legend: B batch, C channels, H height, W width.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.vision.bicubic import bicubic


@dataclass(frozen=True, kw_only=True, slots=True)
class SuperResolutionConfig:
    """Configuration of ``SuperResolution``.

    Attributes:
        channels: Channels of the images.
        factor: Upscaling factor: 2, 3 or 4.
        width: Maps of the residual blocks.
        blocks: Number of residual blocks.
        residual_scale: Factor of each block's branch.
    """

    channels: int
    factor: int
    width: int = 32
    blocks: int = 6
    residual_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.factor not in (2, 3, 4):
            raise ValueError(f"factor is {self.factor}; expected 2, 3 or 4")
        if min(self.channels, self.width, self.blocks) < 1:
            raise ValueError(f"{self}; expected channels, width and blocks ≥ 1")


class ScaledResidual(nn.Module):
    """x + s · conv(ReLU(conv(x))): (B, C, H, W) → the same."""

    def __init__(self, maps: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.branch = nn.Sequential(
            nn.Conv2d(maps, maps, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(maps, maps, 3, padding=1)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the input plus the scaled branch."""
        branch: Tensor = self.branch(x_BCHW)
        return x_BCHW + self.scale * branch


class SuperResolution(nn.Module):
    """Images (B, C, H, W) in [0, 1] → images (B, C, factor · H, factor · W), about [0, 1], not clipped."""

    def __init__(self, config: SuperResolutionConfig) -> None:
        super().__init__()
        self.factor = config.factor
        self.first = nn.Conv2d(config.channels, config.width, 3, padding=1)
        blocks = (ScaledResidual(config.width, config.residual_scale) for _ in range(config.blocks))
        self.body = nn.Sequential(*blocks, nn.Conv2d(config.width, config.width, 3, padding=1))
        self.last = nn.Conv2d(config.width, config.channels * config.factor**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(config.factor)
        nn.init.zeros_(self.last.weight)
        if self.last.bias is not None:
            nn.init.zeros_(self.last.bias)

    def forward(self, images_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
        """Return the bicubic enlargement plus the predicted correction."""
        height, width = images_BCHW.shape[2:]
        x = self.first(images_BCHW)
        correction: Tensor = self.shuffle(self.last(x + self.body(x)))
        return bicubic(images_BCHW, height * self.factor, width * self.factor) + correction
