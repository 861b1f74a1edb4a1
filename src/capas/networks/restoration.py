"""Networks from picture to picture: restore, enlarge, colour. All predict a correction of what is already known.

- ``DnCNN``: Zhang, Zuo, Chen, Meng & Zhang, "Beyond a Gaussian Denoiser", IEEE TIP 2017 (arXiv:1608.03981):
  x̂ = y − R(y) (eq. 1), R = convolution, ReLU, then depth − 2 times convolution, batch normalisation, ReLU, then
  convolution; 3×3, 64 maps, depth 17, all at full resolution. Here without any bias (556,032 parameters for grey), and
  with room for further input maps that are no part of the picture, such as the mask of what is to be painted in.
- ``SuperResolution``: the residual blocks of Lim et al., "Enhanced Deep Residual Networks for Single Image
  Super-Resolution" (EDSR), CVPRW 2017 (arXiv:1707.02921): convolution, ReLU, convolution, plus the input, no
  normalisation; and the last layer of Shi et al. (ESPCN), CVPR 2016 (arXiv:1609.05158), eq. 4: one convolution to
  C · r² maps at the small size, shuffled into r × r pixels. Where we deviate: the result is added to the bicubic
  enlargement, and the last layer starts at zero, so that an untrained network is as good as bicubic; EDSR enlarges
  ×4 in two steps.
- ``Colouriser``: a U-Net (``unet.py``) from L (0..100) to a and b of CIE Lab.

``bicubic`` is Keys' kernel (IEEE TASSP 1981) with a = −1/2, widened when shrinking: Pillow's ``BICUBIC``.
Legend: B batch, C channels, H height, W width.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.layers import ConvBatchNorm
from capas.networks.unet import UNet, UNetConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class DnCNNConfig:
    """``channels`` of the picture, first in the input; ``extra_channels`` behind them that are only looked at."""

    channels: int
    extra_channels: int = 0
    width: int = 64
    depth: int = 17

    def __post_init__(self) -> None:
        if min(self.channels, self.width) < 1 or self.extra_channels < 0 or self.depth < 2:
            raise ValueError(f"{self}; expected channels and width ≥ 1, extra_channels ≥ 0, depth ≥ 2")


@dataclass(frozen=True, kw_only=True, slots=True)
class SuperResolutionConfig:
    """``factor`` 2, 3 or 4; ``blocks`` residual blocks of ``width`` maps, each branch times ``residual_scale``."""

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


class DnCNN(nn.Module):
    """Spoiled pictures (B, channels + extra_channels, H, W) → mended ones (B, channels, H, W)."""

    def __init__(self, config: DnCNNConfig) -> None:
        super().__init__()
        self.channels = config.channels
        first = nn.Conv2d(config.channels + config.extra_channels, config.width, 3, padding=1, bias=False)
        middle = (ConvBatchNorm(config.width, config.width, kernel=3) for _ in range(config.depth - 2))
        last = nn.Conv2d(config.width, config.channels, 3, padding=1, bias=False)
        self.noise = nn.Sequential(first, nn.ReLU(inplace=True), *middle, last)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        # The picture itself is the best first guess: noise as strong as the picture would have to be unlearned.
        nn.init.zeros_(last.weight)

    def forward(self, spoiled_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """The picture less what the network takes for noise."""
        noise: Tensor = self.noise(spoiled_BCHW)
        return spoiled_BCHW[:, : self.channels] - noise


class ScaledResidual(nn.Module):
    """x + s · conv(ReLU(conv(x))): (B, C, H, W) → the same."""

    def __init__(self, maps: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.branch = nn.Sequential(
            nn.Conv2d(maps, maps, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(maps, maps, 3, padding=1)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The sum."""
        branch: Tensor = self.branch(x_BCHW)
        return x_BCHW + self.scale * branch


class SuperResolution(nn.Module):
    """Small pictures (B, C, H, W) in 0..1 → large ones (B, C, factor · H, factor · W), about 0..1, not clipped."""

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
        """Bicubic plus the correction."""
        height, width = images_BCHW.shape[2:]
        x = self.first(images_BCHW)
        correction: Tensor = self.shuffle(self.last(x + self.body(x)))
        return bicubic(images_BCHW, height * self.factor, width * self.factor) + correction


class Colouriser(nn.Module):
    """Lightness L (B, 1, H, W) in 0..100 → a and b (B, 2, H, W), about −100..100."""

    def __init__(self, *, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.unet = UNet(UNetConfig(in_channels=1, out_channels=2, width=width, depth=depth))
        for parameter in self.unet.head.parameters():
            nn.init.zeros_(parameter)  # starts as the grey picture

    def forward(self, lightness_B1HW: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 2 H W"]:
        """The two colour axes of CIE Lab."""
        colours: Tensor = self.unet(lightness_B1HW / 50 - 1)
        return colours * 100


def bicubic(images_BCHW: Float[Tensor, "B C H W"], height: int, width: int) -> Float[Tensor, "B C H2 W2"]:
    """Pictures in 0..1 brought to ``height`` × ``width`` as Pillow's BICUBIC does: columns first, then rows, each pass
    clipped to 0..1 (Pillow also rounds to 1/255 each time; we do not)."""
    # Half precision would cost more than most corrections are worth.
    with torch.autocast(images_BCHW.device.type, enabled=False):
        images = images_BCHW.float() if images_BCHW.dtype == torch.bfloat16 else images_BCHW
        across = resampling_matrix(images.shape[3], width).to(images)
        down = resampling_matrix(images.shape[2], height).to(images)
        wide = (images @ across.T).clamp(0, 1)
        return (down @ wide).clamp(0, 1)


def resampling_matrix(before: int, after: int) -> Float[Tensor, "after before"]:
    """The weights of the ``before`` pixels of a line in each of the ``after`` new ones, float64; rows sum to one."""
    if min(before, after) < 1:
        raise ValueError(f"sides {before} → {after}; expected 1 or more")
    ratio = before / after
    reach = max(1.0, ratio)
    centres = (torch.arange(after, dtype=torch.float64) + 0.5) * ratio
    places = torch.arange(before, dtype=torch.float64) + 0.5
    # Pillow takes the pixels between these two whole numbers; beyond them the kernel is zero but for rounding.
    support = 2 * reach
    weights = _keys((places - centres[:, None]) / reach)
    inside = (places > (centres - support).floor()[:, None]) & (places < (centres + support).ceil()[:, None])
    weights = weights * inside
    return weights / weights.sum(1, keepdim=True)


def _keys(x: Tensor, a: float = -0.5) -> Tensor:
    x = x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
