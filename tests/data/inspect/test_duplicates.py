"""Near duplicates: found after what happens to pictures, not found between different ones."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from capas.data.inspect import near_duplicates as near_duplicates_module
from capas.data.inspect.duplicates import duplicate_groups, exact_duplicates, splittable_groups
from capas.data.inspect.near_duplicates import Indices, NearDuplicates, find_near_duplicates, grey_image, thumbnail
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
    pairs = find_near_duplicates(thumbnails([*images, *map(change, images)])).pairs
    assert pairs.tolist() == [[i, i + 20] for i in range(20)]


def test_digits_written_by_people_are_not_duplicates() -> None:
    pictures = open_sample("mnist5k").images
    small = np.stack([thumbnail(grey_image(pictures.decode(i))) for i in range(0, 5000, 5)])
    assert len(find_near_duplicates(small).pairs) == 0


def test_even_and_faint_pictures_resemble_nothing() -> None:
    shape = np.zeros((16, 16), dtype=np.uint8)
    shape[4:8] = 200
    even = np.full((3, 16, 16), 120, dtype=np.uint8)
    noise = even + np.eye(16, dtype=np.uint8)
    faint, strong = shape // 4, shape
    assert len(find_near_duplicates(np.concatenate([even, noise])).pairs) == 0
    assert len(find_near_duplicates(np.stack([faint, strong])).pairs) == 0
    assert find_near_duplicates(np.stack([strong, strong])).pairs.tolist() == [[0, 1]]


def alike_matrix(small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """All pairs, as the definition says."""
    pixels = small.reshape(len(small), -1).astype(np.float64)
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.where(norms >= 4 * 16, centred / np.maximum(norms, 1e-6), 0)
    differences = np.sqrt(np.square(pixels[:, None] - pixels[None]).mean(axis=2))
    alike: NDArray[np.bool_] = (unit @ unit.T >= 0.995) & (differences <= 28)
    np.fill_diagonal(alike, False)
    return alike


def near_duplicates(alike: NDArray[np.bool_], parts: Sequence[str] | None = None) -> NearDuplicates:
    """What is kept of a matrix, as the definitions say."""
    total = len(alike)
    of = parts or [""] * total
    leaders = list(range(total))
    for leader in range(total):
        for other in range(leader + 1, total) if leaders[leader] == leader else ():
            if alike[leader, other] and leaders[other] == other:
                leaders[other] = leader
    others = [np.flatnonzero(row).tolist() for row in alike]
    clusters = list(range(total))
    for _ in range(total):
        clusters = [min(clusters[j] for j in (i, *others[i])) for i in range(total)]
    firsts = [(i, next((j for j in others[i] if of[j] == p), i)) for i in range(total) for p in set(of)]
    pairs = {(min(pair), max(pair)) for pair in [*firsts, *enumerate(leaders)] if pair[0] != pair[1]}
    return NearDuplicates(
        pairs=np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2), clusters=np.array(clusters),
        counts=alike.sum(axis=1), leaders=np.array(leaders),
    )  # fmt: skip


def from_pairs(pairs: Sequence[tuple[int, int]], images: int) -> NearDuplicates:
    alike = np.zeros((images, images), dtype=bool)
    for first, second in pairs:
        alike[first, second] = alike[second, first] = True
    return near_duplicates(alike)


def test_blocks_find_what_one_matrix_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for trial in range(12):
        monkeypatch.setattr("capas.data.inspect.near_duplicates._BLOCK", int(rng.integers(3, 40)))
        base, noise = rng.integers(40, 215, (1 + trial, 16, 16)), int(rng.choice([1, 4, 5, 6]))
        copies = base[rng.integers(0, len(base), 60)] + rng.integers(-noise, noise + 1, (60, 16, 16))
        small = np.clip(copies + rng.integers(-20, 21, (60, 1, 1)), 0, 255).astype(np.uint8)
        small[rng.random(60) < 0.1] = 100
        parts = rng.choice(["train", "test"], 60).tolist()
        found, expected = find_near_duplicates(small, parts), near_duplicates(alike_matrix(small), parts)
        for name in ("pairs", "clusters", "counts", "leaders"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name


def test_near_duplicates_keep_their_clusters_among_further_examples() -> None:
    chained = from_pairs(chain(0, 4), 4).placed(np.array([1, 3, 4, 6]), 8)
    assert chained.clusters.tolist() == [0, 1, 2, 1, 1, 5, 1, 7] and chained.leaders.tolist() == [
        0,
        1,
        2,
        1,
        4,
        5,
        4,
        7,
    ]
    assert chained.pairs.tolist() == [[1, 3], [3, 4], [4, 6]] and chained.counts.tolist() == [0, 1, 0, 2, 2, 0, 1, 0]


@pytest.mark.parametrize("images", [2000, 4000])
def test_pictures_that_are_all_alike_take_memory_and_comparisons_that_grow_with_their_number(
    images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    camera = rng.integers(60, 200, (16, 16)) + rng.integers(-2, 3, (images, 16, 16))
    compared, compare = [0], near_duplicates_module._Images.alike

    def counted(self: near_duplicates_module._Images, rows: Indices, columns: Indices) -> NDArray[np.bool_]:
        compared[0] += len(rows) * len(columns)
        return compare(self, rows, columns)

    monkeypatch.setattr("capas.data.inspect.near_duplicates._Images.alike", counted)
    found = find_near_duplicates(camera.astype(np.uint8))
    assert len(found.pairs) == images - 1  # of 2 or 8 million
    assert set(found.counts.tolist()) == {images - 1} and set(found.clusters.tolist()) == {0}
    assert compared[0] <= 3 * near_duplicates_module._BLOCK * images


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
    everyone = [(i, j) for i in range(24) for j in range(i + 1, 24)]
    groups, torn = splittable_groups(keys, from_pairs(everyone, 40), labels)
    assert len(set(groups)) == 40 and torn == tuple(range(24))


def test_a_long_chain_keeps_only_what_is_alike_to_one_picture() -> None:
    keys = [f"{number:02d}" for number in range(50)]
    groups, torn = splittable_groups(keys, from_pairs(chain(0, 40), 50), ["a"] * 50)
    assert max(map(groups.count, groups)) == 2 and torn == tuple(range(40))


def test_copies_of_one_picture_and_short_chains_stay_together() -> None:
    keys = [f"{number:02d}" for number in range(40)]
    copies = [(i, j) for i in range(25) for j in range(i + 1, 25)]
    for pairs in (copies, chain(0, 19)):
        groups, torn = splittable_groups(keys, from_pairs(pairs, 40), ["a"] * 40)
        assert groups == duplicate_groups(keys, np.array(pairs)) and torn == ()


def test_equal_keys_stay_together_whatever_is_alike() -> None:
    keys = [f"p{number % 8}" for number in range(24)]
    everyone = [(i, j) for i in range(24) for j in range(i + 1, 24)]
    groups, _ = splittable_groups(keys, from_pairs(everyone, 24), ["a"] * 24)
    assert groups == tuple(keys)
