"""Pictures of a run are read once; what they are normalised by comes from the training split."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from capas.core.errors import CapasError
from capas.data.image.io import ImageArray, ImageFiles
from capas.engine.recipe import PreparedDataset
from capas.engine.recipes.shared.image_store import prepare_image_store
from tests.engine.recipes.made_work import pixels, spec_of, texts_of, work_of

SETTINGS = {"data.image_size": 4, "data.channels": 3, "data.fit": "squash", "network.pretrained": False}
SPEC = spec_of("classify", "image", classes=("a", "b"))


def work(folder: Path, **changes: object) -> PreparedDataset:
    """Five pictures, of which the last three are used, in the reverse order."""
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    return work_of(
        ImageArray(pixels(5, 4, 4), "p"), SPEC, ["test", "train", "train"], settings, indices=[4, 3, 2], cache=folder
    )


def test_position_p_is_the_picture_of_index_p(tmp_path: Path) -> None:
    store, preparation = prepare_image_store(work(tmp_path))
    assert np.array_equal(store.take(torch.tensor([0, 2])).permute(0, 2, 3, 1).numpy(), pixels(5, 4, 4)[[4, 2]])
    assert preparation.shape == (3, 4, 4) and preparation.fit == "squash"


def test_normalisation_is_fitted_to_the_training_split(tmp_path: Path) -> None:
    _, preparation = prepare_image_store(work(tmp_path))
    train = pixels(5, 4, 4)[[3, 2]] / 255
    assert preparation.mean == pytest.approx(train.mean((0, 1, 2)), abs=1e-6)
    assert preparation.std == pytest.approx(train.std((0, 1, 2)), abs=1e-6)


def test_a_pretrained_network_keeps_the_scale_it_was_trained_with(tmp_path: Path) -> None:
    _, preparation = prepare_image_store(work(tmp_path, network__pretrained=True))
    levels = torch.tensor([0, 127, 255]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(
        preparation.normalise(levels)[0, :, 0, 0], torch.tensor([-127 / 128, 0, 1.0]), atol=1e-6, rtol=0
    )


def test_the_size_may_be_other_than_square(tmp_path: Path) -> None:
    store, preparation = prepare_image_store(work(tmp_path, data__channels=1), (2, 6))
    assert preparation.shape == (1, 2, 6) and store.take(torch.tensor([1])).shape == (1, 1, 2, 6)


def test_a_picture_that_can_no_longer_be_read_is_named(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path, picture in zip(paths, pixels(2, 4, 4), strict=True):
        Image.fromarray(picture).save(path)
    made = work_of(ImageFiles(paths, tmp_path), SPEC, ["train", "test"], SETTINGS, cache=tmp_path)
    paths[1].write_bytes(b"no picture")
    with pytest.raises(CapasError) as error:
        prepare_image_store(made)
    assert error.value.key == "data_changed" and error.value.where.endswith("1.png")


def test_other_inputs_are_refused() -> None:
    with pytest.raises(CapasError) as error:
        prepare_image_store(work_of(texts_of(["a"]), SPEC, ["train"], SETTINGS))
    assert (error.value.key, error.value.where) == ("no_pictures_to_learn", "made")
