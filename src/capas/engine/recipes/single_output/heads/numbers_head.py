"""The output head of regression."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import cast

import torch
from torch import Tensor, nn

from capas.baselines.gradient_boosting import fit_boosted_regression
from capas.baselines.mean_median import MeanMedianBaseline
from capas.core.number_format import format_quantity
from capas.core.spec import Field
from capas.data.targets import Label
from capas.engine.config import Config
from capas.engine.loop import ValidationScore
from capas.engine.recipe import Prediction, TestResult
from capas.engine.recipes.single_output.heads.base import MAX_BOOSTED_COLUMNS, BaselineData
from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.conformal_regression import SplitConformal, interval_coverage
from capas.metrics.regression import regression_metrics
from capas.objectives.base import Objective
from capas.objectives.regression import Regression, TargetScale

COVERAGE_LEVEL = 0.9  # share of new examples that an interval is to hold


class NumbersHead:
    """One or several numbers, each with a unit and a 90 % prediction interval by split conformal prediction
    (``OutputHead``).

    Args:
        fields: Names and units of the numbers.
        scales: Mean and deviation of each, fitted to the training targets.
        conformal: Interval width of each, fitted to the validation split.
    """

    temperature = 1.0

    def __init__(
        self, fields: Sequence[Field], scales: Sequence[TargetScale] = (), conformal: Sequence[SplitConformal] = ()
    ) -> None:
        self.fields = tuple(fields)
        self.scales = tuple(scales)
        self.conformal = tuple(conformal)

    @property
    def num_outputs(self) -> int:
        return len(self.fields)

    def targets(self, labels: Sequence[Label]) -> Tensor:
        return torch.tensor(labels, dtype=torch.float64).view(len(labels), len(self.fields))

    def fit(self, targets: Tensor) -> None:
        self.scales = tuple(TargetScale.fit(column) for column in targets.T)

    def objective(self, network: nn.Module, targets: Tensor, config: Config) -> Objective[object]:
        return cast(Objective[object], Regression(network, self.scales))

    def activate(self, outputs: Tensor) -> Tensor:
        columns = [scale.restore(column) for scale, column in zip(self.scales, outputs.double().T, strict=True)]
        return torch.stack(columns, dim=1)

    def score(self, predicted: Tensor, targets: Tensor) -> ValidationScore:
        """Return R², the share of the variance explained, averaged over the numbers."""
        squared = (predicted - targets).square().mean(0)
        spread = targets.var(0, correction=0).clamp(min=1e-12)
        r2 = float((1 - squared / spread).mean())
        return ValidationScore(metric="r2", value=r2, loss=float((squared / spread).mean()), n=len(targets))

    def calibrate(self, predicted: Tensor, targets: Tensor) -> None:
        columns = zip(predicted.T, targets.T, strict=True)
        fitted = tuple(SplitConformal.fit(found, true, level=COVERAGE_LEVEL) for found, true in columns)
        # Of fewer than nine examples no interval holds nine of ten; none is better than one without end.
        self.conformal = fitted if all(math.isfinite(one.quantile) for one in fitted) else ()

    def evaluate(
        self, predicted: Tensor, targets: Tensor, names: Sequence[str], baseline: BaselineData | None
    ) -> TestResult:
        metrics: dict[str, object] = {}
        beside = [{} for _ in self.fields] if baseline is None else self._baselines(baseline)
        held: dict[str, dict[str, object]] = {}
        gains: dict[str, dict[str, object]] = {}
        for k, field in enumerate(self.fields):
            suffix = f"_{field.name}" if len(self.fields) > 1 else ""
            figures = self._figures(predicted[:, k], targets[:, k], k)
            metrics |= {f"{name}{suffix}": figure for name, figure in figures.items()}
            error = (predicted[:, k] - targets[:, k]).abs().double()
            for name, answers in beside[k].items():
                figure = {**regression_metrics(answers, targets[:, k]).mae.as_json(), "unit": field.unit}
                held.setdefault(name, {})[f"mae{suffix}"] = figure
                if k == 0:  # the first number's is the headline
                    gain = mean_with_interval((answers - targets[:, k]).abs().double() - error)
                    gains[name] = {**gain.as_json(), "unit": field.unit}
        rows = self._rows(predicted, targets, names)
        return TestResult(n=len(targets), metrics=metrics, baseline=held, rows=rows, gains=gains)

    def _figures(self, predicted: Tensor, targets: Tensor, k: int) -> dict[str, object]:
        """Errors of number ``k`` in its unit, and the coverage and width of its interval."""
        if len(targets) < 2:
            error = float((predicted - targets).abs().mean())
            return {"mae": {"value": round(error, 6), "n": len(targets), "unit": self.fields[k].unit}}
        found = regression_metrics(predicted, targets)
        unit = self.fields[k].unit
        figures: dict[str, object] = {
            "mae": {**found.mae.as_json(), "unit": unit},
            "rmse": {**found.rmse.as_json(), "unit": unit},
            "r2": found.r2.as_json(),
        }
        if self.conformal:
            low, high = self.conformal[k].interval(predicted)
            figures["coverage"] = interval_coverage(low, high, targets).as_json()
            figures["interval_width"] = {"value": round(2 * self.conformal[k].quantile, 6), "n": self.conformal[k].n,
                                         "unit": unit}  # fmt: skip
        return figures

    def _baselines(self, baselines: BaselineData) -> list[dict[str, Tensor]]:
        """Of each number what the baselines answer to the test examples, by name."""
        _, linear = baselines.linear_predictions("numbers", len(self.fields))
        return [self._baseline(baselines, linear[:, k], k) for k in range(len(self.fields))]

    def _baseline(self, baselines: BaselineData, linear: Tensor, k: int) -> dict[str, Tensor]:
        train, test = baselines.train_targets[:, k], baselines.test_targets[:, k]
        constant = MeanMedianBaseline.fit(baselines.all_train_targets[:, k])
        x = baselines.train_features()
        found = {
            "median": torch.full_like(test, constant.median),
            "ridge": linear.double(),
        }
        if isinstance(x, Tensor) and x.shape[1] <= MAX_BOOSTED_COLUMNS:  # counts of words are a sparse matrix
            found["gradient_boosting"] = baselines.test_predictions(fit_boosted_regression(x, train))
        return found if len(test) >= 2 else {}

    def _rows(self, predicted: Tensor, targets: Tensor, names: Sequence[str]) -> list[list[str]]:
        heads = ["example"]
        for field in self.fields:
            heads += [field.name, f"predicted {field.name}", f"lower {field.name}", f"upper {field.name}"]
        rows = [heads]
        for name, row, target in zip(names, predicted.tolist(), targets.tolist(), strict=True):
            line = [name]
            for k, (value, true) in enumerate(zip(row, target, strict=True)):
                low, high = self._interval(value, k)
                ends = [f"{end:.6g}" if math.isfinite(end) else "" for end in (low, high)]
                line += [f"{true:.6g}", f"{value:.6g}", *ends]
            rows.append(line)
        return rows

    def _interval(self, value: float, k: int) -> tuple[float, float]:
        half = self.conformal[k].quantile if self.conformal else math.inf
        return value - half, value + half

    def predictions(self, names: Sequence[str], predicted: Tensor) -> list[Prediction]:
        found = []
        for name, row in zip(names, predicted.tolist(), strict=True):
            values = {}
            for k, (field, value) in enumerate(zip(self.fields, row, strict=True)):
                low, high = self._interval(value, k)
                interval = [round(low, 6), round(high, 6)] if math.isfinite(low) else None
                values[field.name] = {"value": round(value, 6), "unit": field.unit, "interval": interval,
                                      "level": COVERAGE_LEVEL}  # fmt: skip
            first = values[self.fields[0].name]
            facts: dict[str, object] = {**first} if len(values) == 1 else {"values": values}
            value_texts = [_value_text(v["value"], v["unit"], v["interval"]) for v in values.values()]
            text = " · ".join(value_texts) if len(values) == 1 else " · ".join(
                f"{n} {t}" for n, t in zip(values, value_texts, strict=True))  # fmt: skip
            found.append(Prediction(input=name, prediction=first["value"] if len(values) == 1 else
                                    {n: v["value"] for n, v in values.items()}, facts=facts, text=text))  # fmt: skip
        return found

    def as_json(self) -> Mapping[str, object]:
        return {
            "kind": "numbers",
            "scales": [asdict(scale) for scale in self.scales],
            "conformal": [asdict(one) for one in self.conformal],
        }


def _value_text(value: object, unit: object, interval: object) -> str:
    rendered = format_quantity(float(str(value)), str(unit))
    if not isinstance(interval, list):
        return rendered
    return f"{rendered} ({format_quantity(interval[0])}–{format_quantity(interval[1])})"
