"""U-Net: Ronneberger, Fischer & Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015
(arXiv:1505.04597).

Down (Figure 1): twice a 3×3 convolution and ReLU, then 2×2 max pooling, the maps doubling each time; up: a 2×2
"up-convolution" that halves the maps, the skipped maps of the same size concatenated, and again two 3×3 convolutions;
at the end a 1×1 convolution to the output maps. The paper's has ``depth`` 4 and ``width`` 64.

Where we deviate: convolutions are padded so that the image keeps its size (the paper's lose 92 pixels a side), with
batch normalisation and without bias; no dropout. Any size is taken: images are padded right and below to a multiple of
2^depth by repeating the border, and the result is cropped back.

``UNetLite0`` keeps the paper's way up, one convolution a level, on the pretrained encoder EfficientNet-Lite0 (see
``efficientnet.py``), whose maps at strides 2, 4, 8, 16 and 32 number 16, 24, 40, 112 and 320. It upsamples bilinearly
and predicts at stride 2, enlarged ×2: at full resolution the last level alone would cost more than the encoder. Its
pixels: RGB, (x − 127) / 128, x in 0..255.

Legend: B batch, C channels, H height, W width, O output maps.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from capas.networks.layers import ConvBatchNorm
from capas.networks.vision.efficientnet import EfficientNet, EfficientNetConfig
from capas.networks.vision.efficientnet_weights import pretrained_lite0

# Where Lite0's 16 blocks end that are the last of their stride, and how many maps they put out.
LITE0_LEVELS = ((1, 16), (3, 24), (5, 40), (11, 112), (16, 320))


@dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """Configuration of ``UNet``.

    Attributes:
        in_channels: Channels of the images.
        out_channels: Output maps.
        width: Maps at full resolution, doubled at each halving.
        depth: Number of halvings.
    """

    in_channels: int
    out_channels: int
    width: int = 64
    depth: int = 4

    def __post_init__(self) -> None:
        _positive(in_channels=self.in_channels, out_channels=self.out_channels, width=self.width, depth=self.depth)


class UpBlock(nn.Module):
    """One step up: (B, 2C, H, W) and the skipped maps (B, C, 2H, 2W) → (B, C, 2H, 2W)."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(2 * maps, maps, 2, stride=2)
        self.merge = _twice(2 * maps, maps)

    def forward(self, x_BCHW: Tensor, skipped_BCHW: Tensor) -> Tensor:
        """Return the merged maps."""
        merged: Tensor = self.merge(torch.cat([skipped_BCHW, self.enlarge(x_BCHW)], dim=1))
        return merged


class UNet(nn.Module):
    """Images (B, in_channels, H, W) of any size → maps (B, out_channels, H, W)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.multiple = 2**config.depth
        widths = [config.width * 2**level for level in range(config.depth + 1)]
        arriving = [config.in_channels, *widths[:-1]]
        self.down = nn.ModuleList(_twice(before, after) for before, after in zip(arriving, widths, strict=True))
        self.up = nn.ModuleList(UpBlock(maps) for maps in reversed(widths[:-1]))
        self.head = nn.Conv2d(config.width, config.out_channels, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                # Section 3: standard deviation √(2 / N), N the incoming numbers of one neuron.
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O H W"]:
        """Return maps of the image's size; logits in segmentation."""
        height, width = images_BCHW.shape[2:]
        x, skipped = pad_to_multiple(images_BCHW, self.multiple), []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            skipped.append(x)
        for block, skip in zip(self.up, reversed(skipped[:-1]), strict=True):
            x = block(x, skip)
        maps: Tensor = self.head(x)
        return maps[:, :, :height, :width]


