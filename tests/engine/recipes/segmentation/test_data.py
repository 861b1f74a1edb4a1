"""Masks are read in the order of the run and keep their classes when they are resized."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.core.errors import CapasError
from capas.data.image.masks import ClassMap, MaskFiles
from capas.engine.recipes.segmentation.data import read_fitted_masks


def files(folder: Path) -> MaskFiles:
    """Three masks of different sizes, the right half of each of the class of its number; value 9 is void."""
    paths = [folder / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        mask = np.zeros((4 + 2 * i, 8), np.uint8)
        mask[:, 4:] = i
        mask[0] = 9
        Image.fromarray(mask).save(path)
    return MaskFiles(paths, folder, ClassMap(names={0: "ground", 1: "a", 2: "b"}))


def test_masks_are_in_the_order_of_the_indices(tmp_path: Path) -> None:
    steps = list[tuple[int, int]]()
    found = read_fitted_masks(files(tmp_path), [2, 0, 1], (8, 16), lambda done, total: steps.append((done, total)))
    assert found.shape == (3, 8, 16) and found.dtype == np.uint8 and steps == [(1, 3), (2, 3), (3, 3)]
    for row, number in zip(found, (2, 0, 1), strict=True):
        # No class but those that were there: nothing between two.
        assert set(row[2:, :8].flatten().tolist()) == {0} and set(row[2:, 8:].flatten().tolist()) == {number}
        assert set(row[0].tolist()) == {255}


def test_no_masks_are_none(tmp_path: Path) -> None:
    assert read_fitted_masks(files(tmp_path), [], (8, 16), lambda done, total: None).shape == (0, 8, 16)


def test_a_mask_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    masks = files(tmp_path)
    masks.paths[1].write_bytes(b"no picture")
    with pytest.raises(CapasError) as error:
        read_fitted_masks(masks, [0, 1], (8, 8), lambda done, total: None)
    assert error.value.key == "mask_unreadable" and error.value.where == str(masks.paths[1])
