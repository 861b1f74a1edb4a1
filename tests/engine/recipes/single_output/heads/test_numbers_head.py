"""Numbers: in the user's unit, with intervals of conformal prediction."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn

from capas.core.spec import Field
from capas.engine.config import Config
from capas.engine.recipes.single_output.heads.base import BaselineData
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE

WEIGHT = Field(name="weight", kind="number", unit="kg")
HEIGHT = Field(name="height", kind="number", unit="m")


def value(figure: object) -> float:
    assert isinstance(figure, Mapping)
    return float(figure["value"])


def fitted(*fields: Field) -> NumbersHead:
    """Means 20 and 2, deviations 10 and 1."""
    head = NumbersHead(fields)
    head.fit(torch.tensor([[10.0, 1.0], [30.0, 3.0]], dtype=torch.float64)[:, : len(fields)])
    return head


def test_labels_are_columns_in_double_precision() -> None:
    assert NumbersHead([WEIGHT]).targets([(1.5,), (2.0,)]).tolist() == [[1.5], [2.0]]
    both = NumbersHead([WEIGHT, HEIGHT]).targets([(1.5, 2.0), (3.0, 4.0)])
    assert both.tolist() == [[1.5, 2.0], [3.0, 4.0]] and both.dtype == torch.float64
    assert NumbersHead([WEIGHT, HEIGHT]).num_outputs == 2


def test_outputs_are_brought_back_to_their_units() -> None:
    found = fitted(WEIGHT, HEIGHT).activate(torch.tensor([[0.0, 1.0], [-2.0, 0.5]]))
    torch.testing.assert_close(found, torch.tensor([[20.0, 3.0], [0.0, 2.5]], dtype=torch.float64))


def test_the_score_is_the_share_of_the_variance_explained() -> None:
    targets = torch.tensor([[0.0, 0.0], [2.0, 4.0]], dtype=torch.float64)
    mean = targets.mean(0).expand(2, 2)
    head = fitted(WEIGHT, HEIGHT)
    assert head.score(targets, targets).value == 1.0 and head.score(mean, targets).value == 0.0
    half = head.score(torch.stack([targets[:, 0], mean[:, 1]], 1), targets)
    assert (half.metric, half.value, half.loss, half.n) == ("r2", 0.5, 0.5, 2)
    constant = head.score(torch.full((2, 2), 5.0, dtype=torch.float64), torch.full((2, 2), 5.0, dtype=torch.float64))
    assert constant.value == 1.0


def test_an_interval_holds_nine_in_ten() -> None:
    head = fitted(WEIGHT)
    targets = torch.zeros(19, 1, dtype=torch.float64)
    predicted = torch.arange(1.0, 20.0, dtype=torch.float64)[:, None]
    head.calibrate(predicted, targets)
    # The 18th smallest of 19 errors: ceil(20 · 0.9).
    assert head.conformal[0].quantile == 18.0
    (one,) = head.predictions(["x"], torch.tensor([[20.0]], dtype=torch.float64))
    assert one.prediction == 20.0 and one.facts == {"value": 20.0, "unit": "kg", "interval": [2.0, 38.0], "level": 0.9}
    assert one.text is not None and "kg" in one.text and "2" in one.text and "38" in one.text
    found = head.evaluate(predicted, targets, [str(i) for i in range(19)], None)
    assert value(found.metrics["coverage"]) == pytest.approx(18 / 19, abs=1e-6)
    assert value(found.metrics["interval_width"]) == 36.0
    assert found.rows[0] == ["example", "weight", "predicted weight", "lower weight", "upper weight"]
    assert found.rows[1] == ["0", "0", "1", "-17", "19"]


def test_too_few_examples_give_no_interval() -> None:
    head = fitted(WEIGHT)
    head.calibrate(torch.zeros(3, 1, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64))
    (one,) = head.predictions(["x"], torch.tensor([[20.0]], dtype=torch.float64))
    assert one.facts["interval"] is None and head.as_json()["conformal"] == []
    assert head.as_json()["scales"] == [{"mean": 20.0, "deviation": 10.0}]
    (before,) = fitted(WEIGHT).predictions(["x"], torch.tensor([[20.0]], dtype=torch.float64))
    assert before.facts["interval"] is None and before.text is not None and "–" not in before.text


def test_figures_by_hand() -> None:
    targets = torch.tensor([[1.0], [2.0], [3.0], [6.0]], dtype=torch.float64)
    predicted = targets + torch.tensor([[1.0], [-1.0], [0.0], [2.0]], dtype=torch.float64)
    found = fitted(WEIGHT).evaluate(predicted, targets, ["a", "b", "c", "d"], None)
    assert value(found.metrics["mae"]) == 1.0 and value(found.metrics["rmse"]) == pytest.approx(math.sqrt(6 / 4))
    # Squares about the mean 3: 4 + 1 + 0 + 9.
    assert value(found.metrics["r2"]) == pytest.approx(1 - 6 / 14, abs=1e-6)
    mae = found.metrics["mae"]
    assert isinstance(mae, Mapping) and mae["unit"] == "kg" and next(iter(found.metrics)) == "mae"
    assert "coverage" not in found.metrics and not found.baseline


def test_several_numbers_are_told_by_name() -> None:
    head = fitted(WEIGHT, HEIGHT)
    predicted = torch.tensor([[20.0, 2.0], [10.0, 1.5]], dtype=torch.float64)
    found = head.evaluate(predicted, predicted + torch.tensor([2.0, 0.5]), ["a", "b"], None)
    assert value(found.metrics["mae_weight"]) == 2.0 and value(found.metrics["mae_height"]) == 0.5
    (first, _) = head.predictions(["a", "b"], predicted)
    assert first.prediction == {"weight": 20.0, "height": 2.0} and set(first.facts) == {"values"}
    assert first.text is not None and first.text.startswith("weight 20") and " · height 2" in first.text


def test_one_test_example_has_an_error_and_no_variance() -> None:
    one = torch.tensor([[3.0]], dtype=torch.float64)
    found = fitted(WEIGHT).evaluate(one, one + 2, ["a"], None)
    assert found.n == 1 and set(found.metrics) == {"mae"} and value(found.metrics["mae"]) == 2.0


def test_baselines_are_the_median_a_line_and_boosted_trees() -> None:
    x = torch.arange(40.0)[:, None]
    targets = (3 * x.double()) + 7
    train, test = torch.arange(0, 40, 2), torch.arange(1, 40, 2)
    data = BaselineData(lambda positions: x[positions], targets, train, test, DENSE_BASELINE)
    found = fitted(WEIGHT).evaluate(data.test_targets, data.test_targets, [str(i) for i in range(20)], data)
    assert set(found.baseline) == {"median", "ridge", "gradient_boosting"}
    median = targets[train, 0].numpy()
    expected = np.abs(targets[test, 0].numpy() - np.median(median)).mean()
    assert value(found.baseline["median"]["mae"]) == pytest.approx(expected, abs=1e-6)
    assert value(found.baseline["ridge"]["mae"]) < 0.2 * expected
    # Without any error of its own it gains all of theirs.
    for name in found.baseline:
        assert value(found.gains[name]) == pytest.approx(value(found.baseline[name]["mae"]), abs=1e-6)
        assert found.gains[name]["unit"] == found.baseline[name]["mae"]["unit"]


def test_the_loss_of_the_means_is_that_of_standardised_targets() -> None:
    head = fitted(WEIGHT)
    objective = head.objective(nn.Linear(1, 1), torch.zeros(2, 1), Config())
    assert type(objective).__name__ == "Regression"
