"""Near duplicates: found after what happens to pictures, not found between different ones."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from capas.data.inspect.duplicates import (
    duplicate_groups,
    exact_duplicates,
    grey_image,
    near_duplicate_pairs,
    splittable_groups,
    thumbnail,
)
from capas.data.sources.samples import open_sample
from tests.data.drawing import drawn


def jpeg(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=40)
    return Image.open(stream)


def thumbnails(images: list[Image.Image]) -> NDArray[np.uint8]:
    return np.stack([thumbnail(grey_image(np.asarray(image))) for image in images])


@pytest.mark.parametrize(
    "change",
    [
        jpeg,
        lambda image: image.resize((50, 50), Image.Resampling.LANCZOS),
        lambda image: image.resize((301, 207), Image.Resampling.BICUBIC),
        lambda image: ImageEnhance.Brightness(image).enhance(0.9),
        lambda image: ImageEnhance.Contrast(image).enhance(0.9),
    ],
)
def test_changed_copies_are_found_and_nothing_else(change: Callable[[Image.Image], Image.Image]) -> None:
    images = [drawn(seed, 200) for seed in range(20)]
    pairs = near_duplicate_pairs(thumbnails([*images, *map(change, images)]))
    assert pairs.tolist() == [[i, i + 20] for i in range(20)]


def test_digits_written_by_people_are_not_duplicates() -> None:
    pictures = open_sample("mnist5k").images
    small = np.stack([thumbnail(grey_image(pictures.decode(i))) for i in range(0, 5000, 5)])
    assert len(near_duplicate_pairs(small)) == 0


def test_even_and_faint_pictures_resemble_nothing() -> None:
    shape = np.zeros((16, 16), dtype=np.uint8)
    shape[4:8] = 200
    even = np.full((3, 16, 16), 120, dtype=np.uint8)
    noise = even + np.eye(16, dtype=np.uint8)
    faint, strong = shape // 4, shape
    assert len(near_duplicate_pairs(np.concatenate([even, noise]))) == 0
    assert len(near_duplicate_pairs(np.stack([faint, strong]))) == 0
    assert near_duplicate_pairs(np.stack([strong, strong])).tolist() == [[0, 1]]


def test_blocks_find_what_one_matrix_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    small = thumbnails([drawn(seed % 17) for seed in range(60)])
    whole = sorted(near_duplicate_pairs(small).tolist())
    monkeypatch.setattr("capas.data.inspect.duplicates._BLOCK", 7)
    assert sorted(near_duplicate_pairs(small).tolist()) == whole
    assert whole == [[i, j] for i in range(60) for j in range(i + 1, 60) if i % 17 == j % 17]


def test_thumbnail_pixels_are_means_of_areas() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (160, 160, 1), dtype=np.uint8)
    means = picture.reshape(16, 10, 16, 10).mean(axis=(1, 3))
    assert np.abs(thumbnail(grey_image(picture)) - means).max() <= 1.0


def test_groups_follow_chains_whatever_their_order() -> None:
    order = np.random.default_rng(0).permutation(1000)
    pairs = np.sort(np.stack([order[:-1], order[1:]], axis=1), axis=1)
    keys = [f"{number:04d}" for number in range(1000)]
    assert set(duplicate_groups(keys, pairs)) == {"0000"}


def test_groups_take_the_smallest_key_over_equal_keys_and_pairs() -> None:
    keys = ["d", "c", "d", "a", "b"]
    assert duplicate_groups(keys, np.array([[0, 1], [2, 3]])) == ("a", "a", "a", "a", "b")
    assert exact_duplicates(keys) == ((0, 2),)


def chain(first: int, count: int) -> list[tuple[int, int]]:
    return [(i, i + 1) for i in range(first, first + count - 1)]


def test_a_class_that_is_all_alike_is_divided() -> None:
    keys = [f"{number:02d}" for number in range(40)]
    labels = ["good"] * 24 + ["scratch"] * 16
    everyone = np.array([(i, j) for i in range(24) for j in range(i + 1, 24)])
    groups, torn = splittable_groups(keys, everyone, labels)
    assert len(set(groups)) == 40 and torn == tuple(range(24))


def test_a_long_chain_keeps_only_what_is_alike_to_one_picture() -> None:
    keys = [f"{number:02d}" for number in range(50)]
    groups, torn = splittable_groups(keys, np.array(chain(0, 40)), ["a"] * 50)
    assert max(map(groups.count, groups)) == 2 and torn == tuple(range(40))


def test_copies_of_one_picture_and_short_chains_stay_together() -> None:
    keys = [f"{number:02d}" for number in range(40)]
    copies = [(i, j) for i in range(25) for j in range(i + 1, 25)]
    for pairs in (copies, chain(0, 19)):
        groups, torn = splittable_groups(keys, np.array(pairs), ["a"] * 40)
        assert groups == duplicate_groups(keys, np.array(pairs)) and torn == ()


def test_equal_keys_stay_together_whatever_is_alike() -> None:
    keys = [f"p{number % 8}" for number in range(24)]
    everyone = np.array([(i, j) for i in range(24) for j in range(i + 1, 24)])
    groups, _ = splittable_groups(keys, everyone, ["a"] * 24)
    assert groups == tuple(keys)
