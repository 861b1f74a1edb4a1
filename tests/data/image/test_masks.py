"""Masks as people save them: grey, palette, colour; with names or without; some of them broken."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from capas.core.errors import CapasError
from capas.data.image.masks import IGNORE_INDEX, MaskFiles, find_class_map, read_class_map, read_mask_values
from capas.data.sources.source import DataSource, open_source
from tests.data.drawing import save

VALUES = np.array([[0, 1, 2], [2, 1, 0], [0, 0, 255], [1, 1, 1]], dtype=np.uint8)
COLOURS = {0: (0, 0, 0), 1: (0, 128, 0), 2: (128, 0, 0), 255: (224, 224, 192)}


def grey(path: Path, values: np.ndarray = VALUES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def palette(path: Path, values: np.ndarray = VALUES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(values)
    picture.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    assert picture.mode == "P"
    picture.save(path)
    return path


def colour(path: Path, values: np.ndarray = VALUES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((*values.shape, 3), np.uint8)
    for value, shade in COLOURS.items():
        pixels[values == value] = shade
    Image.fromarray(pixels).save(path)
    return path


def masks(paths: Sequence[Path]) -> MaskFiles:
    root = paths[0].parent
    return MaskFiles(paths, root, read_class_map(find_class_map(root, paths), paths))


def refused(paths: Sequence[Path]) -> CapasError:
    with pytest.raises(CapasError) as caught:
        masks(paths).decode(0)
    assert "{" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("made", [grey, palette])
def test_pixels_are_numbers_of_classes(made: object, tmp_path: Path) -> None:
    assert callable(made)
    found = masks([made(tmp_path / "a.png")])
    assert found.class_map.classes == ("0", "1", "2")
    assert np.array_equal(found.decode(0), VALUES)


def test_values_with_gaps_become_numbers_without(tmp_path: Path) -> None:
    found = masks([grey(tmp_path / "a.png", np.array([[0, 50], [200, 255]], np.uint8))])
    assert found.class_map.classes == ("0", "50", "200")
    assert found.decode(0).tolist() == [[0, 1], [2, IGNORE_INDEX]]


def test_black_and_white_is_two_classes(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[True, False], [False, False]]))
    assert picture.mode == "1"
    picture.save(tmp_path / "a.png")
    found = masks([tmp_path / "a.png"])
    assert found.class_map.classes == ("0", "1") and found.decode(0).tolist() == [[1, 0], [0, 0]]


def test_colours_stand_for_classes_named_by_themselves(tmp_path: Path) -> None:
    found = masks([colour(tmp_path / "a.png")])
    assert found.class_map.classes == ("#000000", "#008000", "#800000", "#e0e0c0")
    assert np.array_equal(found.decode(0), np.where(VALUES == 255, 3, VALUES))


def test_colours_with_a_table_of_names(tmp_path: Path) -> None:
    (tmp_path / "class_dict.csv").write_text(
        "name,r,g,b\nbackground,0,0,0\ntree,0,128,0\nhouse,128,0,0\nvoid,224,224,192\n"
    )
    found = masks([colour(tmp_path / "a.png")])
    assert found.class_map.classes == ("background", "tree", "house")
    assert np.array_equal(found.decode(0), VALUES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "sky\ntree\nhouse\n"),
        ("classes.txt", "0 sky\n2: house\n1\ttree\n"),
        ("clases.csv", "número;nombre\n2;house\n0;sky\n1;tree\n"),
        ("classes.csv", "name,pixels\nsky,9\ntree,8\nhouse,7\n"),
    ],
)
def test_names_from_a_file_beside_the_masks(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = masks([grey(tmp_path / "a.png")])
    assert found.class_map.classes == ("sky", "tree", "house")
    assert np.array_equal(found.decode(0), VALUES)


def test_what_is_called_void_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("0 Void\n1 tree\n2 house\n255 edge\n")
    found = masks([grey(tmp_path / "a.png")])
    assert found.class_map.classes == ("tree", "house")
    assert np.array_equal(found.decode(0), np.array([IGNORE_INDEX, 0, 1, *[IGNORE_INDEX] * 253], np.uint8)[VALUES])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "0 sky\n0 tree\n"),
        ("classes.txt", "256 sky\n"),
        ("classes.csv", "id,name\n300,sky\n"),
        ("classes.csv", "id,name\nzero,sky\n"),
        ("classes.csv", "id,name\n1,sky\n1,tree\n"),
        ("classes.csv", "a,b\n1,2\n"),
        ("classes.csv", "name,r,g,b\nsky,0,0,0\ntree,0,0,0\n"),
        ("classes.csv", "name,r,g,b\nsky,red,0,0\n"),
    ],
)
def test_a_file_of_names_that_contradicts_itself_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    error = refused([grey(tmp_path / "a.png")])
    assert error.key == "class_map_broken" and error.where.endswith(name)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_formats_that_lose_are_refused(mode: str, tmp_path: Path) -> None:
    for values in (VALUES, np.kron(VALUES, np.ones((16, 16), dtype=np.uint8))):
        Image.fromarray(values).convert(mode).save(tmp_path / "a.jpg")
        assert refused([tmp_path / "a.jpg"]).key == "mask_lossy"


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [50, 75, 95])
def test_black_and_white_masks_that_were_saved_as_jpeg_are_read(mode: str, quality: int, tmp_path: Path) -> None:
    shape = np.zeros((64, 64), dtype=np.uint8)
    shape[13:40, 22:51] = 255
    paths = [tmp_path / f"{k}.jpg" for k in range(2)]
    for path in paths:
        Image.fromarray(shape).convert(mode).save(path, quality=quality)
    found = read_class_map(None, paths)
    assert found.binary and set(found.smoothed) == set(paths)
    assert (read_mask_values(paths[0], found) != shape).mean() < 0.01


def test_photographs_are_no_masks(tmp_path: Path) -> None:
    assert refused([save(tmp_path / "a.png", 1)]).key == "mask_many_values"


def test_a_broken_mask_is_named_and_does_not_spoil_the_others(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    grey(tmp_path / "a.png")
    found = masks([tmp_path / "0.png", tmp_path / "a.png"])
    assert np.array_equal(found.decode(1), VALUES)
    with pytest.raises(CapasError) as caught:
        found.decode(0)
    assert caught.value.key == "mask_unreadable" and caught.value.where.endswith("0.png")
    assert refused([tmp_path / "0.png"]).key == "mask_unreadable"


def names(source: DataSource) -> list[tuple[str, str]]:
    assert source.files is not None and source.targets is not None
    return [(source.files.name(i), source.targets.name(i)) for i in range(len(source))]


def test_a_folder_of_pictures_and_masks(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / "images" / f"{i}.jpg", i, side=4)
        grey(tmp_path / "masks" / f"{i}.png")
    save(tmp_path / "images" / "alone.jpg", 9, side=4)
    grey(tmp_path / "masks" / "stray.png")
    (tmp_path / "classes.txt").write_text("sky\ntree\nhouse\n")
    source = open_source(tmp_path)
    assert (source.medium, source.target_kind, source.classes) == ("image", "mask", ("sky", "tree", "house"))
    assert names(source) == [(f"images/{i}.jpg", f"masks/{i}.png") for i in range(3)]
    assert {problem.kind: problem.examples for problem in source.problems} == {
        "without_target": ("images/alone.jpg",), "without_input": ("masks/stray.png",),
    }  # fmt: skip


@pytest.mark.parametrize("pattern", ["{split}/{kind}/{name}", "{kind}/{split}/{name}"])
@pytest.mark.parametrize("suffix", ["", "_mask", "-gt"])
def test_splits_above_or_below_and_names_with_an_ending(pattern: str, suffix: str, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        save(tmp_path / pattern.format(split=split, kind="images", name="a.png"), 1, side=4)
        grey(tmp_path / pattern.format(split=split, kind="masks", name=f"a{suffix}.png"))
    source = open_source(tmp_path)
    assert source.target_kind == "mask" and sorted(map(str, source.fixed_split)) == ["test", "train", "validation"]
    for (picture, mask), side in zip(names(source), source.fixed_split, strict=True):
        folder = {"validation": "val"}.get(str(side), str(side))
        assert folder in picture.split("/") and folder in mask.split("/")


@pytest.mark.parametrize("made", [grey, palette])
def test_black_and_white_masks_of_0_and_255_hold_two_classes(made: object, tmp_path: Path) -> None:
    assert callable(made)
    values = np.array([[0, 255, 255], [0, 0, 255]], np.uint8)
    found = masks([made(tmp_path / "a.png", values), made(tmp_path / "b.png", np.zeros_like(values))])
    assert found.class_map.classes == ("0", "255")
    assert found.decode(0).tolist() == [[0, 1, 1], [0, 0, 1]] and not found.decode(1).any()
    # The same masks with the numbers of the classes, as Capas writes them, mean the same.
    grey(tmp_path / "c.png", values // 255)
    other = MaskFiles([tmp_path / "c.png"], tmp_path, found.class_map)
    assert other.decode(0).tolist() == [[0, 1, 1], [0, 0, 1]]


def test_a_file_with_two_names_names_black_and_white(tmp_path: Path) -> None:
    path = grey(tmp_path / "a.png", np.array([[0, 255]], np.uint8))
    for text, classes in (("skin\nlesion\n", ("skin", "lesion")), ("0 skin\n255 lesion\n", ("skin", "lesion")),
                          ("lesion\n", ("0", "lesion"))):  # fmt: skip
        (tmp_path / "classes.txt").write_text(text)
        found = masks([path])
        assert found.class_map.classes == classes and found.decode(0).tolist() == [[0, 1]]
    (tmp_path / "classes.txt").write_text("0 skin\n255 void\n")
    assert masks([path]).class_map.classes == ("skin",)


def disc(side: int = 40) -> np.ndarray:  # type: ignore[type-arg]
    y, x = np.ogrid[:side, :side]
    return np.where((x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 4) ** 2, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_greys_at_smoothed_edges_count_as_the_nearer_class(mode: str, tmp_path: Path) -> None:
    smooth = Image.fromarray(disc()).filter(ImageFilter.GaussianBlur(2))
    smooth.convert(mode).save(tmp_path / "a.png")
    found = masks([tmp_path / "a.png"])
    assert found.class_map.classes == ("0", "255") and found.class_map.smoothed == (tmp_path / "a.png",)
    assert np.array_equal(found.decode(0), np.asarray(smooth) >= 128)


def test_antialiased_masks_are_smoothed_too(tmp_path: Path) -> None:
    Image.fromarray(disc(64)).resize((32, 32), Image.Resampling.BOX).save(tmp_path / "a.png")
    found = masks([tmp_path / "a.png"])
    assert len(np.unique(np.asarray(Image.open(tmp_path / "a.png")))) > 2
    assert found.class_map.classes == ("0", "255") and found.class_map.smoothed


def test_grey_areas_between_black_and_white_stay_classes(tmp_path: Path) -> None:
    areas = np.zeros((40, 40), np.uint8)
    areas[:, 10:16], areas[:, 16:22], areas[:, 22:] = 85, 170, 255
    assert masks([grey(tmp_path / "a.png", areas)]).class_map.classes == ("0", "85", "170")
    voc = disc()
    voc[15:25, 15:25] = 12
    assert masks([grey(tmp_path / "b.png", voc)]).class_map.classes == ("0", "12")


def test_black_and_white_in_colour_keep_their_names_and_fit_grey_ones(tmp_path: Path) -> None:
    Image.fromarray(disc()).convert("RGB").save(tmp_path / "a.png")
    found = masks([tmp_path / "a.png"])
    assert found.class_map.classes == ("#000000", "#ffffff")
    assert np.array_equal(found.decode(0), disc() // 255)
