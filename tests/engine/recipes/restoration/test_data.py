"""Decoded pictures: by position, within a budget of memory, limited in size."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capas.data.image.io import ImageArray
from capas.engine.recipes.restoration.data import DecodedImages, centre_crop, decode_images
from capas.engine.recipes.restoration.restorer import Restorer
from tests.engine.recipes.made_work import pixels, spec_of, work_of


class Counted(ImageArray):
    """Says how often each picture was decoded."""

    def __init__(self, arrays: NDArray[np.uint8]) -> None:
        super().__init__(arrays, "p")
        self.decoded = Counter[int]()

    def decode(self, index: int) -> NDArray[np.uint8]:
        self.decoded[index] += 1
        return super().decode(index)


def test_what_fits_into_the_budget_is_decoded_once() -> None:
    pictures = Counted(pixels(4, 4, 5))
    held, steps = DecodedImages(pictures, [3, 1, 0], 3, None), list[tuple[int, int]]()
    held.fill(2 * 4 * 5 * 3, lambda done, total: steps.append((done, total)))
    assert steps == [(3, 3)]
    for position, index in enumerate([3, 1, 0]):
        assert np.array_equal(held.take(position), pixels(4, 4, 5)[index])
    assert pictures.decoded == {3: 1, 1: 1, 0: 2}


def test_progress_is_told_every_64_pictures() -> None:
    steps = list[int]()
    DecodedImages(Counted(pixels(1, 2, 2)), [0] * 130, 3, None).fill(0, lambda done, total: steps.append(done))
    assert steps == [64, 128, 130]


def test_channels_and_size_are_as_wanted() -> None:
    held = DecodedImages(Counted(pixels(1, 8, 6)), [0], 1, 4)
    assert held.take(0).shape == (4, 3, 1)
    assert DecodedImages(Counted(pixels(1, 8, 6)), [0], 3, 8).take(0).shape == (8, 6, 3)


def restorer(kind: str) -> Restorer:
    return Restorer(kind=kind, channels=3, scale=2, width=4)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "paired", "side"), [("pairs", True, None), ("denoise", False, 512)])
def test_targets_are_decoded_for_pairs_alone(kind: str, paired: bool, side: int | None, tmp_path: Path) -> None:
    inputs, targets = Counted(pixels(2, 2, 3)), Counted(pixels(2, 4, 6, seed=1))
    work = work_of(inputs, spec_of("transform", "image"), ["train", "test"], {"data.memory_mb": 1}, targets=targets)
    first, second = decode_images(work, restorer(kind))
    assert first.largest == side and (second is not None) == paired
    assert np.array_equal(first.take(1), pixels(2, 2, 3)[1])
    if second is not None:
        assert np.array_equal(second.take(1), pixels(2, 4, 6, seed=1)[1])


def test_the_budget_is_shared_by_inputs_and_targets() -> None:
    # Each has 700,000 bytes: both together exceed the megabyte, half of which holds none of them.
    inputs, targets = Counted(pixels(1, 500, 467)), Counted(pixels(1, 500, 467, seed=1))
    work = work_of(inputs, spec_of("transform", "image"), ["train"], {"data.memory_mb": 1}, targets=targets)
    for gallery in decode_images(work, restorer("pairs")):
        assert gallery is not None
        gallery.take(0)
    assert inputs.decoded == {0: 2} and targets.decoded == {0: 2}


def test_the_centre_of_a_pair_is_the_same_place() -> None:
    picture = np.arange(7 * 6, dtype=np.uint8).reshape(7, 6, 1)
    target = picture.repeat(2, 0).repeat(2, 1)
    cut, other = centre_crop(picture, target, 4, 2)
    assert np.array_equal(cut, picture[1:5, 1:5]) and other is not None
    assert np.array_equal(other, cut.repeat(2, 0).repeat(2, 1))
    whole, none = centre_crop(picture, None, 100, 1)
    assert np.array_equal(whole, picture) and none is None
