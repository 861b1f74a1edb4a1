"""What is wanted of an example, when it is one answer: a class, tags, or numbers. What an output of the network means,
how good it is, and how it is told.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.core.objective import Objective
from capas.data.targets import Label
from capas.engine.config import Config
from capas.engine.loop import Score
from capas.engine.recipe import Prediction, Tested

BASELINE_EXAMPLES = 20_000
Features = Callable[[Tensor], Tensor]


@runtime_checkable
class Answers(Protocol):
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

    def score(self, answers: Tensor, targets: Tensor) -> Score:
        """On the validation split."""

    def decide(self, answers: Tensor, targets: Tensor) -> None:
        """Learn thresholds and widths of intervals from the validation split, after training."""

    def tested(self, answers: Tensor, targets: Tensor, names: Sequence[str], baseline: "Baselines | None") -> Tested:
        """Figures of ``answers`` to ``targets``; without ``baseline`` none stand beside."""

    def predictions(self, names: Sequence[str], answers: Tensor) -> list[Prediction]:
        """One for each row."""

    def as_json(self) -> Mapping[str, object]:
        """What ``from_json`` needs, besides the spec."""


class Baselines:
    """What a baseline may learn from and is tested on: ``features(positions)`` N×D, and targets."""

    def __init__(self, features: Features, targets: Tensor, train: Tensor, test: Tensor, name: str) -> None:
        self.name = name
        self._features = features
        self.train = train[:: max(1, len(train) // BASELINE_EXAMPLES)][:BASELINE_EXAMPLES]
        self.test = test
        self.all_train_targets = targets[train]
        self.train_targets, self.test_targets = targets[self.train], targets[test]

    def train_features(self) -> Float[Tensor, "N D"]:
        """Of the first 20,000 training examples at most, plenty for a simple model."""
        return self._features(self.train)

    def test_answers(self, answer: Callable[[Tensor], Tensor]) -> Tensor:
        """``answer`` applied to the test features, 2,000 at a time."""
        return torch.cat([answer(self._features(part)) for part in torch.split(self.test, 2000)])
