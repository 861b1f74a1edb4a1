"""The output head of multi-label classification."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from capas.baselines.constant_tags import ConstantTags
from capas.data.targets import Label
from capas.decoding.thresholds import apply_thresholds, tune_thresholds
from capas.engine.config import Config
from capas.engine.loop import ValidationScore
from capas.engine.recipe import Prediction, TestResult
from capas.engine.recipes.single_output.heads.base import BaselineData
from capas.metrics.calibration import MIN_PROBABILITY, temperature_if_better
from capas.metrics.multilabel import MultilabelMetrics, multilabel_metrics
from capas.objectives.base import Objective
from capas.objectives.multilabel import MultilabelClassification, positive_weights


class TagsHead:
    """Any number of tags (``OutputHead``).

    Args:
        tags: Tag names, in the order of the outputs.
        thresholds: Decision threshold of each tag, 0.5 by default.
        temperature: Divisor of the logits before the sigmoid (see ``ClassHead``).
    """

    def __init__(
        self, tags: Sequence[str], thresholds: Sequence[float] | None = None, temperature: float = 1.0
    ) -> None:
        self.tags = tuple(tags)
        self.temperature = temperature
        self.thresholds = torch.full((len(tags),), 0.5) if thresholds is None else torch.tensor(thresholds)

    @property
    def num_outputs(self) -> int:
        return len(self.tags)

    def targets(self, labels: Sequence[Label]) -> Tensor:
        held = torch.zeros(len(labels), len(self.tags), dtype=torch.bool)
        for row, label in enumerate(labels):
            for number in label if isinstance(label, tuple) else ():
                held[row, int(number)] = True
        return held

    def fit(self, targets: Tensor) -> None:
        """Nothing is fitted."""

    def objective(self, network: nn.Module, targets: Tensor, config: Config) -> Objective[object]:
        weights = positive_weights(targets) if config.objective.class_weights == "balanced" else None
        return cast(Objective[object], MultilabelClassification(network, positive_weights=weights))

    def activate(self, outputs: Tensor) -> Tensor:
        return (outputs / self.temperature).sigmoid()

    def score(self, predicted: Tensor, targets: Tensor) -> ValidationScore:
        called = apply_thresholds(predicted, tune_thresholds(predicted, targets))
        hits, claims, present = ((called & targets).sum(), called.sum(), targets.sum())
        f1 = float(2 * hits / (claims + present).clamp(min=1))
        loss = float(torch.nn.functional.binary_cross_entropy(predicted.double(), targets.double()))
        return ValidationScore(metric="micro_f1", value=f1, loss=loss, n=len(targets), by_loss=True)

    def calibrate(self, predicted: Tensor, targets: Tensor) -> None:
        temperature = temperature_if_better(predicted.clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY).logit(), targets)
        self.temperature *= temperature
        # A temperature moves every probability but not their order: the thresholds move with it.
        self.thresholds = tune_thresholds(
            (predicted.clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY).logit() / temperature).sigmoid(), targets
        )

    def evaluate(
        self, predicted: Tensor, targets: Tensor, names: Sequence[str], baseline: BaselineData | None
    ) -> TestResult:
        called = apply_thresholds(predicted, self.thresholds)
        figures = multilabel_metrics(called, targets, self.tags, torch.Generator().manual_seed(0))
        return TestResult(
            n=len(targets),
            metrics=_tag_metrics(figures),
            baseline={} if baseline is None else self._baseline(baseline),
            per_class=figures.per_tag_json(),
            rows=self._rows(predicted, called, targets, names),
        )

    def _baseline(self, baselines: BaselineData) -> dict[str, dict[str, object]]:
        same = ConstantTags.fit(baselines.all_train_targets).predict(len(baselines.test))
        name, linear = baselines.linear_predictions("tags", len(self.tags))

        def micro(called: Tensor) -> dict[str, object]:
            rng = torch.Generator().manual_seed(0)
            figures = multilabel_metrics(called, baselines.test_targets, self.tags, rng, resamples=200)
            return {"micro_f1": figures.micro.f1.as_json()}

        return {"most_frequent_tags": micro(same), name: micro(linear >= 0.5)}

    def _rows(self, predicted: Tensor, called: Tensor, targets: Tensor, names: Sequence[str]) -> list[list[str]]:
        rows = [["example", "tags", "prediction", *(f"p({t})" for t in self.tags)]]
        for name, target, called_tags, row in zip(names, targets, called, predicted, strict=True):
            rows.append([name, self._words(target), self._words(called_tags), *(f"{p:.6f}" for p in row.tolist())])
        return rows

    def _words(self, held: Tensor) -> str:
        return ";".join(self.tags[i] for i in held.nonzero()[:, 0].tolist())

    def predictions(self, names: Sequence[str], predicted: Tensor) -> list[Prediction]:
        called = apply_thresholds(predicted, self.thresholds)
        return [
            Prediction(
                input=name,
                prediction=[self.tags[i] for i in called_tags.nonzero()[:, 0].tolist()],
                probabilities=dict(zip(self.tags, row.tolist(), strict=True)),
            )
            for name, called_tags, row in zip(names, called, predicted, strict=True)
        ]

    def as_json(self) -> Mapping[str, object]:
        return {"kind": "tags", "thresholds": [round(t, 6) for t in self.thresholds.tolist()],
                "temperature": round(self.temperature, 6)}  # fmt: skip


def _tag_metrics(figures: MultilabelMetrics) -> dict[str, object]:
    return {
        "micro_f1": figures.micro.f1.as_json(),
        "micro_precision": figures.micro.precision.as_json(),
        "micro_recall": figures.micro.recall.as_json(),
        "macro_f1": figures.macro.f1.as_json(),
        "subset_accuracy": figures.subset_accuracy.as_json(),
    }
