"""What samples and real images are compared by: features of a network that learnt from other images.

Figures of different features cannot be compared: each figure names its features.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.vision.efficientnet_weights import (
    LITE0_MEAN,
    LITE0_SCALE,
    lite0_weights_installed,
    pretrained_lite0,
)

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

SIDE: Final = 64  # at which the network sees images
COMPONENTS: Final = 64  # a covariance of more numbers takes more samples than are drawn
MAX_FITTED: Final = 2_000
CHUNK: Final = 250


class Lite0Features(nn.Module):
    """Images (B, C, H, W) in [-1, 1] → the 1,280 pooled features of EfficientNet-Lite0 with its ImageNet weights."""

    name = "efficientnet-lite0"

    def __init__(self) -> None:
        super().__init__()
        network = pretrained_lite0()
        network.set_submodule("classifier", nn.Flatten())
        self.network = network.eval()

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        coloured = images.expand(-1, 3, -1, -1)
        sized = F.interpolate(coloured, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        features: Tensor = self.network(((sized + 1) * 127.5 - LITE0_MEAN) / LITE0_SCALE)
        return features


class PixelFeatures(nn.Module):
    """Images as they are, averaged to 16 × 16; for where the weights of Lite0 are not installed."""

    name = "pixels"

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return F.adaptive_avg_pool2d(images, 16).flatten(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleFeatures:
    """Features that are fitted to real images: their ``COMPONENTS`` principal components, on one scale on which the
    mean variance of a component is 1.

    Attributes:
        name: Of the network, and how many components.
        network: What makes the features.
        components: The components.
        scale: What they are multiplied by.
    """

    name: str
    network: nn.Module
    components: "PCA"
    scale: float

    @staticmethod
    def fit(real: Float[Tensor, "N C H W"]) -> "SampleFeatures":
        """Fit the components to real training images."""
        from sklearn.decomposition import PCA

        network = Lite0Features() if lite0_weights_installed() else PixelFeatures()
        features = _in_chunks(network, real[:MAX_FITTED])
        count = min(COMPONENTS, *features.shape)
        fitted = PCA(count, random_state=0).fit(features.double().numpy())
        scale = float(max(fitted.explained_variance_.mean(), 1e-12) ** -0.5)
        return SampleFeatures(name=f"{network.name}, PCA {count}", network=network, components=fitted, scale=scale)

    def of(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D"]:
        """Return the features of images in [-1, 1], float64."""
        features = _in_chunks(self.network, images).double()
        return torch.from_numpy(self.components.transform(features.numpy())) * self.scale


@torch.no_grad()
def _in_chunks(network: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([network(part) for part in torch.split(images, CHUNK)])
