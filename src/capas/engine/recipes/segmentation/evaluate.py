"""Test metrics of semantic segmentation: mean IoU and pixel accuracy."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.data.image.segmentation_transforms import (
    upsample_prediction,
)
from capas.engine.recipe import TestResult
from capas.metrics.segmentation import pixel_confusions, segmentation_metrics


def evaluate_segmentation(
    predictions: Iterable[tuple[str, Tensor, Tensor]], classes: Sequence[str], baseline_class: int | None = None
) -> TestResult:
    """Evaluate predictions at the size of the masks.

    Args:
        predictions: Name, logits (K, h, w) and true mask (H, W) of each image.
        classes: Class names.
        baseline_class: The class that the baseline predicts everywhere; None for no baseline.

    Raises:
        CapasError: ``masks_all_void`` where no pixel has a class.
    """
    found, constant = [], []
    rows: list[list[str]] = [["example", "mean_iou", "pixel_accuracy"]]
    for name, logits, mask in predictions:
        answer = upsample_prediction(logits, *mask.shape)
        found.append(pixel_confusions(answer[None], mask[None], len(classes)))
        if baseline_class is not None:
            constant.append(pixel_confusions(torch.full_like(mask, baseline_class)[None], mask[None], len(classes)))
        rows.append([name, *_one_picture(found[-1][0])])
    confusions = torch.cat(found)
    if not confusions.any():
        raise CapasError("masks_all_void", received=len(found))
    figures = segmentation_metrics(confusions, classes)
    baseline = {"most_frequent_class": segmentation_metrics(torch.cat(constant), classes)} if constant else {}
    return TestResult(
        n=len(found), metrics=figures.metrics_json(), rows=rows, per_class=figures.per_class_json(),
        baseline={name: other.metrics_json() for name, other in baseline.items()},
    )  # fmt: skip


def _one_picture(confusion: Tensor) -> tuple[str, str]:
    hits = confusion.diagonal().double()
    iou = (hits / (confusion.sum(0) + confusion.sum(1) - confusion.diagonal())).nanmean()
    accuracy = hits.sum() / confusion.sum()
    return ("", "") if iou.isnan() else (f"{float(iou):.6f}", f"{float(accuracy):.6f}")
