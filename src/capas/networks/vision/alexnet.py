"""AlexNet, in two towers as of 2012 and in one.

Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012.

Five convolutions (the first with stride 4), three overlapping max poolings (3×3, stride 2), three linear
layers with dropout 0.5 before the first two. Two forms:

- two towers (2012, Section 3.5, 60,965,224 parameters): the GPUs' halves as grouped convolutions in layers 2,
  4 and 5; after layers 1 and 2 local response normalisation over n = 5 neighbouring maps (Section 3.3)

      b_i = a_i / (k + α Σ_{j = i−n/2}^{i+n/2} a_j²)^β,   k = 2, α = 10⁻⁴, β = 0.75

  weights N(0, 0.01²), biases 1 in convolutions 2, 4, 5 and the hidden linear layers, 0 elsewhere (Section 5).
- one tower: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv:1404.5997,
  as torchvision builds it (61,100,840 parameters): 64, 192, 384, 256, 256 maps, no normalisation.

Where we deviate: 224×224 pictures are padded by 2 (the paper's 55×55 maps need 227×227); the paper does not
say whether normalisation reaches across the towers, ours does, as Caffe's; an adaptive average pooling to
6×6, the identity at 224, lets in other sizes from 63 pixels on. PyTorch divides α by n, so ours is
written 5 · 10⁻⁴.
"""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class AlexNetConfig:
    """Configuration of either AlexNet.

    Attributes:
        in_channels: Channels of the images.
        num_classes: Number of outputs.
        dropout: Share of units dropped before the first two linear layers, in [0, 1).
    """

    in_channels: int = 3
    num_classes: int = 1000
    dropout: float = 0.5

    def __post_init__(self) -> None:
        for name, value in (("in_channels", self.in_channels), ("num_classes", self.num_classes)):
            if value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected a share in [0, 1)")


class AlexNet(nn.Module):
    """One tower: images (B, in_channels, H, W), sides of 63 or more → logits (B, num_classes)."""

    def __init__(self, config: AlexNetConfig) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(config.in_channels, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.AdaptiveAvgPool2d(6),
        )
        self.classifier = _classifier(config)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        logits: Tensor = self.classifier(self.features(images_BCHW).flatten(1))
        return logits


class AlexNet2012(nn.Module):
    """Two towers: images (B, in_channels, H, W), sides of 63 or more → logits (B, num_classes)."""

    def __init__(self, config: AlexNetConfig) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(config.in_channels, 96, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(96, 256, 5, padding=2, groups=2),
            nn.ReLU(inplace=True),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(256, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, 3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.AdaptiveAvgPool2d(6),
        )
        self.classifier = _classifier(config)
        self._initialise()

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        logits: Tensor = self.classifier(self.features(images_BCHW).flatten(1))
        return logits

    def _initialise(self) -> None:
        weighted = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        for layer, bias in zip(weighted, (0, 1, 0, 1, 1, 1, 1, 0), strict=True):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, bias)


def _classifier(config: AlexNetConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(config.dropout),
        nn.Linear(256 * 6 * 6, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(config.dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Linear(4096, config.num_classes),
    )


def alexnet(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
    """Build AlexNet in one tower for the catalogue; it has no width."""
    return AlexNet(AlexNetConfig(in_channels=in_channels, num_classes=num_classes))


def alexnet_2012(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
    """Build AlexNet in two towers for the catalogue; it has no width."""
    return AlexNet2012(AlexNetConfig(in_channels=in_channels, num_classes=num_classes))
