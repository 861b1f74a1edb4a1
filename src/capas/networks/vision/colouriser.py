"""Colourisation: a U-Net (``unet.py``; Ronneberger et al. 2015, arXiv:1505.04597) from L (0..100) to a and b of CIE
Lab.

Legend: B batch, H height, W width.
"""

from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.vision.unet import UNet, UNetConfig


class Colouriser(nn.Module):
    """Lightness L (B, 1, H, W) in 0..100 → a and b (B, 2, H, W), about −100..100."""

    def __init__(self, *, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.unet = UNet(UNetConfig(in_channels=1, out_channels=2, width=width, depth=depth))
        for parameter in self.unet.head.parameters():
            nn.init.zeros_(parameter)  # starts as the grey picture

    def forward(self, lightness_B1HW: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 2 H W"]:
        """Return the two colour channels of CIE Lab."""
        colours: Tensor = self.unet(lightness_B1HW / 50 - 1)
        return colours * 100
