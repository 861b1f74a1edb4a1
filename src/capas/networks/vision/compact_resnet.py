"""CompactResNet: our small, fast default for small images.

After the nine-layer residual network of Page, "How to Train Your ResNet" (Myrtle.ai, 2018–2019), itself cut down from
He et al. (arXiv:1512.03385); cbr = 3×3 convolution, batch normalisation, ReLU:

    cbr(in → w) · 3 × [ cbr(c → 2c) · max pooling 2×2 · x + cbr(cbr(x)) ] · global max pooling · linear

Where we deviate from Page: the width is a dial (his: 64), every stage has a residual block (his: first and third), the
logits are not scaled by 1/8, and a strided stem makes larger images affordable.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from capas.networks.layers import ConvBatchNorm

DEFAULT_WIDTH = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class CompactResNetConfig:
    """Configuration of ``CompactResNet``.

    Attributes:
        in_channels: Channels of the images.
        num_classes: Number of outputs.
        width: Maps of the first layer; cost and size grow with its square.
        stem_stride: 1, or 2 or 4 to downsample images first.
        residual: Which of the three stages end in a residual block.
    """

    in_channels: int = 3
    num_classes: int = 10
    width: int = DEFAULT_WIDTH
    stem_stride: int = 1
    residual: tuple[bool, bool, bool] = (True, True, True)

    def __post_init__(self) -> None:
        for name, value in (
            ("in_channels", self.in_channels),
            ("num_classes", self.num_classes),
            ("width", self.width),
        ):
            if value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        if self.stem_stride not in (1, 2, 4):
            raise ValueError(f"stem_stride is {self.stem_stride}; expected 1, 2 or 4")


class ResidualPair(nn.Module):
    """x + cbr(cbr(x)): (B, C, H, W) → (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            ConvBatchNorm(channels, channels, kernel=3), ConvBatchNorm(channels, channels, kernel=3)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the input plus the branch, (B, C, H, W)."""
        added: Tensor = self.branch(x_BCHW)
        return x_BCHW + added


class CompactResNet(nn.Module):
    """Images (B, in_channels, H, W), sides of 8 · stem_stride or more → logits (B, num_classes)."""

    def __init__(self, config: CompactResNetConfig) -> None:
        super().__init__()
        width, stride = config.width, config.stem_stride
        # A strided kernel spans both neighbours of its step, so that no pixel is skipped.
        self.stem = ConvBatchNorm(config.in_channels, width, kernel=2 * stride + 1, stride=stride)
        self.stages = nn.Sequential(
            *(_stage(width * 2**number, residual) for number, residual in enumerate(config.residual))
        )
        self.classifier = nn.Linear(8 * width, config.num_classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        logits: Tensor = self.classifier(self.stages(self.stem(images_BCHW)).amax(dim=(2, 3)))
        return logits


def _stage(channels: int, residual: bool) -> nn.Sequential:
    layers: list[nn.Module] = [ConvBatchNorm(channels, 2 * channels, kernel=3), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, *([ResidualPair(2 * channels)] if residual else []))


def stem_stride_for(image_size: int) -> int:
    """Return the stem stride that brings images of up to 256 pixels a side to at most 64: 1, 2 or 4.

    >>> [stem_stride_for(size) for size in (28, 64, 65, 128, 224)]
    [1, 1, 2, 2, 4]
    """
    return 1 if image_size <= 64 else 2 if image_size <= 128 else 4


def compact(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
    """Build a CompactResNet for the catalogue, its stem fitted to the image size."""
    return CompactResNet(
        CompactResNetConfig(
            in_channels=in_channels,
            num_classes=num_classes,
            width=DEFAULT_WIDTH if width is None else width,
            stem_stride=stem_stride_for(image_size),
        )
    )
