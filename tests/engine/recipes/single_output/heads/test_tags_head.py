"""Tags: each with a probability and a threshold of its own."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import nn

from capas.engine.config import Config
from capas.engine.recipes.single_output.heads.base import BaselineData
from capas.engine.recipes.single_output.heads.tags_head import TagsHead
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE
from capas.objectives.multilabel import MultilabelClassification

TAGS = ("red", "big")


def value(figure: object) -> float:
    assert isinstance(figure, Mapping)
    return float(figure["value"])


def test_labels_are_sets() -> None:
    assert TagsHead(TAGS).targets([(1,), (), (0, 1), None]).tolist() == [
        [False, True], [False, False], [True, True], [False, False],
    ]  # fmt: skip
    assert TagsHead(TAGS).num_outputs == 2


def test_outputs_become_probabilities_that_need_not_sum_to_one() -> None:
    outputs = torch.tensor([[math.log(3), -math.log(4)]])
    assert TagsHead(TAGS).activate(outputs).tolist() == [pytest.approx([0.75, 0.2])]
    assert TagsHead(TAGS, temperature=0.5).activate(outputs).tolist() == [pytest.approx([0.9, 1 / 17])]


PREDICTED = torch.tensor([[0.9, 0.1], [0.4, 0.8], [0.2, 0.3], [0.6, 0.6]])
TARGETS = torch.tensor([[True, False], [True, True], [False, False], [False, True]])


def test_figures_are_those_above_the_thresholds() -> None:
    head = TagsHead(TAGS, [0.35, 0.7])
    found = head.evaluate(PREDICTED, TARGETS, ["a", "b", "c", "d"], None)
    # Called: red in a, b, d; big in b. True: red in a, b; big in b, d. Hits 3, claims 4, present 4.
    assert value(found.metrics["micro_f1"]) == pytest.approx(6 / 8, abs=1e-6)
    assert value(found.metrics["micro_precision"]) == value(found.metrics["micro_recall"]) == 0.75
    # F1 of red: 4 / 5; of big: 2 / 3. The sets of a, b and c are right.
    assert value(found.metrics["macro_f1"]) == pytest.approx((0.8 + 2 / 3) / 2, abs=1e-6)
    assert value(found.metrics["subset_accuracy"]) == 0.75 and next(iter(found.metrics)) == "micro_f1"
    assert found.rows[0] == ["example", "tags", "prediction", "p(red)", "p(big)"]
    assert found.rows[2] == ["b", "red;big", "red;big", "0.400000", "0.800000"]
    assert found.rows[4][1:3] == ["big", "red"] and found.rows[3][1:3] == ["", ""]


def test_a_prediction_may_be_no_tag_at_all() -> None:
    first, second = TagsHead(TAGS).predictions(["b", "c"], PREDICTED[1:3])
    assert first.prediction == ["big"] and second.prediction == []
    assert first.probabilities == pytest.approx({"red": 0.4, "big": 0.8})


def test_the_score_is_the_best_that_thresholds_can_do() -> None:
    score = TagsHead(TAGS).score(PREDICTED, TARGETS)
    # Red above 0.3 has one too many, big above 0.5 none: hits 4, claims 5, present 4.
    assert (score.metric, score.n) == ("micro_f1", 4) and score.value == pytest.approx(8 / 9, abs=1e-6)
    stated = torch.where(TARGETS, PREDICTED, 1 - PREDICTED)
    assert score.loss == pytest.approx(float(-stated.log().mean()), abs=1e-5)


def test_thresholds_are_tuned_and_move_with_the_temperature() -> None:
    n = torch.arange(400)
    targets = torch.stack([n % 4 == 0, n % 2 == 0], 1)
    wrong = n % 10 < 2
    stated = torch.where(targets ^ wrong[:, None], 0.999, 0.001)
    head = TagsHead(TAGS)
    head.calibrate(stated, targets)
    # One in five is wrong: odds of 999 become those of about 4.
    assert head.temperature == pytest.approx(math.log(999) / math.log(4), rel=0.05)
    called = head.activate(stated.logit()) >= head.thresholds
    assert torch.equal(called, stated > 0.5)
    tree = head.as_json()
    assert tree["kind"] == "tags" and tree["temperature"] == round(head.temperature, 6)
    assert tree["thresholds"] == pytest.approx(head.thresholds.tolist(), abs=1e-6)


def test_rare_tags_weigh_more_only_where_asked() -> None:
    targets = torch.tensor([[True, True], [False, True], [False, False], [False, False]])
    for wanted, present in (("balanced", True), ("none", False)):
        config = Config().merged({"objective.class_weights": wanted})
        made = TagsHead(TAGS).objective(nn.Linear(1, 2), targets, config)
        assert isinstance(made, MultilabelClassification) and (made.positive_weights is not None) == present
        if made.positive_weights is not None:
            # Three absent for one present, and one for one.
            assert made.positive_weights.tolist() == pytest.approx([3.0, 1.0])


def test_baselines_are_the_usual_tags_and_a_linear_model() -> None:
    x = torch.arange(40.0)[:, None] / 40
    targets = torch.stack([torch.ones(40, dtype=torch.bool), torch.arange(40) >= 30], 1)
    data = BaselineData(
        lambda positions: x[positions], targets, torch.arange(0, 40, 2), torch.arange(1, 40, 2), DENSE_BASELINE
    )
    found = TagsHead(TAGS).evaluate(torch.zeros(20, 2), data.test_targets, [str(i) for i in range(20)], data)
    # All are red; ten of forty are big: red alone hits 20 of 25.
    assert set(found.baseline) == {"most_frequent_tags", "logistic_regression"}
    assert value(found.baseline["most_frequent_tags"]["micro_f1"]) == pytest.approx(40 / 45, abs=1e-6)
    assert value(found.baseline["logistic_regression"]["micro_f1"]) >= 40 / 45
