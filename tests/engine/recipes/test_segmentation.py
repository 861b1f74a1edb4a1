"""Zones of pictures: learnt from made-up squares, answered at the picture's own size, alone as in a batch."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from capas.core.errors import CapasError
from capas.data.image.segmentation_transforms import (
    augment_images_and_masks,
    color_palette,
    resize_mask,
    upsample_prediction,
)
from capas.data.inspect.report import inspect_dataset
from capas.engine.evaluate import evaluate_on as retested
from capas.engine.plan import config_for_data, make_plan
from capas.engine.predict import Model, load_model
from capas.engine.recipes.segmentation.learn import SegmentationJob
from capas.engine.recipes.segmentation.recipe import recipe
from capas.networks.vision.efficientnet_weights import lite0_weights_installed
from tests.harness import FIXED, train_here

SETTINGS: Mapping[str, object] = {
    **FIXED, "network.name": "unet", "network.width": 4, "train.batch_size": 8, "train.epochs": 24,
    "data.image_size": 32, "train.evaluations": 2, "optim.learning_rate": 0.01,
}  # fmt: skip


def scene(seed: int, height: int = 40, width: int = 56) -> tuple[Image.Image, Image.Image]:
    """A red (class 1) and a green (class 2) square on a dark ground (class 0); one line of the mask is void (3)."""
    chance = np.random.default_rng(seed)
    picture = chance.integers(0, 60, (height, width, 3)).astype(np.uint8)
    mask = np.zeros((height, width), dtype=np.uint8)
    for number in (1, 2):
        side = int(chance.integers(12, 20))
        top, left = int(chance.integers(height - side)), int(chance.integers(width - side))
        picture[top : top + side, left : left + side, number - 1] += 180
        mask[top : top + side, left : left + side] = number
        picture[top : top + side, left : left + side, 2 - number] = 20
    mask[0] = 3
    return Image.fromarray(picture), Image.fromarray(mask)


def write_scenes(root: Path, count: int = 40) -> Path:
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for i in range(count):
        picture, mask = scene(i)
        picture.save(root / "images" / f"{i}.png")
        mask.save(root / "masks" / f"{i}.png")
    (root / "classes.txt").write_text("ground\nred\ngreen\nvoid\n")
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_here(data, tmp_path_factory.mktemp("runs") / "zones", SETTINGS)


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return load_model(run)


def test_squares_are_found(run: Path) -> None:
    figures = json.loads((run / "metrics.json").read_text())
    assert list(figures["metrics"]) == ["mean_iou", "pixel_accuracy"]
    assert (
        figures["metrics"]["mean_iou"]["value"] > 0.6 > figures["baseline"]["most_frequent_class"]["mean_iou"]["value"]
    )
    assert set(figures["per_class"]) == {"ground", "red", "green"}
    assert set(figures["per_class"]["red"]) == {"recall", "precision", "iou"}


def test_the_mask_of_a_prediction_is_that_of_the_picture(model: Model) -> None:
    picture, mask = scene(77, 90, 120)
    (answer,) = model.predict([np.asarray(picture)])
    stored = Image.open(io.BytesIO(answer.files[".mask.png"]))
    numbers = np.asarray(stored)
    assert stored.mode == "P" and numbers.shape == (90, 120) and answer.picture.shape == (90, 120, 3)
    truth = np.asarray(mask)
    assert (numbers == truth)[truth != 3].mean() > 0.85
    shares = answer.facts["shares"]
    assert isinstance(shares, dict) and sum(shares.values()) == pytest.approx(1, abs=1e-5)
    assert shares["red"] == pytest.approx((numbers == 1).mean(), abs=1e-6)
    assert answer.prediction == sorted(shares, key=lambda name: -shares[name]) and "red" in answer.text


def test_a_batch_answers_as_its_pictures_alone_and_from_files(model: Model, tmp_path: Path) -> None:
    scenes = [scene(100 + i, 40 + i, 50)[0] for i in range(5)]
    for i, picture in enumerate(scenes):
        picture.save(tmp_path / f"{i}.png")
    together = model.predict([np.asarray(picture) for picture in scenes])
    alone = [model.predict([tmp_path / f"{i}.png"])[0] for i in range(5)]
    for one, other in zip(together, alone, strict=True):
        assert one.facts == other.facts and one.files == other.files


def test_strange_pictures_are_answered_or_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    answers = model.predict([np.zeros((1, 1, 3), np.uint8), np.zeros((7, 300), np.uint8), tmp_path / "text.png", 3.5])
    assert [answer.refused is None for answer in answers] == [True, True, False, False]
    assert answers[0].picture.shape == (1, 1, 3) and answers[1].picture.shape == (7, 300, 3)


def test_other_data_is_tested_alike(run: Path, tmp_path: Path) -> None:
    """The same classes in another order of numbers."""
    root = tmp_path / "other"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for i in range(200, 206):
        picture, mask = scene(i)
        picture.save(root / "images" / f"{i}.png")
        Image.fromarray(np.array([1, 2, 0, 3], np.uint8)[np.asarray(mask)]).save(root / "masks" / f"{i}.png")
    (root / "classes.txt").write_text("green\nground\nred\nvoid\n")
    found = retested(run, str(root))
    assert found["metrics"]["mean_iou"]["value"] > 0.6


def test_resumed_batches_are_the_same(data: Path, tmp_path: Path) -> None:
    learnable = prepared(data, tmp_path)
    first, again = learnable.batches.batch(5), prepared(data, tmp_path / "b").batches.batch(5)
    torch.testing.assert_close(first.inputs, again.inputs, rtol=0, atol=0)
    assert torch.equal(first.targets, again.targets) and first.targets.dtype == torch.uint8
    assert not torch.equal(first.inputs, learnable.batches.batch(6).inputs)


def prepared(data: Path, cache: Path, **changes: object) -> SegmentationJob:
    from capas.data.inspect.read_dataset import input_collection
    from capas.engine.distributed import Ranks
    from capas.engine.plan import dataset_record_of
    from capas.engine.recipe import PreparedDataset

    plan = make_plan(config_for_data(str(data), {**SETTINGS, **changes}))
    work = PreparedDataset(
        config=plan.config, spec=plan.look.detection.spec, record=dataset_record_of(plan),
        inputs=input_collection(plan.look.source, plan.look.detection.spec), targets=plan.look.source.targets,
        indices=[i for i, usable in enumerate(plan.look.usable) if usable], cache=cache,
    )  # fmt: skip
    return recipe.prepare(work, Ranks())


def test_sizes_follow_the_median_picture(data: Path, tmp_path: Path) -> None:
    batch = prepared(data, tmp_path, **{"data.image_size": 128}).batches.batch(0)
    assert batch.inputs.shape == (8, 3, 96, 128) and batch.targets.shape == (8, 96, 128)


@pytest.mark.skipif(not lite0_weights_installed(), reason="the weights are a package of their own")
def test_the_pretrained_encoder_is_taken_and_learns_slower(data: Path) -> None:
    from capas.engine.optim import parameter_groups

    settled = make_plan(config_for_data(str(data), {})).config
    assert settled.network.name == "unet-lite0" and settled.network.pretrained is True
    from capas.engine.recipes.segmentation.network import build_network

    network = build_network(settled, 3)
    groups = parameter_groups(network, learning_rate=1.0, weight_decay=0.1, head="decoder", backbone_rate=0.1)
    peaks = {id(p): group["peak"] for group in groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        normalised = name.startswith("encoder") and parameter.ndim == 1
        assert parameter.requires_grad is not normalised, name
        if not normalised:
            assert peaks[id(parameter)] == (1.0 if name.startswith("decoder.") else pytest.approx(0.1)), name


def test_pictures_and_masks_are_varied_alike() -> None:
    pictures = torch.zeros(16, 1, 24, 32, dtype=torch.uint8)
    masks = torch.zeros(16, 24, 32, dtype=torch.uint8)
    masks[:, 6:18, 4:16] = 1
    pictures[:, 0] = masks * 200
    varied, moved = augment_images_and_masks(
        pictures, masks, crop=0.3, flip=True, rotate=20, rng=torch.Generator().manual_seed(1)
    )
    inside = moved != 255
    assert ((varied[:, 0] > 100) == (moved == 1))[inside].float().mean() > 0.97
    assert set(moved.unique().tolist()) == {0, 1, 255} and not torch.equal(moved[0], moved[1])
    still, same = augment_images_and_masks(pictures, masks, crop=0, flip=False, rotate=0, rng=torch.Generator())
    torch.testing.assert_close(still, pictures.float())
    assert torch.equal(same, masks)


def test_logits_are_enlarged_before_the_choice() -> None:
    logits = torch.tensor([[[2.0, 0.0]], [[0.0, 1.0]]])
    whole = torch.nn.functional.interpolate(logits[None], (3, 20), mode="bilinear", align_corners=False)[0].argmax(0)
    assert torch.equal(upsample_prediction(logits, 3, 20).long(), whole) and 0 < whole.float().mean() < 0.5
    assert resize_mask(np.array([[1, 9]], np.uint8), 2, 4).tolist() == [[1, 1, 9, 9]] * 2
    assert len({tuple(colour) for colour in color_palette(200).tolist()}) == 200


def test_a_mask_of_another_size_or_unreadable_is_left_out(tmp_path: Path) -> None:
    root = write_scenes(tmp_path / "data", 12)
    Image.new("L", (9, 9)).save(root / "masks" / "3.png")
    (root / "masks" / "4.png").write_bytes(b"no picture")
    seen = inspect_dataset(root)
    assert {p.kind: p.examples for p in seen.problems if "mask" in p.kind} == {
        "mask_differs": ("masks/3.png",), "broken_mask": ("masks/4.png",),
    }  # fmt: skip
    assert sum(seen.usable) == 10 and not {p.kind for p in seen.problems} & {"unlabelled"}


def test_jpeg_masks_are_refused(tmp_path: Path) -> None:
    root = write_scenes(tmp_path / "data", 6)
    for path in (root / "masks").iterdir():
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    with pytest.raises(CapasError) as caught:
        inspect_dataset(root)
    assert caught.value.key == "mask_lossy"


def test_a_network_for_something_else_is_refused(data: Path) -> None:
    with pytest.raises(CapasError) as caught:
        make_plan(config_for_data(str(data), {"network.name": "compact"}))
    assert caught.value.key == "network_not_for"
