"""The recipe of segmentation: sizes that follow the median picture, trial batches, and bundles."""

from pathlib import Path

import pytest
import torch

from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.data.image.io import ImageArray
from capas.data.image.masks import MaskFiles
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipes.segmentation.recipe import recipe
from tests.engine.recipes.made_work import (
    bundle_of,
    image_statistics_of,
    network_card,
    parameters_of,
    report_of,
    work_of,
)
from tests.engine.recipes.segmentation.test_learn import CLASSES, SETTINGS, SPEC, SPLITS, prepared, scenes, write_masks
from tests.harness import step_context


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> MaskFiles:
    return write_masks(tmp_path_factory.mktemp("masks"))


def test_a_bundle_opens_to_the_same_network(masks: MaskFiles, tmp_path: Path) -> None:
    job = prepared(masks, tmp_path)
    network, card = job.objective.network.eval(), job.network_card()
    assert card.settings == {"in_channels": 1, "num_classes": 2, "width": 4}
    assert card.parameters == parameters_of(network) and card.name == "unet"
    opened = recipe.reopen(bundle_of(SPEC, card, job.bundle_files(), network.state_dict()))
    pictures = torch.rand(1, 1, 32, 32)
    assert torch.equal(opened.network(pictures), network(pictures)) and opened.classes == CLASSES
    assert opened.preparation == job.preparation


@pytest.mark.parametrize(("name", "count"), [("compact", 2), ("unet", 3)])
def test_a_card_that_does_not_fit_is_refused(name: str, count: int, masks: MaskFiles, tmp_path: Path) -> None:
    files = {PREPARATION: prepared(masks, tmp_path).preparation.as_json()}
    card = network_card(name, in_channels=1, num_classes=count, width=4)
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, card, files))
    assert (error.value.key, error.value.received) == ("bundle_incomplete", name)


def test_all_pictures_take_the_shape_of_the_median_one(masks: MaskFiles, tmp_path: Path) -> None:
    pictures = ImageArray(scenes()[:, :16], "p")
    job = recipe.prepare(
        work_of(pictures, SPEC, SPLITS, {**SETTINGS, "data.image_size": 64}, targets=masks, cache=tmp_path), Ranks()
    )
    assert job.preparation.shape == (1, 32, 64) and job.masks.shape == (5, 32, 64)


@pytest.mark.parametrize(("batch", "train", "count"), [(8, 9, 4), (3, 9, 3), (8, 2, 2)])
def test_a_trial_batch_is_small(batch: int, train: int, count: int) -> None:
    report = report_of(
        ImageArray(scenes(), "p"), SPEC, ["train"] * train + ["test"] * 9, statistics=image_statistics_of(40, 20)
    )
    trial = recipe.trial(Config().merged({**SETTINGS, "train.batch_size": batch, "data.image_size": 64}), report)
    assert trial.examples == count and trial.batch.inputs.shape == (count, 1, 32, 64)
    assert trial.batch.targets.shape == (count, 32, 64) and set(trial.batch.targets.unique().tolist()) == {0, 1}
    (phase,) = trial.objective.phases
    assert trial.objective.losses(trial.batch, phase, step_context())["loss"].isfinite()
