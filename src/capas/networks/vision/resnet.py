"""ResNet: He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv:1512.03385).

    y = ReLU(F(x) + shortcut(x)),   F = 3×3, 3×3  or, in a bottleneck,  1×1, 3×3, 1×1      (eq. 1 and 2)

each convolution followed by batch normalisation, a ReLU between them. Two families:

- ImageNet (Table 1): a 7×7 stem with stride 2, 3×3 max pooling, four stages of 64 to 512 maps (×4 in
  bottlenecks); where the size changes the shortcut is a 1×1 convolution (option B);
- CIFAR (Section 4.2): a 3×3 stem, three stages of 16, 32, 64 maps with n blocks each, depth 6n + 2; all
  shortcuts free of parameters (option A): every second pixel, zeros for the new maps. Without shortcuts it is
  the "plain" network.

Where we deviate: in bottlenecks the stride sits in the 3×3 convolution, not in the first 1×1, as torchvision
does ("v1.5"), which parity needs and which is more accurate; the zeros of option A come after the old maps
(the paper does not say where); CIFAR images of other sizes are allowed since the pooling is global.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from capas.networks.layers import ConvBatchNorm

Shortcut = Literal["projection", "zeros", "none"]

# Table 1: blocks in each of the four stages, and whether they are bottlenecks.
IMAGENET_STAGES: dict[int, tuple[tuple[int, int, int, int], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ResNetConfig:
    """An ImageNet ResNet.

    Attributes:
        depth: 18, 34, 50, 101 or 152.
        in_channels: Channels of the images.
        num_classes: Number of outputs.
    """

    depth: int
    in_channels: int = 3
    num_classes: int = 1000

    def __post_init__(self) -> None:
        if self.depth not in IMAGENET_STAGES:
            raise ValueError(f"depth is {self.depth}; expected one of {', '.join(map(str, IMAGENET_STAGES))}")
        _check_sizes(self.in_channels, self.num_classes)


@dataclass(frozen=True, kw_only=True, slots=True)
class CifarResNetConfig:
    """A CIFAR ResNet.

    Attributes:
        depth: 6n + 2.
        in_channels: Channels of the images.
        num_classes: Number of outputs.
        shortcuts: False for the paper's plain network.
    """

    depth: int
    in_channels: int = 3
    num_classes: int = 10
    shortcuts: bool = True

    def __post_init__(self) -> None:
        if self.depth < 8 or self.depth % 6 != 2:
            raise ValueError(f"depth is {self.depth}; expected 6n + 2, for instance 20, 56 or 110")
        _check_sizes(self.in_channels, self.num_classes)


class ResNetBlock(nn.Module):
    """ReLU(branch(x) + shortcut(x)): (B, C, H, W) → (B, C', H/stride, W/stride).

    ``maps`` counts those of the 3×3 convolutions; a bottleneck puts out four times as many.
    """

    def __init__(self, in_channels: int, maps: int, *, stride: int, bottleneck: bool, shortcut: Shortcut) -> None:
        super().__init__()
        out_channels = maps * 4 if bottleneck else maps
        changes = stride != 1 or in_channels != out_channels
        if bottleneck:
            self.branch = nn.Sequential(
                ConvBatchNorm(in_channels, maps, kernel=1),
                ConvBatchNorm(maps, maps, kernel=3, stride=stride),
                ConvBatchNorm(maps, out_channels, kernel=1, relu=False),
            )
        else:
            self.branch = nn.Sequential(
                ConvBatchNorm(in_channels, maps, kernel=3, stride=stride),
                ConvBatchNorm(maps, maps, kernel=3, relu=False),
            )
        self.shortcut: nn.Module | None = nn.Identity()
        if shortcut == "none":
            self.shortcut = None
        elif changes and shortcut == "zeros":
            self.shortcut = SubsampleAndPad(out_channels - in_channels, stride)
        elif changes:
            self.shortcut = ConvBatchNorm(in_channels, out_channels, kernel=1, stride=stride, relu=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the block's output; ReLU(branch(x)) in a plain network."""
        branch: Tensor = self.branch(x_BCHW)
        return functional.relu(branch if self.shortcut is None else branch + self.shortcut(x_BCHW))


class SubsampleAndPad(nn.Module):
    """Option A: every ``stride``-th pixel, ``extra`` zero maps: (B, C, H, W) → (B, C + extra, H/s, W/s)."""

    def __init__(self, extra: int, stride: int) -> None:
        super().__init__()
        self.extra, self.stride = extra, stride

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the subsampled maps followed by zero maps."""
        return functional.pad(x_BCHW[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class ResNet(nn.Module):
    """ImageNet ResNet: images (B, in_channels, H, W), sides of 32 or more → logits (B, num_classes)."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        blocks, bottleneck = IMAGENET_STAGES[config.depth]
        self.stem = nn.Sequential(
            ConvBatchNorm(config.in_channels, 64, kernel=7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)
        )
        expansion = 4 if bottleneck else 1
        stages, arriving = [], 64
        for number, (maps, count) in enumerate(zip((64, 128, 256, 512), blocks, strict=True)):
            stride = 1 if number == 0 else 2
            stages.append(_stage(arriving, maps, count, stride, bottleneck=bottleneck, shortcut="projection"))
            arriving = maps * expansion
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(arriving, config.num_classes)
        _initialise(self)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        logits: Tensor = self.fc(self.stages(self.stem(images_BCHW)).mean(dim=(2, 3)))
        return logits


class CifarResNet(nn.Module):
    """CIFAR ResNet or plain network: images (B, in_channels, H, W), sides of 8 or more → logits (B, num_classes)."""

    def __init__(self, config: CifarResNetConfig) -> None:
        super().__init__()
        count = (config.depth - 2) // 6
        shortcut: Shortcut = "zeros" if config.shortcuts else "none"
        self.stem = ConvBatchNorm(config.in_channels, 16, kernel=3)
        self.stages = nn.Sequential(
            _stage(16, 16, count, 1, bottleneck=False, shortcut=shortcut),
            _stage(16, 32, count, 2, bottleneck=False, shortcut=shortcut),
            _stage(32, 64, count, 2, bottleneck=False, shortcut=shortcut),
        )
        self.fc = nn.Linear(64, config.num_classes)
        _initialise(self)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        logits: Tensor = self.fc(self.stages(self.stem(images_BCHW)).mean(dim=(2, 3)))
        return logits


def _stage(
    in_channels: int, maps: int, count: int, stride: int, *, bottleneck: bool, shortcut: Shortcut
) -> nn.Sequential:
    arriving = maps * 4 if bottleneck else maps
    first = ResNetBlock(in_channels, maps, stride=stride, bottleneck=bottleneck, shortcut=shortcut)
    others = (ResNetBlock(arriving, maps, stride=1, bottleneck=bottleneck, shortcut=shortcut) for _ in range(count - 1))
    return nn.Sequential(first, *others)


def _initialise(network: nn.Module) -> None:
    # He et al., "Delving Deep into Rectifiers" (arXiv:1502.01852), keeping the variance of gradients.
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def _check_sizes(in_channels: int, num_classes: int) -> None:
    for name, value in (("in_channels", in_channels), ("num_classes", num_classes)):
        if value < 1:
            raise ValueError(f"{name} is {value}; expected 1 or more")


def _imagenet(depth: int) -> Callable[..., nn.Module]:
    def factory(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
        return ResNet(ResNetConfig(depth=depth, in_channels=in_channels, num_classes=num_classes))

    return factory


def _cifar(depth: int, *, shortcuts: bool = True) -> Callable[..., nn.Module]:
    def factory(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
        return CifarResNet(
            CifarResNetConfig(depth=depth, in_channels=in_channels, num_classes=num_classes, shortcuts=shortcuts)
        )

    return factory


# For the catalogue; none has a width.
resnet_18, resnet_34, resnet_50, resnet_101, resnet_152 = (_imagenet(depth) for depth in IMAGENET_STAGES)
resnet_cifar_20 = _cifar(20)
resnet_cifar_32 = _cifar(32)
resnet_cifar_44 = _cifar(44)
resnet_cifar_56 = _cifar(56)
resnet_cifar_110 = _cifar(110)
resnet_cifar_1202 = _cifar(1202)
plain_20 = _cifar(20, shortcuts=False)
plain_56 = _cifar(56, shortcuts=False)
