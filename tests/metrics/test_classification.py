"""Figures against hand counts and scikit-learn."""

import math

import pytest
import torch
from sklearn import metrics as reference
from torch import Tensor

from capas.metrics.classification import (
    ClassificationMetrics,
    classification_metrics,
    expected_calibration_error,
    top_k_hits,
)
from capas.metrics.rate import rate


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 1998, Table I,
    # method 3: the score interval without continuity correction.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
     (29, 29, 0.8830, 1.0)],
)  # fmt: skip
def test_wilson_intervals_are_the_published_ones(successes: int, n: int, low: float, high: float) -> None:
    found = rate(successes, n)
    assert found.interval == pytest.approx((low, high), abs=5e-5)
    assert (found.value, found.n) == (successes / n, n)


def test_the_ends_of_an_interval_are_the_shares_just_not_rejected() -> None:
    """The definition: at each end, the observed share is 1.96 standard errors away."""
    found = rate(37, 90)
    for end in found.interval:
        assert abs(found.value - end) == pytest.approx(1.959963985 * math.sqrt(end * (1 - end) / 90), rel=1e-9)


def test_a_rate_of_nothing_says_nothing_and_impossible_counts_are_refused() -> None:
    assert rate(0, 0).as_json() == {"value": 0.0, "n": 0, "interval": [0.0, 1.0]}
    for successes, n in ((-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="successes"):
            rate(successes, n)


def figures_of(probabilities: Tensor, targets: Tensor) -> ClassificationMetrics:
    return classification_metrics(probabilities, targets, [f"c{i}" for i in range(probabilities.shape[1])])


def test_figures_of_six_examples_counted_by_hand() -> None:
    #                      called:  a     a     b     b     c     a
    probabilities = torch.tensor(
        [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.5, 0.4], [0.0, 0.1, 0.9], [0.5, 0.25, 0.25]]
    )
    targets = torch.tensor([0, 0, 0, 1, 2, 1])
    found = figures_of(probabilities, targets)
    assert found.accuracy.value == 4 / 6 and found.accuracy.n == 6
    assert found.confusion == ((2, 1, 0), (1, 1, 0), (0, 0, 1))
    recalls = [(one.recall.value, one.recall.n) for one in found.per_class]
    precisions = [(one.precision.value, one.precision.n) for one in found.per_class]
    assert recalls == [(2 / 3, 3), (1 / 2, 2), (1.0, 1)] and precisions == [(2 / 3, 3), (1 / 2, 2), (1.0, 1)]
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    product = 0.8 * 0.6 * 0.2 * 0.5 * 0.9 * 0.25
    assert found.log_loss == pytest.approx(-math.log(product) / 6)
    assert found.top5 is None


@pytest.mark.parametrize("k", [2, 7, 12])
def test_figures_equal_scikit_learns(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    probabilities = (2 * torch.randn(400, k, generator=generator)).softmax(1)
    targets = torch.multinomial(probabilities.sqrt(), 1, generator=generator)[:, 0]
    found, called = figures_of(probabilities, targets), probabilities.argmax(1)
    assert found.accuracy.value == pytest.approx(reference.accuracy_score(targets, called))
    assert found.balanced_accuracy == pytest.approx(reference.balanced_accuracy_score(targets, called))
    assert found.macro_f1 == pytest.approx(reference.f1_score(targets, called, average="macro"), abs=1e-6)
    surprise = reference.log_loss(targets, probabilities.numpy(), labels=range(k))
    assert found.log_loss == pytest.approx(surprise, abs=1e-5)
    assert found.confusion == tuple(map(tuple, reference.confusion_matrix(targets, called).tolist()))
    precision, recall, _, n = reference.precision_recall_fscore_support(targets, called, zero_division=0)
    assert [one.precision.value for one in found.per_class] == pytest.approx(precision.tolist())
    assert [one.recall.value for one in found.per_class] == pytest.approx(recall.tolist())
    assert [one.recall.n for one in found.per_class] == n.tolist()
    if k > 10:
        assert found.top5 is not None
        expected = reference.top_k_accuracy_score(targets, probabilities, k=5, labels=range(k))
        assert found.top5.value == pytest.approx(expected)


def test_classes_without_examples_count_neither_for_nor_against() -> None:
    probabilities = torch.tensor([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1]])
    found = figures_of(probabilities, torch.tensor([0, 0]))
    assert found.balanced_accuracy == 0.5 and found.macro_f1 == pytest.approx(2 / 3)
    assert found.per_class[2].recall.as_json() == {"value": 0.0, "n": 0, "interval": [0.0, 1.0]}


def test_a_sure_mistake_costs_much_but_not_everything() -> None:
    found = figures_of(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert found.log_loss == pytest.approx(-math.log(1e-12))


def test_shapes_that_do_not_match_are_refused() -> None:
    for rows, targets, k in ((0, 0, 2), (3, 2, 2), (2, 2, 3)):
        with pytest.raises(ValueError, match="classes"):
            classification_metrics(torch.ones(rows, 2), torch.zeros(targets, dtype=torch.long), ["x"] * k)


def test_top_k_counts_the_true_class_among_the_first() -> None:
    probabilities = torch.tensor([[0.4, 0.3, 0.2, 0.1]] * 4)
    assert [top_k_hits(probabilities, torch.arange(4), k) for k in (1, 2, 4)] == [1, 2, 4]


def two_class(confidence: Tensor) -> Tensor:
    return torch.stack([confidence, 1 - confidence], dim=1)


def test_calibration_error_is_the_gap_between_what_is_said_and_what_is_so() -> None:
    stated = torch.full((100,), 0.8)
    for right, gap in ((80, 0.0), (50, 0.3), (100, 0.2)):
        targets = (torch.arange(100) >= right).long()
        assert expected_calibration_error(two_class(stated), targets, bins=1) == pytest.approx(gap, abs=1e-6)
    # Two groups that err in opposite directions do not make up for each other: bins tell them apart.
    stated = torch.cat([torch.full((50,), 0.6), torch.full((50,), 0.9)])
    targets = torch.cat([torch.arange(50) >= 50, torch.arange(50) >= 25]).long()
    assert expected_calibration_error(two_class(stated), targets, bins=2) == pytest.approx((0.4 + 0.4) / 2, abs=1e-6)
    assert expected_calibration_error(two_class(stated), targets, bins=1) == pytest.approx(0.0, abs=1e-6)


def test_probabilities_that_are_meant_are_calibrated() -> None:
    generator = torch.Generator().manual_seed(0)
    stated = 0.5 + 0.5 * torch.rand(20_000, generator=generator)
    targets = (torch.rand(20_000, generator=generator) > stated).long()
    assert expected_calibration_error(two_class(stated), targets) < 0.015
    assert expected_calibration_error(two_class(stated.sqrt()), targets) > 0.08


def test_fewer_examples_than_bins_are_a_bin_each() -> None:
    assert expected_calibration_error(two_class(torch.tensor([0.9, 0.6])), torch.tensor([0, 1])) == pytest.approx(0.35)
