"""TODO docstring."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from capas.networks.checks import check_at_least_one


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesConfig:
    """A series of ``in_channels`` numbers at each of ``length`` times; ``width`` as in the paper unless told."""

    length: int
    num_classes: int
    in_channels: int = 1
    width: int | None = None

    def __post_init__(self) -> None:
        check_at_least_one(length=self.length, num_classes=self.num_classes, in_channels=self.in_channels)
        if self.width is not None:
            check_at_least_one(width=self.width)


class SeriesCNN(nn.Module):
    """Series (B, C, T) → logits (B, K): three convolutions with stride 2 and ``width`` (25) maps, one linear layer."""

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
        """Logits (B, K)."""
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
        """Logits (B, K)."""
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
        """Logits (B, K)."""
        logits: Tensor = self.classifier(series_BCT.flatten(1))
        return logits


class SeriesGRU(nn.Module):
    """Series (B, C, T) → logits (B, K): a GRU in both directions (``width`` 6 each), one linear layer over all its
    states.
    """

    def __init__(self, config: SeriesConfig) -> None:
        super().__init__()
        width = config.width or 6
        self.gru = nn.GRU(config.in_channels, width, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(2 * width * config.length, config.num_classes)

    def forward(self, series_BCT: Float[Tensor, "B C T"]) -> Float[Tensor, "B K"]:
        """Logits (B, K)."""
        states, _ = self.gru(series_BCT.transpose(1, 2))
        logits: Tensor = self.classifier(states.flatten(1))
        return logits


def _halved(steps: int) -> int:
    return (steps - 1) // 2 + 1
