"""What is wanted of an example, when it is one answer: a class, tags, or numbers. What an output of the network means,
how good it is, and how it is told.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.data.targets import Label
from capas.engine.config import Config
from capas.engine.loop import ValidationScore
from capas.engine.recipe import Prediction, TestResult
from capas.objectives.base import Objective

MAX_BASELINE_EXAMPLES = 20_000
FeatureFunction = Callable[[Tensor], Tensor]


@runtime_checkable
class OutputHead(Protocol):
    """One kind of answer, for known classes or units."""

    @property
    def num_outputs(self) -> int:
        """Outputs of the network."""

    def targets(self, labels: Sequence[Label]) -> Tensor:
        """The labels of a record as the objective wants them, N×…."""

    def fit(self, targets: Tensor) -> None:
        """Learn what is needed (a scale) from the training targets alone."""

    def objective(self, network: nn.Module, targets: Tensor, config: Config) -> Objective[object]:
        """What is minimised; ``targets`` are those of the training split."""

    def activate(self, outputs: Tensor) -> Tensor:
        """Raw outputs as probabilities or values, N×K."""

    def score(self, predicted: Tensor, targets: Tensor) -> ValidationScore:
        """On the validation split."""

    def calibrate(self, predicted: Tensor, targets: Tensor) -> None:
        """Learn thresholds and widths of intervals from the validation split, after training."""

    def evaluate(
        self, predicted: Tensor, targets: Tensor, names: Sequence[str], baseline: "BaselineData | None"
    ) -> TestResult:
        """Figures of ``answers`` to ``targets``; without ``baseline`` none stand beside."""

    def predictions(self, names: Sequence[str], predicted: Tensor) -> list[Prediction]:
        """One for each row."""

    def as_json(self) -> Mapping[str, object]:
        """What ``from_json`` needs, besides the spec."""


class BaselineData:
    """What a baseline may learn from and is tested on: ``features(positions)`` N×D, and targets."""

    def __init__(self, features: FeatureFunction, targets: Tensor, train: Tensor, test: Tensor, name: str) -> None:
        self.name = name
        self._features = features
        self.train = train[:: max(1, len(train) // MAX_BASELINE_EXAMPLES)][:MAX_BASELINE_EXAMPLES]
        self.test = test
        self.all_train_targets = targets[train]
        self.train_targets, self.test_targets = targets[self.train], targets[test]

    def train_features(self) -> Float[Tensor, "N D"]:
        """Of the first 20,000 training examples at most, plenty for a simple model."""
        return self._features(self.train)

    def test_predictions(self, predict: Callable[[Tensor], Tensor]) -> Tensor:
        """``predict`` applied to the test features, 2,000 at a time."""
        return torch.cat([predict(self._features(part)) for part in torch.split(self.test, 2000)])
