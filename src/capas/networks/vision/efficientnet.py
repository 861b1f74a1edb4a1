"""EfficientNet: compound scaling of inverted bottlenecks, in its forms B0 and Lite0.

Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019 (arXiv:1905.11946).

Seven stages of inverted bottlenecks (MBConv; Table 1), each block

    x → 1×1 expand → k×k depthwise → [squeeze-and-excitation] → 1×1 project (+ x where the shape is kept)

- B0 (5,288,548 parameters): SiLU, squeeze-and-excitation with a quarter of the block's incoming maps.
- Lite0 (4,652,008): Google's variant for small devices (github.com/tensorflow/tpu, efficientnet/lite, 2020): ReLU6, no
  squeeze-and-excitation. It follows TensorFlow where that differs: "SAME" padding puts the odd pixel right and below,
  and batch normalisation has ε = 10⁻³ and momentum 0.01.

While training, a block's branch is dropped for single images ("stochastic depth", Huang et al., arXiv:1603.09382), at a
rate that rises linearly with the block's number up to ``stochastic_depth``; dropout comes before the linear layer.
Where we deviate: B0's padding, normalisation and initialisation are torchvision's (symmetric padding, ε = 10⁻⁵), which
parity needs. Pretrained weights: see ``efficientnet_weights.py``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

Variant = Literal["b0", "lite0"]
VARIANTS: tuple[Variant, ...] = ("b0", "lite0")


@dataclass(frozen=True, kw_only=True, slots=True)
class EfficientNetConfig:
    """Configuration of ``EfficientNet``.

    Attributes:
        variant: Which EfficientNet.
        in_channels: Channels of the images.
        num_classes: Number of outputs.
        dropout: Share of units dropped before the last layer, in [0, 1).
        stochastic_depth: Largest rate at which branches are dropped, in [0, 1).
    """

    variant: Variant
    in_channels: int = 3
    num_classes: int = 1000
    dropout: float = 0.2
    stochastic_depth: float = 0.2

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"variant is {self.variant!r}; expected one of {', '.join(VARIANTS)}")
        for name, value in (("in_channels", self.in_channels), ("num_classes", self.num_classes)):
            if value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        for name, share in (("dropout", self.dropout), ("stochastic_depth", self.stochastic_depth)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} is {share}; expected a share in [0, 1)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One row of Table 1.

    Attributes:
        expand: Expansion of the maps inside a block.
        kernel: Size of the depthwise kernel.
        stride: Stride of the first block.
        maps: Output maps.
        repeats: Number of blocks.
    """

    expand: int
    kernel: int
    stride: int
    maps: int
    repeats: int


STAGES = (
    Stage(expand=1, kernel=3, stride=1, maps=16, repeats=1),
    Stage(expand=6, kernel=3, stride=2, maps=24, repeats=2),
    Stage(expand=6, kernel=5, stride=2, maps=40, repeats=2),
    Stage(expand=6, kernel=3, stride=2, maps=80, repeats=3),
    Stage(expand=6, kernel=5, stride=1, maps=112, repeats=3),
    Stage(expand=6, kernel=5, stride=2, maps=192, repeats=4),
    Stage(expand=6, kernel=3, stride=1, maps=320, repeats=1),
)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": an odd pixel goes right and below."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return maps (B, out_channels, ⌈H / stride⌉, ⌈W / stride⌉)."""
        top, bottom = self._pads(x_BCHW.shape[2])
        left, right = self._pads(x_BCHW.shape[3])
        maps: Tensor = super().forward(functional.pad(x_BCHW, (left, right, top, bottom)))
        return maps

    def _pads(self, size: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2


class SqueezeExcitation(nn.Module):
    """Scales each map by a gate computed from all maps' means (Hu et al., arXiv:1709.01507)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the gated maps; gates are in (0, 1)."""
        mean = x_BCHW.mean(dim=(2, 3), keepdim=True)
        gates: Tensor = self.expand(functional.silu(self.reduce(mean))).sigmoid()
        return x_BCHW * gates


class InvertedBottleneck(nn.Module):
    """MBConv: (B, in_channels, H, W) → (B, stage.maps, H/stride, W/stride)."""

    def __init__(self, in_channels: int, stage: Stage, *, stride: int, variant: Variant, drop: float) -> None:
        super().__init__()
        wide = in_channels * stage.expand
        layers: list[nn.Module] = []
        if stage.expand != 1:
            layers.append(_conv(variant, in_channels, wide))
        layers.append(_conv(variant, wide, wide, kernel=stage.kernel, stride=stride, groups=wide))
        if variant == "b0":
            layers.append(SqueezeExcitation(wide, max(1, in_channels // 4)))
        layers.append(_conv(variant, wide, stage.maps, activation=False))
        self.branch = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == stage.maps
        self.drop = drop

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the branch, plus the input where the shape is kept."""
        branch: Tensor = self.branch(x_BCHW)
        if not self.has_shortcut:
            return branch
        return x_BCHW + (_drop_pictures(branch, self.drop) if self.training else branch)


class EfficientNet(nn.Module):
    """Images (B, in_channels, H, W), sides of 32 or more → logits (B, num_classes)."""

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = _conv(config.variant, config.in_channels, 32, kernel=3, stride=2)
        self.blocks = nn.Sequential(*_blocks(config))
        self.head = _conv(config.variant, STAGES[-1].maps, 1280)
        self.classifier = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(1280, config.num_classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            if isinstance(layer, nn.Linear):
                bound = 1 / math.sqrt(layer.out_features)
                nn.init.uniform_(layer.weight, -bound, bound)
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        maps = self.head(self.blocks(self.stem(images_BCHW)))
        logits: Tensor = self.classifier(maps.mean(dim=(2, 3)))
        return logits


def _blocks(config: EfficientNetConfig) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    total, arriving = sum(stage.repeats for stage in STAGES), 32
    for stage in STAGES:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            drop = config.stochastic_depth * len(blocks) / total
            blocks.append(InvertedBottleneck(arriving, stage, stride=stride, variant=config.variant, drop=drop))
            arriving = stage.maps
    return blocks


def _conv(
    variant: Variant,
    in_channels: int,
    out_channels: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    lite = variant == "lite0"
    convolution: nn.Conv2d
    if lite and stride > 1:
        convolution = SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
    else:  # at stride 1 and odd kernels both ways of padding agree
        convolution = nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
    norm = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01) if lite else nn.BatchNorm2d(out_channels)
    activations: list[nn.Module] = [nn.ReLU6(inplace=True) if lite else nn.SiLU(inplace=True)] if activation else []
    return nn.Sequential(convolution, norm, *activations)


def _drop_pictures(x_BCHW: Tensor, share: float) -> Tensor:
    if share == 0:
        return x_BCHW
    kept = x_BCHW.new_empty(x_BCHW.shape[0], 1, 1, 1).bernoulli_(1 - share)
    return x_BCHW * kept / (1 - share)


def _factory(variant: Variant) -> Callable[..., nn.Module]:
    def factory(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
        return EfficientNet(EfficientNetConfig(variant=variant, in_channels=in_channels, num_classes=num_classes))

    return factory


# For the catalogue; neither has a width.
efficientnet_b0 = _factory("b0")
efficientnet_lite0 = _factory("lite0")
