"""The recipe of pictures: their batches, features and cards, and the reader of its bundles."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from capas.bundle.card import NetworkCard
from capas.core.errors import CapasError
from capas.data.image.io import ImageArray
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipes.single_output.image.data import PreparedImageInputs, image_augmentation
from capas.engine.recipes.single_output.image.recipe import recipe
from capas.engine.recipes.single_output.learn import SingleOutputJob
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE
from capas.networks.vision.flip_tta import FlipTTA
from tests.engine.recipes.made_work import (
    bundle_of,
    image_statistics_of,
    parameters_of,
    pixels,
    report_of,
    spec_of,
    texts_of,
    work_of,
)
from tests.harness import step_context

SPEC = spec_of("classify", "image", classes=("a", "b"))
PICTURES = ImageArray(pixels(5, 16, 16), "p")
STILL: Mapping[str, object] = {
    "augment.crop": 0.0, "augment.flip": False, "augment.colour": 0.0, "augment.cutout": 0.0,
}  # fmt: skip
SETTINGS: Mapping[str, object] = {
    "network.name": "compact", "network.width": 4, "network.pretrained": False, "network.flip_tta": True,
    "data.channels": 3, "data.image_size": 16, "data.fit": "squash", "train.batch_size": 2, **STILL,
}  # fmt: skip


def made(folder: Path, **changes: object) -> SingleOutputJob[object]:
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    work = work_of(PICTURES, SPEC, ["train", "test", "train", "train"], settings, labels=[0, 1, 1, 0],
                   indices=[4, 3, 2, 1], cache=folder)  # fmt: skip
    job = recipe.prepare(work, Ranks())
    assert isinstance(job, SingleOutputJob)
    return job


def test_batches_are_normalised_pictures_with_their_targets(tmp_path: Path) -> None:
    job = made(tmp_path)
    batches, inputs = job.batches, job.prepared
    assert isinstance(inputs, PreparedImageInputs)
    assert (batches.examples, batches.batch_size, batches.steps_per_epoch) == (3, 2, 1.0)
    assert batches.names(0) == [f"p/{4 - i:05d}" for i in batches.batch(0).positions.tolist()]
    for step, batch in zip((1, 2), islice(batches.iterate(1), 2), strict=True):
        assert torch.equal(batch.positions, batches.batch(step).positions)
        torch.testing.assert_close(batch.inputs, inputs.take(batch.positions))
        assert torch.equal(batch.targets, torch.tensor([0, 1, 1, 0])[batch.positions])
    picture = torch.from_numpy(pixels(5, 16, 16)[4]).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (inputs.preparation.mean, inputs.preparation.std))
    torch.testing.assert_close(inputs.take(torch.tensor([0]))[0], (picture - mean) / std, atol=1e-4, rtol=1e-4)
    assert inputs.features(torch.arange(4)).shape[0] == 4 and inputs.baseline is DENSE_BASELINE


def test_the_augmentation_is_the_configured_one() -> None:
    settings = {"augment.crop": 0.1, "augment.flip": True, "augment.rotate": 5.0, "augment.colour": 0.2,
                "augment.cutout": 0.3, "augment.mixup": 0.4}  # fmt: skip
    found = image_augmentation(Config().merged(settings))
    assert (found.crop, found.flip, found.rotate, found.colour, found.cutout, found.mixup) == (
        0.1, True, 5.0, 0.2, 0.3, 0.4,
    )  # fmt: skip


@pytest.mark.parametrize(("flip", "head"), [(True, "network."), (False, "")])
def test_the_head_of_a_pretrained_network_is_named_within_its_wrapper(flip: bool, head: str, tmp_path: Path) -> None:
    inputs = made(tmp_path, network__flip_tta=flip).prepared
    assert inputs.head is None and isinstance(inputs, PreparedImageInputs)
    settings = {**SETTINGS, "network.name": "efficientnet-lite0", "network.pretrained": True, "network.flip_tta": flip}
    named = PreparedImageInputs(Config().merged(settings), [], inputs.store, inputs.preparation, "class").head
    assert named is not None and named.startswith(head) and named.startswith("network.") == flip


def test_a_job_s_bundle_answers_as_the_job(tmp_path: Path) -> None:
    job = made(tmp_path)
    network, card = job._network.eval(), job.network_card()
    assert card.settings == {"in_channels": 3, "num_classes": 2, "image_size": 16, "width": 4, "flip_tta": True}
    assert card.parameters == parameters_of(network)
    tensors = network.get_submodule("network").state_dict()
    opened = recipe.reopen(bundle_of(SPEC, card, job.bundle_files(), tensors))
    assert isinstance(opened.network, FlipTTA) and not opened.network.training
    Image.fromarray(pixels(5, 16, 16)[4]).save(tmp_path / "a.png")
    items = [*opened.items([str(tmp_path / "a.png")], []), opened.item(pixels(5, 16, 16)[3], 6)]
    assert items[1].name == "array 6" and opened.item(Path("x.png"), 1).name == "x.png"
    with torch.no_grad():
        found = opened.network(opened.reader.collate([opened.preprocess(item) for item in items]))
        torch.testing.assert_close(found, network(job.prepared.take(torch.arange(2))), atol=1e-5, rtol=1e-4)
    example = opened.reader.preprocess_example(PICTURES, 2)
    assert isinstance(example, torch.Tensor)
    assert np.array_equal(example.permute(1, 2, 0).numpy(), pixels(5, 16, 16)[2])
    with pytest.raises(AssertionError):
        opened.reader.preprocess_example(texts_of(["a"]), 0)
    assert opened.exportable([example]).count == 1


@pytest.mark.parametrize(
    ("changes", "key", "where"),
    [({"image_size": 20}, "bundle_incomplete", "bundle/preparation.json"),
     ({"in_channels": 1}, "bundle_incomplete", "bundle/preparation.json"),
     ({"image_size": None}, "card_unreadable", "bundle/card.json")],
)  # fmt: skip
def test_a_card_that_does_not_fit_is_refused(changes: dict[str, int], key: str, where: str, tmp_path: Path) -> None:
    job = made(tmp_path)
    card = job.network_card()
    other = NetworkCard.model_validate({**card.model_dump(), "settings": {**card.settings, **changes}})
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, other, job.bundle_files()))
    assert (error.value.key, error.value.where) == (key, where)


def test_a_trial_batch_is_noise_of_the_configured_size() -> None:
    report = report_of(PICTURES, SPEC, ["test", *["train"] * 4], labels=[0, 1, 0, 1, 0])
    trial = recipe.trial(Config().merged(SETTINGS), report)
    assert trial.batch.inputs.shape == (2, 3, 16, 16) and trial.batch.targets.tolist() == [1, 0] and trial.examples == 2
    (phase,) = trial.objective.phases
    assert trial.objective.losses(trial.batch, phase, step_context())["loss"].isfinite()


def test_defaults_follow_the_facts_of_the_pictures() -> None:
    report = report_of(PICTURES, SPEC, ["train"] * 5, statistics=image_statistics_of(30, 30, ("L",)))
    config = recipe.resolve_defaults(Config(), report).config
    assert (config.network.name, config.data.channels, config.data.fit) == ("compact", 1, "squash")
