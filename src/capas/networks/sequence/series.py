"""Networks for time series (B, C, T) of a fixed length: Greydanus & Kobak, "Scaling Down Deep Learning with MNIST-1D",
ICML 2024 (arXiv:2011.14439), in the authors' sizes: CNN 5,210 parameters, MLP 15,210, GRU 5,134, logistic 410 for 40
steps, 10 classes.

Legend: B batch, C channels, T time, K classes.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from capas.networks.checks import check_at_least_one


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesConfig:
    """Configuration of the series networks.

    Attributes:
        length: Steps of a series.
        num_classes: Number of outputs.
        in_channels: Numbers per step.
        width: Width of the network; None for the paper's.
    """

    length: int
    num_classes: int
    in_channels: int = 1
    width: int | None = None

    def __post_init__(self) -> None:
        check_at_least_one(length=self.length, num_classes=self.num_classes, in_channels=self.in_channels)
        if self.width is not None:
            check_at_least_one(width=self.width)


class SeriesCNN(nn.Module):
    """Series (B, C, T) → logits (B, K): three convolutions with stride 2 and ``width`` (25) maps, then a linear
    layer.
    """

    def __init__(self, config: SeriesConfig) -> None:
        super().__init__()
        width = config.width or 25
        self.convolutions = nn.Sequential(
            nn.Conv1d(config.in_channels, width, 5, stride=2, padding=1), nn.ReLU(),
            nn.Conv1d(width, width, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv1d(width, width, 3, stride=2, padding=1), nn.ReLU(),
        )  # fmt: skip
        # Kernel 5 with padding 1 loses two steps: short series need a little more padding than they have.
        if config.length < 3:
            raise ValueError(f"length is {config.length}; expected 3 or more")
        steps = _halved(_halved((config.length - 3) // 2 + 1))
        self.classifier = nn.Linear(width * steps, config.num_classes)

    def forward(self, series_BCT: Float[Tensor, "B C T"]) -> Float[Tensor, "B K"]:
        """Return logits (B, K)."""
        logits: Tensor = self.classifier(self.convolutions(series_BCT).flatten(1))
        return logits


class SeriesMLP(nn.Module):
    """Series (B, C, T) → logits (B, K): two hidden layers of ``width`` (100), the second with a shortcut."""

    def __init__(self, config: SeriesConfig) -> None:
        super().__init__()
        width = config.width or 100
        self.first = nn.Linear(config.in_channels * config.length, width)
        self.second = nn.Linear(width, width)
        self.classifier = nn.Linear(width, config.num_classes)

    def forward(self, series_BCT: Float[Tensor, "B C T"]) -> Float[Tensor, "B K"]:
        """Return logits (B, K)."""
        hidden = functional.relu(self.first(series_BCT.flatten(1)))
        hidden = hidden + functional.relu(self.second(hidden))
        logits: Tensor = self.classifier(hidden)
        return logits


class SeriesLogistic(nn.Module):
    """Series (B, C, T) → logits (B, K): one linear layer."""

    def __init__(self, config: SeriesConfig) -> None:
        super().__init__()
        self.classifier = nn.Linear(config.in_channels * config.length, config.num_classes)

    def forward(self, series_BCT: Float[Tensor, "B C T"]) -> Float[Tensor, "B K"]:
        """Return logits (B, K)."""
        logits: Tensor = self.classifier(series_BCT.flatten(1))
        return logits


class SeriesGRU(nn.Module):
    """Series (B, C, T) → logits (B, K): a bidirectional GRU (``width`` 6 per direction), then a linear layer over all
    its states.
    """

    def __init__(self, config: SeriesConfig) -> None:
        super().__init__()
        width = config.width or 6
        self.gru = nn.GRU(config.in_channels, width, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(2 * width * config.length, config.num_classes)

    def forward(self, series_BCT: Float[Tensor, "B C T"]) -> Float[Tensor, "B K"]:
        """Return logits (B, K)."""
        states, _ = self.gru(series_BCT.transpose(1, 2))
        logits: Tensor = self.classifier(states.flatten(1))
        return logits


def _halved(steps: int) -> int:
    return (steps - 1) // 2 + 1
