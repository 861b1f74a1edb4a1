"""IoU and pixel accuracy by hand; void pixels do not count."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.engine.recipes.segmentation.evaluate import evaluate_segmentation


def logits_of(rows: list[list[int]], classes: int = 2) -> Tensor:
    """Sure of the classes of a picture."""
    return torch.nn.functional.one_hot(torch.tensor(rows), classes).permute(2, 0, 1).float()


def value(figure: object) -> float:
    assert isinstance(figure, Mapping)
    return float(figure["value"])


VOID = 255
FIRST = ("a", logits_of([[0, 0], [1, 1]]), torch.tensor([[0, 1], [1, 1]], dtype=torch.uint8))
SECOND = ("b", logits_of([[0, 0], [0, 0]]), torch.tensor([[0, 0], [VOID, VOID]], dtype=torch.uint8))


def test_figures_are_of_all_pixels_together() -> None:
    found = evaluate_segmentation([FIRST, SECOND], ("ground", "thing"))
    # Known pixels: 6. Class 0: 3 hits of 3 true and 4 predicted; class 1: 2 hits of 3 true and 2 predicted.
    assert found.n == 2 and not found.baseline
    assert value(found.metrics["mean_iou"]) == pytest.approx((3 / 4 + 2 / 3) / 2, abs=1e-6)
    assert value(found.metrics["pixel_accuracy"]) == pytest.approx(5 / 6, abs=1e-6)
    assert next(iter(found.metrics)) == "mean_iou"
    thing = found.per_class["thing"]
    assert isinstance(thing, Mapping)
    assert [value(thing[name]) for name in ("recall", "precision", "iou")] == pytest.approx([2 / 3, 1, 2 / 3], abs=1e-6)


def test_rows_are_of_one_picture_and_of_its_own_classes() -> None:
    void = ("c", logits_of([[1]]), torch.tensor([[VOID]], dtype=torch.uint8))
    rows = evaluate_segmentation([FIRST, SECOND, void], ("ground", "thing")).rows
    assert rows[0] == ["example", "mean_iou", "pixel_accuracy"]
    # In the first, ground has 1 of 2 and thing 2 of 3; in the second there is ground alone.
    assert rows[1] == ["a", f"{(1 / 2 + 2 / 3) / 2:.6f}", "0.750000"] and rows[2] == ["b", "1.000000", "1.000000"]
    assert rows[3] == ["c", "", ""]


def test_the_baseline_is_one_class_everywhere() -> None:
    found = evaluate_segmentation([FIRST, SECOND], ("ground", "thing"), 0)
    figures = found.baseline["most_frequent_class"]
    assert value(figures["pixel_accuracy"]) == 0.5 and value(figures["mean_iou"]) == pytest.approx((3 / 6 + 0) / 2)


def test_logits_are_enlarged_to_the_mask() -> None:
    mask = torch.tensor([[0, 0, 1, 1]] * 4, dtype=torch.uint8)
    found = evaluate_segmentation([("a", logits_of([[0, 1], [0, 1]]), mask)], ("ground", "thing"))
    assert value(found.metrics["pixel_accuracy"]) == 1.0


def test_nothing_but_void_is_refused() -> None:
    with pytest.raises(CapasError) as error:
        evaluate_segmentation([("a", logits_of([[0]]), torch.tensor([[VOID]], dtype=torch.uint8))], ("x", "y"))
    assert (error.value.key, error.value.received) == ("masks_all_void", "1")
