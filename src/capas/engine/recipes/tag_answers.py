"""Any number of tags as the answer, each with a probability and a threshold of its own."""

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
from capas.tasks.baseline import LogisticRegression
from capas.tasks.calibration import LEAST, gained_temperature
from capas.tasks.tag_figures import AlwaysTheSame, TaggingFigures, tagging_figures
from capas.tasks.tags import Tagging, call_tags, positive_weights, tune_thresholds


class TagAnswers:
    """Any number of tags, each with a probability and a threshold of its own; the outputs are divided by one
    ``temperature`` (see ``ClassAnswers``)."""

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
        """Nothing is."""

    def objective(self, network: nn.Module, targets: Tensor, config: Config) -> Objective[object]:
        weights = positive_weights(targets) if config.objective.class_weights == "balanced" else None
        return cast(Objective[object], Tagging(network, positive_weights=weights))

    def activate(self, outputs: Tensor) -> Tensor:
        return (outputs / self.temperature).sigmoid()

    def score(self, answers: Tensor, targets: Tensor) -> Score:
        called = call_tags(answers, tune_thresholds(answers, targets))
        hits, claims, present = ((called & targets).sum(), called.sum(), targets.sum())
        f1 = float(2 * hits / (claims + present).clamp(min=1))
        loss = float(torch.nn.functional.binary_cross_entropy(answers.double(), targets.double()))
        return Score(metric="micro_f1", value=f1, loss=loss, n=len(targets))

    def decide(self, answers: Tensor, targets: Tensor) -> None:
        temperature = gained_temperature(answers.clamp(LEAST, 1 - LEAST).logit(), targets)
        self.temperature *= temperature
        # A temperature moves every probability but not their order: the thresholds move with it.
        self.thresholds = tune_thresholds((answers.clamp(LEAST, 1 - LEAST).logit() / temperature).sigmoid(), targets)

    def tested(self, answers: Tensor, targets: Tensor, names: Sequence[str], baseline: Baselines | None) -> Tested:
        called = call_tags(answers, self.thresholds)
        figures = tagging_figures(called, targets, self.tags, torch.Generator().manual_seed(0))
        return Tested(
            n=len(targets),
            metrics=_tag_metrics(figures),
            baseline={} if baseline is None else self._baseline(baseline),
            per_class=figures.per_tag_json(),
            rows=self._rows(answers, called, targets, names),
        )

    def _baseline(self, given: Baselines) -> dict[str, dict[str, object]]:
        same = AlwaysTheSame.fit(given.all_train_targets).predict(len(given.test))
        x = given.train_features()
        models = [
            LogisticRegression.fit(x, given.train_targets[:, k].long(), 2, c=1.0, steps=30)
            for k in range(len(self.tags))
        ]
        linear = given.test_answers(lambda features: torch.stack([m.predict(features)[:, 1] for m in models], 1))

        def micro(called: Tensor) -> dict[str, object]:
            rng = torch.Generator().manual_seed(0)
            figures = tagging_figures(called, given.test_targets, self.tags, rng, resamples=200)
            return {"micro_f1": figures.micro.f1.as_json()}

        return {"most_frequent_tags": micro(same), given.name: micro(linear >= 0.5)}

    def _rows(self, answers: Tensor, called: Tensor, targets: Tensor, names: Sequence[str]) -> list[list[str]]:
        rows = [["example", "tags", "prediction", *(f"p({t})" for t in self.tags)]]
        for name, truth, says, row in zip(names, targets, called, answers, strict=True):
            rows.append([name, self._words(truth), self._words(says), *(f"{p:.6f}" for p in row.tolist())])
        return rows

    def _words(self, held: Tensor) -> str:
        return ";".join(self.tags[i] for i in held.nonzero()[:, 0].tolist())

    def predictions(self, names: Sequence[str], answers: Tensor) -> list[Prediction]:
        called = call_tags(answers, self.thresholds)
        return [
            Prediction(
                input=name,
                prediction=[self.tags[i] for i in says.nonzero()[:, 0].tolist()],
                probabilities=dict(zip(self.tags, row.tolist(), strict=True)),
            )
            for name, says, row in zip(names, called, answers, strict=True)
        ]

    def as_json(self) -> Mapping[str, object]:
        return {"kind": "tags", "thresholds": [round(t, 6) for t in self.thresholds.tolist()],
                "temperature": round(self.temperature, 6)}  # fmt: skip


def _tag_metrics(figures: TaggingFigures) -> dict[str, object]:
    return {
        "micro_f1": figures.micro.f1.as_json(),
        "micro_precision": figures.micro.precision.as_json(),
        "micro_recall": figures.micro.recall.as_json(),
        "macro_f1": figures.macro.f1.as_json(),
        "subset_accuracy": figures.subset_accuracy.as_json(),
    }