class Lite0Encoder(nn.Module):
    """Images (B, C, H, W), sides multiples of 32 → maps at strides 2, 4, 8, 16, 32 (see ``LITE0_LEVELS``)."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.stem = network.stem
        starts = [0, *(end for end, _ in LITE0_LEVELS[:-1])]
        self.levels = nn.ModuleList(
            network.blocks[start:end] for start, (end, _) in zip(starts, LITE0_LEVELS, strict=True)
        )

    def forward(self, images_BCHW: Tensor) -> list[Tensor]:
        """Return the five maps, finest first."""
        x, maps = self.stem(images_BCHW), []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return maps


class Lite0Decoder(nn.Module):
    """The encoder's maps → ``out_channels`` maps at stride 1; ``width`` of them at stride 2, twice as many at stride 4,
    four times at strides 8 and 16.
    """

    def __init__(self, *, out_channels: int, width: int) -> None:
        super().__init__()
        arriving, merges = LITE0_LEVELS[-1][1], []
        for (_, skipped), maps in zip(
            reversed(LITE0_LEVELS[:-1]), (4 * width, 4 * width, 2 * width, width), strict=True
        ):
            merges.append(ConvBatchNorm(arriving + skipped, maps, kernel=3))
            arriving = maps
        self.merges = nn.ModuleList(merges)
        self.head = nn.Conv2d(width, out_channels, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return maps of twice the size of the finest encoder maps."""
        *finer, x = maps
        for merge, skip in zip(self.merges, reversed(finer), strict=True):
            x = merge(torch.cat([skip, _enlarged(x)], dim=1))
        return _enlarged(self.head(x))


class UNetLite0(nn.Module):
    """Images (B, in_channels, H, W) of any size → maps (B, out_channels, H, W).

    ``encoder`` and ``decoder`` are separate, so that they can have different learning rates.
    """

    def __init__(self, network: EfficientNet, *, out_channels: int, width: int) -> None:
        super().__init__()
        _positive(out_channels=out_channels, width=width)
        self.encoder = Lite0Encoder(network)
        self.decoder = Lite0Decoder(out_channels=out_channels, width=width)

    def forward(self, images_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O H W"]:
        """Return maps of the image's size; logits in segmentation."""
        height, width = images_BCHW.shape[2:]
        maps: Tensor = self.decoder(self.encoder(pad_to_multiple(images_BCHW, 32)))
        return maps[:, :, :height, :width]


def unet(*, in_channels: int, out_channels: int, width: int = 64, depth: int = 4) -> UNet:
    """Build a U-Net with fresh weights."""
    return UNet(UNetConfig(in_channels=in_channels, out_channels=out_channels, width=width, depth=depth))


def unet_lite0(*, out_channels: int, width: int = 16, in_channels: int = 3, pretrained: bool = True) -> UNetLite0:
    """Build a U-Net on EfficientNet-Lite0, with its ImageNet weights unless told otherwise; without dropout or
    stochastic depth.

    Raises CapasError ``weights_missing`` where the weights are not installed; ValueError where pretrained weights are
    asked for other than three channels.
    """
    if pretrained and in_channels != 3:
        raise ValueError(f"in_channels is {in_channels}; expected 3 with pretrained weights")
    if pretrained:
        network = pretrained_lite0(dropout=0.0, stochastic_depth=0.0).train()
    else:
        network = EfficientNet(
            EfficientNetConfig(variant="lite0", in_channels=in_channels, dropout=0.0, stochastic_depth=0.0)
        )
    return UNetLite0(network, out_channels=out_channels, width=width)


def pad_to_multiple(images_BCHW: Float[Tensor, "B C H W"], multiple: int) -> Float[Tensor, "B C H2 W2"]:
    """The border repeated right and below until both sides are multiples."""
    down, right = (-side % multiple for side in images_BCHW.shape[2:])
    return functional.pad(images_BCHW, (0, right, 0, down), mode="replicate") if down or right else images_BCHW


def _twice(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        ConvBatchNorm(in_channels, out_channels, kernel=3), ConvBatchNorm(out_channels, out_channels, kernel=3)
    )


def _enlarged(x_BCHW: Tensor) -> Tensor:
    return functional.interpolate(x_BCHW, scale_factor=2, mode="bilinear", align_corners=False)


def _positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; expected 1 or more")
