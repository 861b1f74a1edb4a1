"""The protocol of output heads: targets, loss, postprocessing and metrics of one kind of output."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from capas.core.spec import OutputKind
from capas.data.targets import Label
from capas.engine.config import Config
from capas.engine.loop import ValidationScore
from capas.engine.recipe import Prediction, TestResult
from capas.engine.recipes.single_output.linear_baseline import LinearBaseline
from capas.objectives.base import Objective

MAX_BASELINE_EXAMPLES = 20_000
MAX_BOOSTED_COLUMNS = 256  # more would take longer than the training
FeatureFunction = Callable[[Tensor], Any]


@runtime_checkable
class OutputHead(Protocol):
    """One kind of output, for known classes or units."""

    @property
    def num_outputs(self) -> int:
        """Number of outputs of the network."""

    @property
    def temperature(self) -> float:
        """Divisor of the raw outputs, fitted to the validation split; 1 where there are no probabilities."""

    def targets(self, labels: Sequence[Label]) -> Tensor:
        """Convert the labels of a record to the targets of the objective, shape (N, …)."""

    def fit(self, targets: Tensor) -> None:
        """Fit what is needed, such as a scale, to the training targets."""

    def objective(self, network: nn.Module, targets: Tensor, config: Config) -> Objective[object]:
        """Return the loss of ``network``; ``targets`` are those of the training split."""

    def activate(self, outputs: Tensor) -> Tensor:
        """Convert raw outputs to probabilities or values, shape (N, K)."""

    def score(self, predicted: Tensor, targets: Tensor) -> ValidationScore:
        """Return the validation score of activated outputs."""

    def calibrate(self, predicted: Tensor, targets: Tensor) -> None:
        """Fit temperature, thresholds or interval widths to the validation split, after training."""

    def evaluate(
        self, predicted: Tensor, targets: Tensor, names: Sequence[str], baseline: "BaselineData | None"
    ) -> TestResult:
        """Return the test metrics of activated outputs; without ``baseline`` the result has no baseline."""

    def predictions(self, names: Sequence[str], predicted: Tensor) -> list[Prediction]:
        """Return one prediction per row of activated outputs."""

    def as_json(self) -> Mapping[str, object]:
        """Return what ``restore_output_head`` needs besides the spec."""


class BaselineData:
    """Features and targets for the baselines.

    Args:
        features: Returns features (N, D) of positions.
        targets: Targets of all examples.
        train: Positions of the training examples; for ``train_features`` thinned to at most 20,000.
        test: Positions of the test examples.
        linear: The linear baseline.
        tabular: Whether the features are the columns of a table.
    """

    def __init__(
        self,
        features: FeatureFunction,
        targets: Tensor,
        train: Tensor,
        test: Tensor,
        linear: LinearBaseline,
        *,
        tabular: bool = False,
    ) -> None:
        self.linear = linear
        self.tabular = tabular
        self._features = features
        self.train = train[:: max(1, len(train) // MAX_BASELINE_EXAMPLES)][:MAX_BASELINE_EXAMPLES]
        self.test = test
        self.all_train_targets = targets[train]
        self.train_targets, self.test_targets = targets[self.train], targets[test]

    def linear_predictions(self, kind: OutputKind, num_outputs: int) -> tuple[str, Tensor]:
        """Return the name of the linear baseline, and its probabilities or numbers (N, O) for the test examples."""
        predict = self.linear.fit(self.train_features(), self.train_targets, kind, num_outputs)
        return self.linear.names[kind], self.test_predictions(predict)

    def train_features(self) -> Any:
        """Return the features of at most 20,000 training examples, plenty for a simple model."""
        return self._features(self.train)

    def test_predictions(self, predict: Callable[[Any], Tensor]) -> Tensor:
        """Return ``predict`` applied to the test features, 2,000 at a time."""
        return torch.cat([predict(self._features(part)) for part in torch.split(self.test, 2000)])
