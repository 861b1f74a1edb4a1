"""A segmentation job on bright squares: masks follow their pictures, figures are those of its network."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from capas.data.image.io import ImageArray
from capas.data.image.masks import ClassMap, MaskFiles
from capas.engine.distributed import Ranks
from capas.engine.recipes.segmentation.learn import SegmentationJob
from capas.engine.recipes.segmentation.recipe import recipe
from tests.engine.recipes.made_work import (
    FLOAT32,
    spec_of,
    work_of,
)

CLASSES = ("ground", "thing")
SPEC = spec_of("label", "image", classes=CLASSES, target="mask")
SPLITS = ("train", "train", "validation", "test", "train")
SETTINGS: Mapping[str, object] = {
    "data.image_size": 32, "data.channels": 1, "data.fit": "squash", "network.name": "unet", "network.width": 4,
    "network.pretrained": False, "train.batch_size": 2, "augment.crop": 0.3, "augment.flip": True,
    "augment.colour": 0.0, "objective.class_weights": "balanced",
}  # fmt: skip


def scenes() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Dark pictures 32×32, with a light square of 8, 12, … pixels in a corner."""
    pictures = np.full((5, 32, 32), 20, np.uint8)
    for i, picture in enumerate(pictures):
        picture[: 8 + 4 * i, : 8 + 4 * i] = 220
    return pictures


def write_masks(folder: Path) -> MaskFiles:
    """Where the squares are."""
    paths = [folder / f"{i}.png" for i in range(5)]
    for path, picture in zip(paths, scenes(), strict=True):
        Image.fromarray((picture > 100).astype(np.uint8)).save(path)
    return MaskFiles(paths, folder, ClassMap(names=dict(enumerate(CLASSES))))


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> MaskFiles:
    return write_masks(tmp_path_factory.mktemp("masks"))


def prepared(masks: MaskFiles, folder: Path, **changes: object) -> SegmentationJob:
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    pictures = ImageArray(scenes(), "p")
    return recipe.prepare(work_of(pictures, SPEC, SPLITS, settings, targets=masks, cache=folder), Ranks())


class Bright(nn.Module):
    """Logits 0 and 9 x of a normalised picture: thing where it is lighter than the mean of training."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(pictures), 9 * pictures], dim=1)


def with_network(job: SegmentationJob, network: nn.Module) -> SegmentationJob:
    job._network = network
    job._objective.network = network
    return job


def test_masks_are_moved_as_their_pictures(masks: MaskFiles, tmp_path: Path) -> None:
    job = prepared(masks, tmp_path)
    assert job.batches.examples == 3 and job.batches.batch_size == 2
    for step in range(6):
        batch = job.batches.batch(step)
        assert batch.inputs.shape == (2, 1, 32, 32) and batch.targets.shape == (2, 32, 32)
        known = batch.targets != 255
        agree = ((batch.inputs[:, 0] > 0) == (batch.targets == 1))[known].float().mean()
        assert agree > 0.95  # but for pixels on an edge
        assert set(batch.positions.tolist()) <= {0, 1, 4}


def test_without_augmentation_pictures_are_as_they_are(masks: MaskFiles, tmp_path: Path) -> None:
    job = prepared(masks, tmp_path, augment__crop=0.0, augment__flip=False)
    batch = job.batches.batch(0)
    for picture, mask, position in zip(batch.inputs, batch.targets, batch.positions.tolist(), strict=True):
        assert torch.equal(mask, torch.from_numpy((scenes()[position] > 100).astype(np.uint8)))
        torch.testing.assert_close(
            picture, job.preparation.normalise(torch.from_numpy(scenes()[position])[None, None])[0],
            atol=1e-5, rtol=1e-5,
        )  # fmt: skip


def test_rare_classes_weigh_more_only_where_asked(masks: MaskFiles, tmp_path: Path) -> None:
    weights = prepared(masks, tmp_path).objective.class_weights
    assert weights is not None and weights[1] > weights[0]
    assert prepared(masks, tmp_path, objective__class_weights="none").objective.class_weights is None


def test_a_network_that_is_right_has_an_iou_of_one(masks: MaskFiles, tmp_path: Path) -> None:
    job = with_network(prepared(masks, tmp_path), Bright())
    score = job.validate(FLOAT32)
    assert (score.metric, score.value, score.n) == ("mean_iou", 1.0, 1) and job.has_validation and job.head is None
    found = job.test(FLOAT32)
    iou = found.metrics["mean_iou"]
    assert found.n == 1 and isinstance(iou, dict) and iou["value"] == 1.0 and found.rows[1][0] == "p/00003"
    # Of the test picture 20 × 20 pixels are the thing; ground is everywhere else, and most common in training.
    accuracy = found.baseline["most_frequent_class"]["pixel_accuracy"]
    assert isinstance(accuracy, dict) and accuracy["value"] == pytest.approx(1 - 400 / 1024, abs=1e-6)


def test_a_network_that_is_always_wrong_has_an_iou_of_zero(masks: MaskFiles, tmp_path: Path) -> None:
    class Wrong(Bright):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return super().forward(-pictures)

    assert with_network(prepared(masks, tmp_path), Wrong()).validate(FLOAT32).value == 0.0
