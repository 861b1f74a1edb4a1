"""One class of several as the answer, each with its probability."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from capas.core.objective import Objective
from capas.data.targets import Label
from capas.engine.config import Config
from capas.engine.loop import Score
from capas.engine.recipe import Prediction, Tested
from capas.engine.recipes.answers import Baselines
from capas.tasks.baseline import LogisticRegression, Majority
from capas.tasks.calibration import LEAST, gained_temperature
from capas.tasks.classify import Classification, balanced_weights
from capas.tasks.metrics import Rate, classification_figures


class ClassAnswers:
    """One class of several, each with its probability: softmax of the outputs over a ``temperature``, which is 1 unless
    another brought the probabilities of the validation examples closer to the truth."""

    def __init__(self, classes: Sequence[str], temperature: float = 1.0) -> None:
        self.classes = tuple(classes)
        self.temperature = temperature

    @property
    def num_outputs(self) -> int:
        return len(self.classes)

    def targets(self, labels: Sequence[Label]) -> Tensor:
        return torch.tensor(labels, dtype=torch.long)

    def fit(self, targets: Tensor) -> None:
        """Nothing is."""

    def objective(self, network: nn.Module, targets: Tensor, config: Config) -> Objective[object]:
        weights = None
        if config.objective.class_weights == "balanced":
            weights = balanced_weights(targets, len(self.classes))
        smoothing = config.objective.label_smoothing
        return cast(Objective[object], Classification(network, label_smoothing=smoothing, class_weights=weights))

    def activate(self, outputs: Tensor) -> Tensor:
        return (outputs / self.temperature).softmax(1)

    def score(self, answers: Tensor, targets: Tensor) -> Score:
        figures = classification_figures(answers, targets, self.classes)
        return Score(metric="accuracy", value=figures.accuracy.value, loss=figures.log_loss, n=len(targets))

    def decide(self, answers: Tensor, targets: Tensor) -> None:
        self.temperature *= gained_temperature(answers.clamp(min=LEAST).log(), targets)

    def tested(self, answers: Tensor, targets: Tensor, names: Sequence[str], baseline: Baselines | None) -> Tested:
        figures = classification_figures(answers, targets, self.classes)
        return Tested(
            n=len(targets),
            metrics=figures.metrics_json(),
            baseline={} if baseline is None else self._baseline(baseline),
            per_class=figures.per_class_json(),
            further={"confusion": [list(row) for row in figures.confusion]},
            rows=self._rows(answers, targets, names),
        )

    def _baseline(self, given: Baselines) -> dict[str, dict[str, object]]:
        k = len(self.classes)
        majority = Majority.fit(given.all_train_targets, k).predict(len(given.test))
        model = LogisticRegression.fit(given.train_features(), given.train_targets, k)
        linear = given.test_answers(model.predict)

        def accuracy(probabilities: Tensor) -> Rate:
            return classification_figures(probabilities, given.test_targets, self.classes).accuracy

        return {
            "majority": {"accuracy": accuracy(majority).as_json()},
            given.name: {"accuracy": accuracy(linear).as_json()},
        }

    def _rows(self, answers: Tensor, targets: Tensor, names: Sequence[str]) -> list[list[str]]:
        rows = [["example", "class", "prediction", "probability", *(f"p({c})" for c in self.classes)]]
        for name, target, row in zip(names, targets.tolist(), answers, strict=True):
            best = int(row.argmax())
            shares = [f"{p:.6f}" for p in row.tolist()]
            rows.append([name, self.classes[target], self.classes[best], shares[best], *shares])
        return rows

    def predictions(self, names: Sequence[str], answers: Tensor) -> list[Prediction]:
        found = []
        for name, row in zip(names, answers, strict=True):
            best = int(row.argmax())
            found.append(
                Prediction(
                    input=name,
                    prediction=self.classes[best],
                    probability=float(row[best]),
                    probabilities=dict(zip(self.classes, row.tolist(), strict=True)),
                )
            )
        return found

    def as_json(self) -> Mapping[str, object]:
        return {"kind": "class", "temperature": round(self.temperature, 6)}
