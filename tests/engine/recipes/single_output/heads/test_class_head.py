"""Classes: a softmax with a temperature, figures, rows and baselines by hand."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from capas.engine.config import Config
from capas.engine.recipes.single_output.heads.base import BaselineData
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE
from capas.objectives.classification import Classification

HEAD = ClassHead(("cat", "dog", "owl"))
PREDICTED = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
TARGETS = torch.tensor([0, 1, 1, 2])


def value(figure: object) -> float:
    assert isinstance(figure, Mapping)
    return float(figure["value"])


def test_outputs_become_probabilities() -> None:
    outputs = torch.tensor([[math.log(6), math.log(3), 0.0]])
    assert HEAD.activate(outputs).tolist() == [pytest.approx([0.6, 0.3, 0.1])]
    # At half the temperature odds are squared: 36 : 9 : 1.
    assert ClassHead(HEAD.classes, 0.5).activate(outputs).tolist() == [pytest.approx([36 / 46, 9 / 46, 1 / 46])]
    assert HEAD.num_outputs == 3 and HEAD.targets([2, 0]).tolist() == [2, 0]


def test_the_score_is_accuracy_with_the_log_loss() -> None:
    score = HEAD.score(PREDICTED, TARGETS)
    assert (score.metric, score.value, score.n) == ("accuracy", 0.75, 4)
    assert score.loss == pytest.approx(-sum(map(math.log, (0.7, 0.6, 0.25, 0.8))) / 4, abs=1e-5)


def test_figures_rows_and_confusion() -> None:
    found = HEAD.evaluate(PREDICTED, TARGETS, ["a", "b", "c", "d"], None)
    assert found.n == 4 and not found.baseline and value(found.metrics["accuracy"]) == 0.75
    assert found.further["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert found.rows[0] == ["example", "class", "prediction", "probability", "p(cat)", "p(dog)", "p(owl)"]
    assert found.rows[3] == ["c", "dog", "cat", "0.500000", "0.500000", "0.250000", "0.250000"]


def test_a_prediction_is_the_most_probable_class() -> None:
    (one,) = HEAD.predictions(["x"], PREDICTED[1:2])
    assert one.input == "x" and one.prediction == "dog" and one.probability == pytest.approx(0.6)
    assert one.probabilities == pytest.approx({"cat": 0.1, "dog": 0.6, "owl": 0.3})


def test_class_weights_are_balanced_only_where_asked() -> None:
    def weights(wanted: str) -> Tensor | None:
        config = Config().merged({"objective.class_weights": wanted, "objective.label_smoothing": 0.3})
        made = HEAD.objective(nn.Linear(1, 3), torch.tensor([0, 0, 0, 1, 2, 2]), config)
        assert isinstance(made, Classification) and made.label_smoothing == 0.3
        return made.class_weights

    assert weights("none") is None
    balanced = weights("balanced")
    # In inverse proportion to 3, 1 and 2 examples.
    assert balanced is not None and (balanced / balanced[0]).tolist() == pytest.approx([1, 3, 1.5])


def overconfident(n: int) -> tuple[Tensor, Tensor]:
    """Stated 99 to 1, right in four of five."""
    targets = torch.arange(n) % 2
    stated = torch.where((torch.arange(n) % 5 == 0), 1 - targets, targets)
    rows = torch.full((n, 2), 0.01)
    rows[torch.arange(n), stated] = 0.99
    return rows, targets


def test_overconfidence_is_cooled_and_temperatures_multiply() -> None:
    head = ClassHead(("a", "b"), 2.0)
    head.calibrate(*overconfident(400))
    # Odds of 99 become those of 4 : 1: T = ln 99 / ln 4.
    assert head.temperature == pytest.approx(2 * math.log(99) / math.log(4), rel=0.01)
    assert head.as_json() == {"kind": "class", "temperature": round(head.temperature, 6)}
    few = ClassHead(("a", "b"), 2.0)
    few.calibrate(*overconfident(15))
    assert few.temperature == 2.0


def test_a_probability_of_zero_is_calibrated_all_the_same() -> None:
    rows, targets = overconfident(100)
    head = ClassHead(("a", "b"))
    head.calibrate(rows.round(), targets)
    assert math.isfinite(head.temperature) and head.temperature > 1


@pytest.mark.parametrize("tabular", [False, True])
def test_baselines_are_the_majority_and_a_linear_model(tabular: bool) -> None:
    targets = (torch.arange(240) >= 80).long()
    x = torch.stack([10.0 * targets - 5, torch.arange(240.0) % 7], 1)
    data = BaselineData(lambda positions: x[positions], targets, torch.arange(0, 240, 2), torch.arange(1, 240, 2),
                        DENSE_BASELINE, tabular=tabular)  # fmt: skip
    found = ClassHead(("low", "high")).evaluate(
        torch.full((120, 2), 0.5), data.test_targets, [str(i) for i in range(120)], data
    )
    assert set(found.baseline) == {"majority", "logistic_regression"} | ({"gradient_boosting"} if tabular else set())
    assert value(found.baseline["majority"]["accuracy"]) == pytest.approx(2 / 3, abs=1e-6)
    assert all(value(figures["accuracy"]) == 1.0 for name, figures in found.baseline.items() if name != "majority")
    # It always answers "low", of a third: the paired difference to each baseline, example by example.
    assert value(found.gains["majority"]) == pytest.approx(1 / 3 - 2 / 3, abs=1e-6)
    assert value(found.gains["logistic_regression"]) == pytest.approx(1 / 3 - 1, abs=1e-6)
    assert not found.beats_baselines() and found.as_json()["gains"] == found.gains
