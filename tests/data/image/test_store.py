"""Prepared pictures: the same in memory and on disk, in order, whole or built anew."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.data.image.io import ImageArray, ImageFiles, write_image
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.store import ImageStore, OwnSizeImageStore
from tests.harness import FIXTURES

FILES = FIXTURES / "pictures"
SMALL = ImagePreprocessing(height=8, width=8, channels=3)


def arrays(count: int = 300) -> ImageArray:
    generator = np.random.default_rng(0)
    return ImageArray(generator.integers(0, 256, (count, 12, 10, 3), dtype=np.uint8), "x")


def some_files() -> ImageFiles:
    names = ["whole.png", "truncated.jpg", "rgba.png", "bomb.png", "whole.jpg"]
    return ImageFiles([FILES / name for name in names], FILES)


def on_disk(pictures: ImageArray | ImageFiles, indices: Sequence[int], folder: Path) -> ImageStore:
    return ImageStore.build(pictures, indices, SMALL, budget_bytes=0, cache_folder=folder)


def test_the_order_is_the_one_asked_for() -> None:
    pictures = arrays()
    indices = list(reversed(range(300)))
    store = ImageStore.build(pictures, indices, SMALL)
    expected = np.stack([SMALL.fit_image(pictures.decode(index)) for index in indices]).transpose(0, 3, 1, 2)
    assert store.in_memory and len(store) == 300
    assert np.array_equal(store.images, expected)
    positions = torch.tensor([5, 5, 299, 0])
    assert np.array_equal(store.take(positions), expected[[5, 5, 299, 0]])


def test_arrays_of_the_right_size_are_not_resized() -> None:
    pictures = arrays()
    preparation = ImagePreprocessing(height=12, width=10, channels=3)
    store = ImageStore.build(pictures, [2, 0], preparation)
    assert np.array_equal(store.images, pictures.arrays[[2, 0]].transpose(0, 3, 1, 2))
    store.images.fill(0)
    assert pictures.arrays.any()  # the store's own copy was emptied, not the user's array


def test_on_disk_is_as_in_memory(tmp_path: Path) -> None:
    memory, disk = ImageStore.build(arrays(), range(300), SMALL), on_disk(arrays(), range(300), tmp_path)
    assert not disk.in_memory
    assert np.array_equal(disk.images, memory.images)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("budget", [None, 0])
def test_a_broken_picture_costs_its_own_place_only(budget: int | None, tmp_path: Path) -> None:
    for _ in range(2):  # the second time the store on disk comes from the cache
        store = ImageStore.build(some_files(), range(5), SMALL, budget_bytes=budget, cache_folder=tmp_path)
        assert {at: error.key for at, error in store.failed.items()} == {
            1: "picture_truncated",
            3: "picture_too_large",
        }
        assert store.failed[3].where == str(FILES / "bomb.png")
        assert "900" in str(store.failed[3])
        assert not store.images[[1, 3]].any() and all(store.images[at].any() for at in (0, 2, 4))


def test_failures_are_counted_by_position() -> None:
    assert set(ImageStore.build(some_files(), [4, 3], SMALL).failed) == {1}


def count_decodes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    decoded: list[int] = []
    original = ImageArray.decode

    def decode(self: ImageArray, index: int) -> np.ndarray:
        decoded.append(index)
        return original(self, index)

    monkeypatch.setattr(ImageArray, "decode", decode)
    return decoded


def test_a_cache_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = on_disk(arrays(), range(300), tmp_path)
    decoded = count_decodes(monkeypatch)
    assert np.array_equal(on_disk(arrays(), range(300), tmp_path).images, first.images)
    assert decoded == []


def test_other_pictures_or_another_geometry_have_another_cache(tmp_path: Path) -> None:
    pictures = arrays()
    on_disk(pictures, range(300), tmp_path)
    on_disk(pictures, [1, 0], tmp_path)
    changed = ImageArray(pictures.arrays.copy(), "x")
    changed.arrays[7, 0, 0] ^= 255
    on_disk(changed, range(300), tmp_path)
    other = ImagePreprocessing(height=8, width=8, channels=3, fit="squash")
    ImageStore.build(pictures, range(300), other, budget_bytes=0, cache_folder=tmp_path)
    assert len(list(tmp_path.glob("*.u8"))) == 4


@pytest.mark.parametrize("damage", ["cut", "changed byte", "no record", "broken record", "odd record"])
def test_a_damaged_cache_is_built_anew(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = on_disk(arrays(), range(300), tmp_path).images.copy()
    (data,), (record,) = tmp_path.glob("*.u8"), tmp_path.glob("*.json")
    if damage == "cut":
        data.write_bytes(data.read_bytes()[:-1])
    elif damage == "changed byte":
        data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    elif damage == "no record":
        record.unlink()
    else:
        record.write_text("{" if damage == "broken record" else "[]", encoding="utf-8")
    decoded = count_decodes(monkeypatch)
    assert np.array_equal(on_disk(arrays(), range(300), tmp_path).images, expected)
    assert sorted(decoded) == list(range(300))


def test_writing_to_a_batch_never_reaches_the_file(tmp_path: Path) -> None:
    store = on_disk(arrays(), range(300), tmp_path)
    (data,) = tmp_path.glob("*.u8")
    before = data.read_bytes()
    store.take(torch.arange(3)).zero_()
    with pytest.raises(ValueError, match="read-only"):
        store.images[0] = 0
    assert data.read_bytes() == before


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CapasError) as caught:
        on_disk(arrays(), range(300), tmp_path)
    assert caught.value.key == "disk_full"
    assert list(tmp_path.iterdir()) == []


def test_what_is_ours_is_not_swallowed() -> None:
    class Faulty(ImageArray):
        def decode(self, index: int) -> np.ndarray:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ImageStore.build(Faulty(arrays().arrays, "x"), range(300), SMALL)


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    ImageStore.build(arrays(), range(300), SMALL, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and len(seen) > 1 and seen[-1] == (300, 300)


def test_small_pictures_are_kept_at_their_own_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pixels come out, for less than a quarter of the memory; a picture beyond the prepared size is fitted."""
    monkeypatch.setattr("capas.data.image.store._MIN_OWN_SIZE_BYTES", 0)
    large = ImagePreprocessing(height=32, width=32, channels=3)
    write_image(tmp_path / "large.png", np.arange(48 * 40 * 3, dtype=np.uint8).reshape(48, 40, 3))
    names = ["whole.png", "truncated.jpg", "rgba.png", "bomb.png", *["rgba.png"] * 20]
    paths = [*(FILES / name for name in names), tmp_path / "large.png"]
    for pictures in (arrays(9), ImageFiles(paths, FILES)):
        small = ImageStore.build(pictures, range(1, len(pictures)), large)
        assert isinstance(small, OwnSizeImageStore)
        prepared = [
            np.zeros((3, 32, 32)) if i - 1 in small.failed else large.fit_image(pictures.decode(i)).transpose(2, 0, 1)
            for i in range(1, len(pictures))
        ]
        own_sizes = [pictures.decode(i).size for i in range(1, len(pictures)) if i - 1 not in small.failed]
        assert small.nbytes == sum(min(size, 32 * 32 * 3) for size in own_sizes)
        assert len(small) == len(prepared) and 3 * small.nbytes < len(small) * 32 * 32 * 3
        positions = torch.tensor([3, 0, 3, len(small) - 1, 2])
        assert np.array_equal(small.take(positions), np.stack([prepared[i] for i in positions]))
    assert {at: error.key for at, error in small.failed.items()} == {0: "picture_truncated", 2: "picture_too_large"}


def test_beyond_the_budget_small_pictures_go_to_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capas.data.image.store._MIN_OWN_SIZE_BYTES", 0)
    large = ImagePreprocessing(height=64, width=64, channels=3)
    pictures, own_bytes = arrays(9), arrays(9).arrays.nbytes
    for budget, in_memory in ((own_bytes, True), (own_bytes - 1, False)):
        store = ImageStore.build(pictures, range(9), large, budget_bytes=budget, cache_folder=tmp_path)
        assert store.in_memory is in_memory
