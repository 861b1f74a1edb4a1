"""The output head of single-label classification."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from capas.baselines.gradient_boosting import fit_boosted_classes
from capas.baselines.majority_class import MajorityClass
from capas.data.targets import Label
from capas.engine.config import Config
from capas.engine.loop import ValidationScore
from capas.engine.recipe import Prediction, TestResult
from capas.engine.recipes.single_output.heads.base import MAX_BOOSTED_COLUMNS, BaselineData
from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.calibration import MIN_PROBABILITY, temperature_if_better
from capas.metrics.classification import classification_metrics
from capas.networks.generative.class_conditioned_vae import HasLatents
from capas.objectives.base import Objective
from capas.objectives.class_conditioned_vae import ClassConditionedLearning
from capas.objectives.classification import Classification, balanced_class_weights


class ClassHead:
    """One class of several (``OutputHead``).

    Args:
        classes: Class names, in the order of the outputs.
        temperature: Divisor of the logits before the softmax; 1 unless another calibrates the validation split better.
    """

    def __init__(self, classes: Sequence[str], temperature: float = 1.0) -> None:
        self.classes = tuple(classes)
        self.temperature = temperature
        self._draws = False

    @property
    def num_outputs(self) -> int:
        return len(self.classes)

    def targets(self, labels: Sequence[Label]) -> Tensor:
        return torch.tensor(labels, dtype=torch.long)

    def fit(self, targets: Tensor) -> None:
        """Nothing is fitted."""

    def objective(self, network: nn.Module, targets: Tensor, config: Config) -> Objective[object]:
        weights = None
        if config.objective.class_weights == "balanced":
            weights = balanced_class_weights(targets, len(self.classes))
        smoothing = config.objective.label_smoothing
        self._draws = isinstance(network, HasLatents)
        if self._draws:
            shares = torch.bincount(targets, minlength=len(self.classes)) / len(targets)
            learning = ClassConditionedLearning(network, shares, label_smoothing=smoothing, class_weights=weights)
            return cast(Objective[object], learning)
        return cast(Objective[object], Classification(network, label_smoothing=smoothing, class_weights=weights))

    def activate(self, outputs: Tensor) -> Tensor:
        return (outputs / self.temperature).softmax(1)

    def score(self, predicted: Tensor, targets: Tensor) -> ValidationScore:
        figures = classification_metrics(predicted, targets, self.classes)
        # How well a network draws, the log loss of its classes does not say: the best one comes early.
        return ValidationScore(
            metric="accuracy", value=figures.accuracy.value, loss=figures.log_loss, n=len(targets), by_loss=True,
            keep_latest=self._draws,
        )  # fmt: skip

    def calibrate(self, predicted: Tensor, targets: Tensor) -> None:
        self.temperature *= temperature_if_better(predicted.clamp(min=MIN_PROBABILITY).log(), targets)

    def evaluate(
        self, predicted: Tensor, targets: Tensor, names: Sequence[str], baseline: BaselineData | None
    ) -> TestResult:
        figures = classification_metrics(predicted, targets, self.classes)
        rivals = {} if baseline is None else self._baselines(baseline)
        right = (predicted.argmax(1) == targets).double()
        return TestResult(
            n=len(targets),
            metrics=figures.metrics_json(),
            baseline={
                name: {"accuracy": classification_metrics(answers, targets, self.classes).accuracy.as_json()}
                for name, answers in rivals.items()
            },
            gains={
                name: mean_with_interval(right - (answers.argmax(1) == targets).double()).as_json()
                for name, answers in rivals.items()
            },
            per_class=figures.per_class_json(),
            further={"confusion": [list(row) for row in figures.confusion]},
            rows=self._rows(predicted, targets, names),
        )

    def _baselines(self, baselines: BaselineData) -> dict[str, Tensor]:
        """Probabilities of the test examples by the name of the baseline."""
        k = len(self.classes)
        majority = MajorityClass.fit(baselines.all_train_targets, k).predict(len(baselines.test))
        name, linear = baselines.linear_predictions("class", k)
        found = {"majority": majority, name: linear}
        x, y = baselines.train_features(), baselines.train_targets
        if baselines.tabular and x.shape[1] <= MAX_BOOSTED_COLUMNS and len(torch.unique(y)) > 1:
            found["gradient_boosting"] = baselines.test_predictions(fit_boosted_classes(x, y, k))
        return found

    def _rows(self, predicted: Tensor, targets: Tensor, names: Sequence[str]) -> list[list[str]]:
        rows = [["example", "class", "prediction", "probability", *(f"p({c})" for c in self.classes)]]
        for name, target, row in zip(names, targets.tolist(), predicted, strict=True):
            best = int(row.argmax())
            shares = [f"{p:.6f}" for p in row.tolist()]
            rows.append([name, self.classes[target], self.classes[best], shares[best], *shares])
        return rows

    def predictions(self, names: Sequence[str], predicted: Tensor) -> list[Prediction]:
        predictions = []
        for name, row in zip(names, predicted, strict=True):
            best = int(row.argmax())
            predictions.append(
                Prediction(
                    input=name,
                    prediction=self.classes[best],
                    probability=float(row[best]),
                    probabilities=dict(zip(self.classes, row.tolist(), strict=True)),
                )
            )
        return predictions

    def as_json(self) -> Mapping[str, object]:
        return {"kind": "class", "temperature": round(self.temperature, 6)}
