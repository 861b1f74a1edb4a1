"""DnCNN: Zhang, Zuo, Chen, Meng & Zhang, "Beyond a Gaussian Denoiser", IEEE TIP 2017 (arXiv:1608.03981):

    x̂ = y − R(y)      (eq. 1)

R = convolution, ReLU, then depth − 2 times convolution, batch normalisation, ReLU, then convolution; 3×3, 64 maps,
depth 17, all at full resolution. Here without any bias (556,032 parameters for grey), and with room for further input
channels that are no part of the image, such as the mask of an inpainting.

Legend: B batch, C channels, H height, W width.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.layers import ConvBatchNorm


@dataclass(frozen=True, kw_only=True, slots=True)
class DnCNNConfig:
    """Configuration of ``DnCNN``.

    Attributes:
        channels: Channels of the image, first in the input.
        extra_channels: Further input channels, behind those of the image, that are not restored.
        width: Maps of the hidden layers.
        depth: Number of convolutions.
    """

    channels: int
    extra_channels: int = 0
    width: int = 64
    depth: int = 17

    def __post_init__(self) -> None:
        if min(self.channels, self.width) < 1 or self.extra_channels < 0 or self.depth < 2:
            raise ValueError(f"{self}; expected channels and width ≥ 1, extra_channels ≥ 0, depth ≥ 2")


class DnCNN(nn.Module):
    """Degraded images (B, channels + extra_channels, H, W) → restored images (B, channels, H, W)."""

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

    def forward(self, degraded_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Return the image minus the predicted noise."""
        noise: Tensor = self.noise(degraded_BCHW)
        return degraded_BCHW[:, : self.channels] - noise
