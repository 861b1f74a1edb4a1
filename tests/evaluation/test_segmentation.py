"""Masks: figures of the training's own test on the same masks; what is missing, ignored or unknown."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from capas.core.errors import CapasError
from capas.evaluation.bootstrap import metrics_with_intervals
from capas.evaluation.scorers import evaluate_files
from capas.metrics.segmentation import pixel_confusions, segmentation_metrics


def folder(name: str, masks: dict[str, np.ndarray]) -> Path:  # type: ignore[type-arg]
    Path(name).mkdir()
    for file, mask in masks.items():
        Image.fromarray(mask.astype(np.uint8)).save(Path(name) / file)
    return Path(name)


def test_figures_are_those_of_a_test_on_the_same_masks() -> None:
    rng = np.random.default_rng(2)
    true = {f"{i}.png": rng.integers(0, 3, (6, 5)) for i in range(6)}
    called = {name: np.where(rng.random((6, 5)) < 0.7, mask, rng.integers(0, 3, (6, 5))) for name, mask in true.items()}
    for mask in true.values():
        mask[0, 0] = 255
    found = evaluate_files("segmentation", folder("r", true), folder("h", called))
    counts = pixel_confusions(*(torch.from_numpy(np.stack(list(one.values()))) for one in (called, true)), 3)
    theirs = segmentation_metrics(counts, ["0", "1", "2"])
    mean_iou, accuracy = metrics_with_intervals(found.measured)
    assert mean_iou.value == pytest.approx(theirs.mean_iou.value)
    assert accuracy.value == pytest.approx(theirs.pixel_accuracy.value) and accuracy.n == 6 * 29
    assert mean_iou.interval == pytest.approx(theirs.mean_iou.interval, abs=0.03)


def test_missing_masks_and_unknown_values_are_wrong_and_ignored_ones_do_not_count() -> None:
    true = {"a.png": np.array([[1, 1], [2, 9]]), "b.png": np.array([[1, 1], [2, 2]])}
    found = evaluate_files(
        "segmentation", folder("r", true), folder("h", {"a.png": np.array([[1, 77], [2, 1]])}), {"ignore": 9}
    )
    mean_iou, accuracy = metrics_with_intervals(found.measured)
    assert accuracy.value == pytest.approx(2 / 7) and mean_iou.value == pytest.approx((1 / 4 + 1 / 3) / 2)
    assert "b.png" in found.lacks[0]


def test_what_is_wrong_is_refused_with_its_file() -> None:
    reference = folder("r", {"a.png": np.array([[1, 1], [2, 2]])})
    for key, hypothesis in (
        ("score_unknown_id", folder("h1", {"z.png": np.zeros((2, 2))})),
        ("score_mask_size", folder("h2", {"a.png": np.zeros((3, 2))})),
        ("score_empty", folder("h3", {})),
        ("score_no_folder", Path("none")),
    ):
        with pytest.raises(CapasError) as caught:
            evaluate_files("segmentation", reference, hypothesis)
        assert caught.value.key == key and caught.value.where.startswith(str(hypothesis))


def test_masks_of_0_and_255_are_scored_on_both_classes() -> None:
    true = {"a.png": np.array([[0, 255], [0, 255]])}
    half = {"a.png": np.array([[0, 255], [0, 0]])}
    for name, called in (("h255", half), ("h1", {"a.png": half["a.png"] // 255})):
        found = evaluate_files("segmentation", folder("r" + name, true), folder(name, called))
        mean_iou, accuracy = metrics_with_intervals(found.measured)
        assert accuracy.value == pytest.approx(3 / 4) and mean_iou.value == pytest.approx((2 / 3 + 1 / 2) / 2)
    numbers = {"a.png": true["a.png"] // 255}
    found = evaluate_files("segmentation", folder("r1", numbers), folder("h0", half))
    assert metrics_with_intervals(found.measured)[1].value == pytest.approx(3 / 4)


def test_a_reference_of_one_class_is_refused() -> None:
    zeros = {"a.png": np.zeros((2, 2))}
    with pytest.raises(CapasError) as caught:
        evaluate_files("segmentation", folder("r", zeros), folder("h", zeros))
    assert caught.value.key == "score_one_class"
