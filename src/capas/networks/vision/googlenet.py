"""GoogLeNet: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015 (arXiv:1409.4842), Table 1.

Nine inception modules, each four branches side by side whose maps are concatenated:

    1×1  |  1×1 → 3×3  |  1×1 → "5×5"  |  3×3 max pooling → 1×1

then global average pooling, dropout and one linear layer. Two auxiliary heads, after modules 4a and 4d, feed
gradient into the middle while training; their losses count 0.3 each and the heads are left out afterwards
(Section 5).

Where we deviate, to be torchvision's GoogLeNet parameter by parameter (6,624,904; with heads 13,004,888):
batch normalisation after every convolution (2015, after the paper) instead of local response normalisation;
the "5×5" branch has 3×3 kernels (pytorch/vision issue 906); the heads pool adaptively to 4×4; dropout is 0.2
(paper: 0.4) before the last layer, 0.7 in the heads.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from capas.networks.layers import ConvBatchNorm

EPSILON = 1e-3  # TensorFlow's default, which torchvision kept here


@dataclass(frozen=True, kw_only=True, slots=True)
class GoogLeNetConfig:
    """Configuration of ``GoogLeNet``.

    Attributes:
        in_channels: Channels of the images.
        num_classes: Number of outputs.
        auxiliary_heads: Whether the two training heads are added.
        dropout: Share of units dropped before the last layer, in [0, 1).
        auxiliary_dropout: Share of units dropped in the heads, in [0, 1).
    """

    in_channels: int = 3
    num_classes: int = 1000
    auxiliary_heads: bool = False
    dropout: float = 0.2
    auxiliary_dropout: float = 0.7

    def __post_init__(self) -> None:
        for name, value in (("in_channels", self.in_channels), ("num_classes", self.num_classes)):
            if value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        for name, share in (("dropout", self.dropout), ("auxiliary_dropout", self.auxiliary_dropout)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} is {share}; expected a share in [0, 1)")


@dataclass(frozen=True, kw_only=True, slots=True)
class InceptionSize:
    """Numbers of maps of one inception module, in the columns of Table 1."""

    one: int
    three_reduce: int
    three: int
    five_reduce: int
    five: int
    pool: int

    @property
    def total(self) -> int:
        """Number of output maps."""
        return self.one + self.three + self.five + self.pool


def _size(one: int, three_reduce: int, three: int, five_reduce: int, five: int, pool: int) -> InceptionSize:
    return InceptionSize(one=one, three_reduce=three_reduce, three=three, five_reduce=five_reduce, five=five, pool=pool)


# Table 1, from 3a to 5b.
STAGE_3 = (_size(64, 96, 128, 16, 32, 32), _size(128, 128, 192, 32, 96, 64))
STAGE_4 = (
    _size(192, 96, 208, 16, 48, 64),
    _size(160, 112, 224, 24, 64, 64),
    _size(128, 128, 256, 24, 64, 64),
    _size(112, 144, 288, 32, 64, 64),
    _size(256, 160, 320, 32, 128, 128),
)
STAGE_5 = (_size(256, 160, 320, 32, 128, 128), _size(384, 192, 384, 48, 128, 128))


class Inception(nn.Module):
    """Four branches side by side: (B, in_channels, H, W) → (B, size.total, H, W)."""

    def __init__(self, in_channels: int, size: InceptionSize) -> None:
        super().__init__()
        self.one = _conv(in_channels, size.one, 1)
        self.three = nn.Sequential(_conv(in_channels, size.three_reduce, 1), _conv(size.three_reduce, size.three, 3))
        self.five = nn.Sequential(_conv(in_channels, size.five_reduce, 1), _conv(size.five_reduce, size.five, 3))
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _conv(in_channels, size.pool, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the branches' maps, concatenated in the order of the paper."""
        return torch.cat([self.one(x_BCHW), self.three(x_BCHW), self.five(x_BCHW), self.pool(x_BCHW)], dim=1)


class AuxiliaryHead(nn.Module):
    """A classifier on intermediate maps: (B, in_channels, H, W) → logits (B, num_classes)."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.conv = _conv(in_channels, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        x = self.conv(functional.adaptive_avg_pool2d(x_BCHW, 4)).flatten(1)
        logits: Tensor = self.fc2(self.dropout(functional.relu(self.fc1(x))))
        return logits


class GoogLeNet(nn.Module):
    """Images (B, in_channels, H, W), sides of 32 or more → logits (B, num_classes).

    In training mode with auxiliary heads it returns three: (logits, logits of head 2, logits of head 1).
    """

    def __init__(self, config: GoogLeNetConfig) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _conv(config.in_channels, 64, 7, stride=2),
            _pool(3),
            _conv(64, 64, 1),
            _conv(64, 192, 3),
            _pool(3),
        )
        stage_3, stage_4, stage_5 = _stage(192, STAGE_3), _stage(480, STAGE_4), _stage(832, STAGE_5)
        self.to_4a = nn.Sequential(*stage_3, _pool(3), stage_4[0])
        self.to_4d = nn.Sequential(*stage_4[1:4])
        self.to_5b = nn.Sequential(stage_4[4], _pool(2), *stage_5)
        heads, classes, dropout = config.auxiliary_heads, config.num_classes, config.auxiliary_dropout
        self.head_1 = AuxiliaryHead(STAGE_4[0].total, classes, dropout) if heads else None
        self.head_2 = AuxiliaryHead(STAGE_4[3].total, classes, dropout) if heads else None
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(STAGE_5[-1].total, config.num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)

    def forward(self, images_BCHW: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Return logits (B, num_classes); while training with heads, also those of head 2 and head 1."""
        at_4a = self.to_4a(self.stem(images_BCHW))
        at_4d = self.to_4d(at_4a)
        pooled = self.to_5b(at_4d).mean(dim=(2, 3))
        logits: Tensor = self.fc(self.dropout(pooled))
        if self.training and self.head_1 is not None and self.head_2 is not None:
            return logits, self.head_2(at_4d), self.head_1(at_4a)
        return logits


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> ConvBatchNorm:
    return ConvBatchNorm(in_channels, out_channels, kernel=kernel, stride=stride, epsilon=EPSILON)


def _pool(kernel: int) -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)


def _stage(in_channels: int, sizes: tuple[InceptionSize, ...]) -> list[nn.Module]:
    arriving = (in_channels, *(size.total for size in sizes))
    return [Inception(channels, size) for channels, size in zip(arriving, sizes, strict=False)]


def googlenet(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
    """Build GoogLeNet without auxiliary heads for the catalogue; it has no width."""
    return GoogLeNet(GoogLeNetConfig(in_channels=in_channels, num_classes=num_classes))


def googlenet_auxiliary(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
    """Build GoogLeNet with its auxiliary heads for the catalogue; it has no width."""
    return GoogLeNet(GoogLeNetConfig(in_channels=in_channels, num_classes=num_classes, auxiliary_heads=True))
