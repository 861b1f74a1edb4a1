"""Pictures named on the command line or passed as arrays, and their channels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.core.errors import CapasError
from capas.data.image.io import ImageArray
from capas.engine.recipe import Item
from capas.engine.recipes.shared import image_items as module
from capas.engine.recipes.shared.image_items import image_item, image_items, read_image_item, with_channels
from tests.engine.recipes.made_work import pixels


def test_paths_have_their_own_name_and_arrays_a_number() -> None:
    assert image_item("a.png", 2) == Item(name="a.png", content="a.png")
    assert image_item(Path("b/a.png"), 2).name == "b/a.png"
    assert image_item(pixels(1, 2, 2)[0], 2).name == "array 2"


def test_an_array_keeps_its_pixels_and_a_flat_one_gets_its_channel(tmp_path: Path) -> None:
    colour, grey = pixels(1, 3, 5)[0], pixels(1, 3, 5, 1)[0]
    assert np.array_equal(read_image_item(image_item(colour, 0)), colour)
    assert np.array_equal(read_image_item(image_item(grey[..., 0], 0)), grey)
    Image.fromarray(colour).save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        assert np.array_equal(read_image_item(image_item(path, 0)), colour)


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (np.zeros((4, 4, 3), np.float32), "ndarray"),
        (np.zeros(4, np.uint8), "ndarray"),
        ([[1, 2]], "list"),
        (None, "NoneType"),
        (np.zeros((4, 5, 2), np.uint8), "4×5×2"),
        (np.zeros((0, 5, 3), np.uint8), "0×5×3"),
        (np.zeros((0, 5), np.uint8), "0×5"),
    ],
)
def test_what_is_no_picture_is_refused_and_described(content: object, received: str) -> None:
    with pytest.raises(CapasError) as error:
        read_image_item(image_item(content, 7))
    assert (error.value.key, error.value.where, error.value.received) == ("not_a_picture_array", "array 7", received)


def test_files_folders_and_lines_are_named_by_their_paths(tmp_path: Path) -> None:
    for name in ("10.png", "9.png"):
        (tmp_path / "in" / "deep").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(1, 2, 2)[0]).save(tmp_path / "in" / "deep" / name)
    (tmp_path / "in" / "a.txt").write_text("no picture")
    folder, one, lines = ([i.name for i in image_items([w], ["x.png\r\n", " \n", "y.png"])]
                          for w in ("in", "in/deep/10.png", "-"))  # fmt: skip
    assert folder == ["in/deep/9.png", "in/deep/10.png"] and one == ["in/deep/10.png"] and lines == ["x.png", "y.png"]


def test_of_a_sample_the_test_pictures_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sample:
        images = ImageArray(pixels(3, 2, 2), "dots")
        fixed_split = ("test", "train", "test")

    monkeypatch.setattr(module, "open_sample", {"dots": Sample()}.__getitem__)
    found = list(image_items(["sample:dots"], []))
    assert [item.name for item in found] == ["dots/00000", "dots/00002"]
    assert np.array_equal(read_image_item(found[1]), pixels(3, 2, 2)[2])


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(CapasError) as error:
        list(image_items(["missing.png"], []))
    assert (error.value.key, error.value.where) == ("no_such_picture", "missing.png")


def test_grey_is_the_luma_of_itu_601_and_colour_repeats_grey() -> None:
    colour = pixels(1, 6, 7)[0]
    grey = with_channels(colour, 1)
    assert grey.shape == (6, 7, 1) and grey.dtype == np.uint8
    # Pillow rounds: never more than one level from the exact value.
    assert np.abs(grey[..., 0] - colour @ np.array([0.299, 0.587, 0.114])).max() <= 1
    again = with_channels(grey, 3)
    assert again.shape == (6, 7, 3) and all(np.array_equal(again[..., k], grey[..., 0]) for k in range(3))
    assert with_channels(colour, 3) is colour
    transparent = np.concatenate([colour, np.zeros((6, 7, 1), np.uint8)], axis=2)
    assert np.array_equal(with_channels(transparent, 3), colour)


def test_a_word_longer_than_any_file_name_names_none() -> None:
    with pytest.raises(CapasError) as error:
        list(image_items(["x" * 300], []))
    assert error.value.key == "no_such_picture"
