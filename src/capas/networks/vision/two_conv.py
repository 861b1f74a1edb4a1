"""The textbook network of two convolutions, which speed benchmarks use.

    conv 3×3, 32 · ReLU · max pooling 2×2 · conv 3×3, 64 · ReLU · max pooling 2×2 · linear 128 · ReLU · linear

No paper: it is the first network of most tutorials, here with padded convolutions (28 → 14 → 7) and without dropout.
"""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoConvConfig:
    """Configuration of ``TwoConvNet``.

    Attributes:
        in_channels: Channels of the images.
        num_classes: Number of outputs.
        image_size: Pixels a side, at least 4; the first linear layer depends on it.
    """

    in_channels: int = 1
    num_classes: int = 10
    image_size: int = 28

    def __post_init__(self) -> None:
        for name, value, least in (
            ("in_channels", self.in_channels, 1),
            ("num_classes", self.num_classes, 1),
            ("image_size", self.image_size, 4),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}; expected {least} or more")


class TwoConvNet(nn.Module):
    """Images (B, in_channels, image_size, image_size) → logits (B, num_classes)."""

    def __init__(self, config: TwoConvConfig) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(config.in_channels, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(64 * (config.image_size // 4) ** 2, 128),
            nn.ReLU(inplace=True),
            nn.Linear(128, config.num_classes),
        )

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        logits: Tensor = self.classifier(self.features(images_BCHW).flatten(1))
        return logits


def two_conv(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
    """Build a TwoConvNet for the catalogue; it has no width."""
    return TwoConvNet(TwoConvConfig(in_channels=in_channels, num_classes=num_classes, image_size=image_size))
