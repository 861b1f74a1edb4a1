"""Pictures of every kind and every fault, read from real files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.core.errors import CapasError
from capas.data.image.io import ImageArray, ImageFiles, decode_image, read_image_info, write_image_grid
from tests.harness import FIXTURES

FILES = FIXTURES / "pictures"
RED, BLUE = [255, 0, 0], [0, 0, 255]


@contextmanager
def refused(key: str) -> Iterator[None]:
    with pytest.raises(CapasError) as caught:
        yield
    assert caught.value.key == key


def is_upright(picture: np.ndarray) -> bool:
    """16×24, red above and blue below."""
    close = np.abs(picture.astype(int) - np.where(np.arange(16)[:, None, None] < 8, RED, BLUE)) < 12
    return picture.shape == (16, 24, 3) and bool(close[[0, 1, 2, 13, 14, 15]].all())


@pytest.mark.parametrize("name", ["whole.png", "whole.jpg", "rotated.jpg", "rotated.png", "rotated.tif"])
def test_a_picture_comes_upright_whatever_its_exif_says(name: str) -> None:
    assert is_upright(decode_image(FILES / name))
    info = read_image_info(FILES / name)
    assert (info.width, info.height, info.rotated) == (24, 16, name.startswith("rotated"))
    assert info.bytes == (FILES / name).stat().st_size


def test_bytes_decode_as_the_file_does() -> None:
    data = (FILES / "rotated.jpg").read_bytes()
    assert np.array_equal(decode_image(data), decode_image(FILES / "rotated.jpg"))
    assert read_image_info(data).bytes == len(data)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grey16.png", [[0, 0x11, 0x22, 0x33], [0x44, 0x55, 0x66, 0x77],
                        [0x88, 0x99, 0xAA, 0xBB], [0xCC, 0xDD, 0xEE, 0xFF]]),
        ("float.tif", [[0, 85], [170, 255]]),
        ("one_bit.tif", [[0, 255], [255, 0]]),
        ("grey_alpha.png", [[255, 0], [127, 0]]),
    ],
)  # fmt: skip
def test_grey_stays_one_channel_of_8_bits(name: str, expected: list[list[int]]) -> None:
    picture = decode_image(FILES / name)
    assert picture.dtype == np.uint8
    assert picture[..., 0].tolist() == expected
    assert picture.shape[2] == 1


def test_transparency_lies_on_white() -> None:
    assert decode_image(FILES / "rgba.png")[..., 1].tolist() == [[255, 0], [127, 0]]
    white = [255, 255, 255]
    assert decode_image(FILES / "palette.png").tolist() == [[RED, white], [white, RED]]


def test_cmyk_becomes_rgb() -> None:
    assert np.abs(decode_image(FILES / "cmyk.jpg").astype(int) - RED).max() < 8
    assert read_image_info(FILES / "cmyk.jpg").mode == "CMYK"


def test_an_animation_gives_its_first_frame() -> None:
    assert decode_image(FILES / "animated.gif").reshape(-1, 3).tolist() == [RED] * 24
    assert read_image_info(FILES / "animated.gif").frames == 3


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("truncated.jpg", "picture_truncated"),
        ("truncated.png", "picture_truncated"),
        ("empty.jpg", "picture_empty"),
        ("text.png", "picture_not_a_picture"),
        ("bomb.png", "picture_too_large"),
        ("float_beyond.tif", "picture_range"),
        ("absent.png", "picture_unreadable"),
    ],
)
def test_what_is_broken_is_named(name: str, key: str) -> None:
    with pytest.raises(CapasError) as caught:
        decode_image(FILES / name)
    assert caught.value.key == key
    assert caught.value.where.endswith(name)
    assert all(caught.value.part(part) for part in ("what", "expected", "next"))


@pytest.mark.parametrize("cut", range(0, 340, 20))
@pytest.mark.parametrize("name", ["cmyk.jpg", "animated.gif", "rotated.tif", "whole.png"])
def test_a_file_cut_anywhere_is_an_error_or_a_whole_picture(name: str, cut: int) -> None:
    whole = decode_image(FILES / name)
    try:
        assert decode_image((FILES / name).read_bytes()[:cut]).shape == whole.shape
    except CapasError as error:
        assert error.key.startswith("picture_")


def test_the_cap_is_checked_before_decoding() -> None:
    with pytest.raises(CapasError) as caught:
        read_image_info(FILES / "bomb.png")
    assert caught.value.key == "picture_too_large"
    assert caught.value.received == "900"
    with refused("picture_too_large"):
        decode_image(FILES / "truncated.png", max_pixels=32 * 32 - 1)  # its size, not its end, is what counts
    assert decode_image(FILES / "whole.png", max_pixels=24 * 16).shape == (16, 24, 3)


def test_a_name_may_announce_another_format() -> None:
    assert read_image_info(FILES / "wrong_extension.jpg").wrong_extension
    assert not read_image_info(FILES / "whole.jpg").wrong_extension
    assert is_upright(decode_image(FILES / "wrong_extension.jpg"))


def test_formats_beyond_the_list_are_refused(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with refused("picture_not_a_picture"):
        decode_image(tmp_path / "page.png")


def test_files_are_named_below_their_root_and_hashed_by_content(tmp_path: Path) -> None:
    odd = tmp_path / "años ñ" / "perro 🐕.png"
    odd.parent.mkdir()
    odd.write_bytes((FILES / "whole.png").read_bytes())
    pictures = ImageFiles([odd, FILES / "whole.png", FILES / "absent.png"], tmp_path)
    assert len(pictures) == 3
    assert pictures.name(0) == "años ñ/perro 🐕.png"
    assert pictures.name(1) == (FILES / "whole.png").as_posix()
    assert pictures.content_hash(0) == pictures.content_hash(1)
    assert is_upright(pictures.decode(0)) and pictures.info(0).format == "PNG"
    with refused("picture_unreadable"):
        pictures.content_hash(2)


def test_arrays_are_pictures_too() -> None:
    arrays = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    pictures = ImageArray(arrays, "mnist5k")
    assert pictures.name(1) == "mnist5k/00001"
    assert np.array_equal(pictures.decode(1)[..., 0], arrays[1])
    info = pictures.info(0)
    assert (info.width, info.height, info.mode, info.bytes, info.frames) == (4, 3, "L", 12, 1)
    assert pictures.content_hash(0) != pictures.content_hash(1)


@pytest.mark.parametrize("array", [np.zeros((2, 3, 4)), np.zeros((2, 3, 4, 2), np.uint8), np.zeros(9, np.uint8)])
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with refused("array_not_pictures"):
        ImageArray(array, "x")


@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 2, 3, 3)])
def test_a_grid_has_each_image_in_its_place_and_black_behind_the_last(shape: tuple[int, ...], tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(1, 256, shape).astype(np.uint8)
    write_image_grid(tmp_path / "grid.png", images)
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert grid.shape == (4, 9, *shape[3:])
    for i, image in enumerate(images):
        top, left = 2 * (i // 3), 3 * (i % 3)
        assert np.array_equal(grid[top : top + 2, left : left + 3], image)
    assert not grid[2:, 6:].any()


@pytest.mark.parametrize(
    ("top", "shift"), [(250, 0), (255, 0), (256, 2), (4095, 4), (16383, 6), (16384, 8), (65535, 8)]
)
def test_16_bits_are_read_by_the_bits_in_use(top: int, shift: int, tmp_path: Path) -> None:
    values = np.array([[0, top // 2], [top, 7]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert np.array_equal(decode_image(tmp_path / "a.png")[..., 0], values >> shift)


@pytest.mark.parametrize(
    ("start", "form"),
    [(b"%PDF-1.7\n....", "PDF"), (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF")],
)
def test_a_foreign_format_under_the_name_of_another_is_named(
    start: bytes, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capas.data.image.io.IMAGE_FORMATS", ("JPEG", "PNG"))
    (tmp_path / "a.jpg").write_bytes(start * 4)
    with pytest.raises(CapasError) as caught:
        decode_image(tmp_path / "a.jpg")
    assert (caught.value.key, caught.value.received) == ("picture_foreign", form)
    assert "JPEG" in str(caught.value) and "Copy" not in str(caught.value)


def test_a_file_that_is_read_once_gives_what_its_parts_give() -> None:
    """Header, pixels and hash of every fixture, the turned, animated and broken ones too."""
    files = ImageFiles(sorted(path for path in FILES.iterdir() if path.is_file()), FILES)
    for index in range(len(files)):
        errors = []
        try:
            expected = (files.info(index), files.content_hash(index), files.decode(index).tobytes())
        except CapasError as error:
            errors.append((error.key, error.where, error.values))
        try:
            read = files.read(index)
            assert (read.info, read.hash, read.pixels.tobytes()) == expected, files.name(index)
        except CapasError as error:
            errors.append((error.key, error.where, error.values))
        assert len(errors) in (0, 2) and errors[:1] == errors[1:], files.name(index)
