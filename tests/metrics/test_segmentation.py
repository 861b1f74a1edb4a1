"""A class for every pixel: what is void does not count, and areas are met as by hand."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from capas.baselines.majority_pixel_class import majority_pixel_class
from capas.metrics.segmentation import IGNORE_INDEX, pixel_confusions, segmentation_metrics
from capas.objectives.segmentation import Segmentation, pixel_class_weights
from tests.harness import step_context

MASKS = torch.tensor([[[0, 0, 1], [1, 1, IGNORE_INDEX]], [[2, 2, 2], [IGNORE_INDEX, IGNORE_INDEX, 0]]])
ANSWERS = torch.tensor([[[0, 1, 1], [1, 0, 2]], [[2, 2, 0], [1, 1, 0]]])


@dataclass
class Batch:
    inputs: Tensor
    targets: Tensor


def test_loss_is_the_mean_over_known_pixels() -> None:
    logits = torch.randn(2, 3, 2, 3, requires_grad=True)
    objective = Segmentation(nn.Identity())
    (phase,) = objective.phases
    loss = objective.losses(Batch(logits, MASKS), phase, step_context())["loss"]
    chances = logits.log_softmax(1)
    known = [(n, i, j) for n in range(2) for i in range(2) for j in range(3) if MASKS[n, i, j] != IGNORE_INDEX]
    expected = -sum(chances[n, MASKS[n, i, j], i, j] for n, i, j in known) / len(known)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert not logits.grad.permute(0, 2, 3, 1)[MASKS == IGNORE_INDEX].any()
    assert logits.grad.permute(0, 2, 3, 1)[MASKS != IGNORE_INDEX].all()


def test_class_weights_are_torchs() -> None:
    logits, weights = torch.randn(2, 3, 2, 3), torch.tensor([1.0, 5.0, 0.3])
    expected = nn.functional.cross_entropy(logits, MASKS, weight=weights, ignore_index=IGNORE_INDEX)
    torch.testing.assert_close(Segmentation(nn.Identity(), class_weights=weights).loss(logits, MASKS), expected)


def test_a_batch_in_which_nothing_is_known_costs_nothing() -> None:
    logits = torch.randn(1, 3, 2, 3, requires_grad=True)
    loss = Segmentation(nn.Identity()).loss(logits, torch.full((1, 2, 3), IGNORE_INDEX))
    loss.backward()
    assert float(loss.detach()) == 0 and not logits.grad.any()


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8])
def test_figures_by_hand(kind: torch.dtype) -> None:
    confusions = pixel_confusions(ANSWERS.to(kind), MASKS.to(kind), 4)
    assert confusions[0].tolist() == [[1, 1, 0, 0], [1, 2, 0, 0], [0] * 4, [0] * 4]
    assert confusions[1].tolist() == [[1, 0, 0, 0], [0] * 4, [1, 0, 2, 0], [0] * 4]
    figures = segmentation_metrics(confusions, ("road", "sky", "tree", "bus"))
    iou = {name: rate and rate.value for name, rate in figures.iou}
    assert iou == {"road": pytest.approx(2 / 5), "sky": pytest.approx(2 / 4), "tree": pytest.approx(2 / 3), "bus": None}
    assert figures.mean_iou.value == pytest.approx((2 / 5 + 2 / 4 + 2 / 3) / 3)
    assert figures.pixel_accuracy.value == pytest.approx(6 / 9)
    assert figures.pixel_accuracy.n == 2
    assert "bus" not in figures.per_class_json()
    assert "interval" not in figures.pixel_accuracy.as_json()  # of two pictures none can be told
    more = segmentation_metrics(confusions.repeat(3, 1, 1), ("road", "sky", "tree", "bus")).pixel_accuracy
    assert more.value == pytest.approx(6 / 9) and 3 / 5 <= more.interval[0] < 6 / 9 < more.interval[1] <= 3 / 4


def test_intervals_are_those_of_pictures_and_repeat() -> None:
    """Pictures that are wholly right or wholly wrong: the interval is that of so many coins, however many pixels."""
    right = torch.randperm(100, generator=torch.Generator().manual_seed(0)) < 60
    confusions = torch.zeros(100, 2, 2, dtype=torch.long)
    confusions[right, 0, 0] = 10_000
    confusions[~right, 0, 1] = 10_000
    figures = segmentation_metrics(confusions, ("a", "b"))
    low, high = figures.pixel_accuracy.interval
    assert figures.pixel_accuracy.value == pytest.approx(0.6)
    assert high - low == pytest.approx(2 * 1.96 * (0.6 * 0.4 / 100) ** 0.5, rel=0.1)
    assert segmentation_metrics(confusions, ("a", "b")) == figures


def test_perfect_answers_have_no_doubt() -> None:
    confusions = pixel_confusions(MASKS.where(MASKS != IGNORE_INDEX, torch.zeros(())).long(), MASKS, 3)
    figures = segmentation_metrics(confusions.repeat(3, 1, 1), "abc")
    assert figures.mean_iou.value == figures.mean_iou.interval[0] == figures.mean_iou.interval[1] == 1


def test_baseline_and_weights() -> None:
    assert majority_pixel_class(torch.tensor([[[2, 2, 1]]]), 3) == 2
    weights = pixel_class_weights(torch.tensor([[[0, 0, 0, 1]]]), 3)
    assert weights[0] < weights[1] < weights[2]
    assert float(weights[2]) == pytest.approx(50.5, abs=0.1)


def test_other_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.2 or 255"):
        pixel_confusions(ANSWERS, torch.full_like(MASKS, 3), 3)
    with pytest.raises(ValueError, match="known"):
        segmentation_metrics(torch.zeros(2, 3, 3, dtype=torch.long), "abc")
