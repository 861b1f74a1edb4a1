"""From a feature vector back to an image, as the decoder of a context encoder: Pathak et al., "Context Encoders:
Feature Learning by Inpainting", CVPR 2016 (arXiv:1604.07379), Section 3.1.

Where we deviate: nearest-neighbour enlargement and convolution instead of transposed convolutions, which leave a
checkerboard (Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016).
"""

import itertools

from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.layers import ConvBatchNorm

SMALLEST = 4  # pixels of the shorter side that the features are turned into first
WIDTH = 128
LEAST_WIDTH = 16


class ImageDecoder(nn.Module):
    """Features (B, feature_dim) → images (B, channels, height, width), each doubling of the size halving the maps."""

    def __init__(self, feature_dim: int, *, channels: int, height: int, width: int) -> None:
        super().__init__()
        check_at_least_one(feature_dim=feature_dim, channels=channels, height=height, width=width)
        doublings = max(0, (-(-min(height, width) // SMALLEST) - 1).bit_length())
        self.size = (height, width)
        self.smallest = (-(-height // 2**doublings), -(-width // 2**doublings))
        self.expand = nn.Linear(feature_dim, WIDTH * self.smallest[0] * self.smallest[1])
        maps = [max(LEAST_WIDTH, WIDTH // 2**number) for number in range(doublings + 1)]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(nn.Upsample(scale_factor=2), ConvBatchNorm(before, after, kernel=3))
                for before, after in itertools.pairwise(maps)
            )
        )
        self.paint = nn.Conv2d(maps[-1], channels, 3, padding=1)

    def forward(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B C H W"]:
        """Return the images."""
        maps = self.expand(features).unflatten(1, (WIDTH, *self.smallest))
        height, width = self.size
        painted: Tensor = self.paint(self.stages(maps))[:, :, :height, :width]
        return painted
