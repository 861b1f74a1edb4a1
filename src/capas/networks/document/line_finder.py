"""Detection of text lines on a page: a narrow U-Net after Ares Oliveira, Seguin & Kaplan, "dhSegment: A Generic
Deep-Learning Approach for Document Segmentation", ICFHR 2018 (arXiv:1804.10371), and Grüning, Leifert, Strauß, Michael
& Labahn, "A Two-Stage Method for Text Line Detection in Historical Documents", IJDAR 2019 (arXiv:1802.03345).

From a greyscale page to maps of half its size: baselines, their ends, the bodies of letters. Where we deviate: 0.2
million parameters instead of 32 or 4, so that a CPU processes a page in a fraction of a second; the coarsest level
widens its receptive field by dilation instead of by further levels.

Legend: B batch, H height, W width, O output maps.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from capas.networks.layers import ConvBatchNorm

OUTPUT_STRIDE = 2
_MULTIPLE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class LineFinderConfig:
    """Configuration of ``LineFinderNet``.

    Attributes:
        maps: Number of output maps.
        width: Maps at half the page's size; two, three and four times as many at each further halving.
    """

    maps: int = 3
    width: int = 16

    def __post_init__(self) -> None:
        if min(self.maps, self.width) < 1:
            raise ValueError(f"{self}; expected 1 or more")


class LineFinderNet(nn.Module):
    """Pages (B, 1, H, W) of any size, ink high → logits (B, O, ⌈H / 2⌉, ⌈W / 2⌉)."""

    def __init__(self, config: LineFinderConfig) -> None:
        super().__init__()
        one, two, three, four = (config.width * factor for factor in (1, 2, 3, 4))
        self.stem = nn.Sequential(
            ConvBatchNorm(1, one, kernel=5, stride=OUTPUT_STRIDE), ConvBatchNorm(one, one, kernel=3)
        )
        self.quarter = _twice(one, two)
        self.eighth = _twice(two, three)
        self.sixteenth = nn.Sequential(
            ConvBatchNorm(three, four, kernel=3), DilatedResidual(four, 2), DilatedResidual(four, 4)
        )
        self.to_eighth = ConvBatchNorm(four + three, three, kernel=3)
        self.to_quarter = ConvBatchNorm(three + two, two, kernel=3)
        self.to_half = ConvBatchNorm(two + one, one, kernel=3)
        self.head = nn.Conv2d(one, config.maps, 1)

    def forward(self, pages_B1HW: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B O H2 W2"]:
        """Return one logit for every two by two pixels, (B, O, ⌈H / 2⌉, ⌈W / 2⌉)."""
        height, width = pages_B1HW.shape[2:]
        page = functional.pad(pages_B1HW, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE))
        half = self.stem(page)
        quarter = self.quarter(functional.max_pool2d(half, 2))
        eighth = self.eighth(functional.max_pool2d(quarter, 2))
        x = self.sixteenth(functional.max_pool2d(eighth, 2))
        for merge, skipped in ((self.to_eighth, eighth), (self.to_quarter, quarter), (self.to_half, half)):
            x = merge(torch.cat([functional.interpolate(x, scale_factor=2, mode="nearest"), skipped], dim=1))
        logits: Tensor = self.head(x)
        return logits[:, :, : -(-height // OUTPUT_STRIDE), : -(-width // OUTPUT_STRIDE)]


class DilatedResidual(nn.Module):
    """A residual 3×3 convolution with dilation: Yu & Koltun, ICLR 2016 (arXiv:1511.07122)."""

    def __init__(self, maps: int, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(maps, maps, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm2d(maps)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return maps of the same shape."""
        return x_BCHW + functional.relu(self.norm(self.convolution(x_BCHW)))


def _twice(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(ConvBatchNorm(before, after, kernel=3), ConvBatchNorm(after, after, kernel=3))
