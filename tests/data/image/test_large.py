"""Images with more pixels than are kept, and the formats that not every installation reads."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, features

from capas.core.errors import CapasError
from capas.data.image import large
from capas.data.image.io import ImageFiles, decode_image, read_image_info
from capas.data.image.large import reduction_factor
from capas.data.inspect.report import inspect_dataset
from tests.data.drawing import class_folders


def ramp(width: int, height: int, mode: str = "RGB") -> Image.Image:
    grey = np.linspace(0, 255, width)[None].repeat(height, 0).astype(np.uint8)
    return Image.fromarray(grey).convert(mode)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_the_factor_brings_an_image_within_the_limit() -> None:
    for width, height, limit in ((100, 100, 10_000), (101, 100, 10_000), (300, 200, 5000), (7, 1, 3)):
        factor = reduction_factor(width, height, limit)
        assert width * height <= limit * factor**2
        assert factor == 1 or width * height > limit * (factor - 1) ** 2


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.jpg", "RGB"), ("a.jpg", "L"), ("a.jpg", "CMYK"), ("a.png", "RGB"), ("a.png", "P"), ("a.png", "LA"),
     ("a.tif", "L"), ("a.tif", "I;16"), ("a.webp", "RGB"), ("a.jp2", "RGB"), ("a.bmp", "1")],
)  # fmt: skip
def test_a_large_image_is_scaled_and_a_small_one_is_not(tmp_path: Path, name: str, mode: str) -> None:
    path = saved(tmp_path / name, ramp(300, 180, mode))
    small = decode_image(path, max_pixels=300 * 180, scale=True)
    assert small.shape[:2] == (180, 300)
    assert np.array_equal(small, decode_image(path, max_pixels=300 * 180))
    for factor in (2, 3, 5):
        limit = 300 * 180 // factor**2
        scaled = decode_image(path, max_pixels=limit, scale=True)
        info = read_image_info(path, max_pixels=limit, scale=True)
        assert scaled.shape == (180 // factor, 300 // factor, small.shape[2])
        assert (info.height, info.width, info.scaled_from) == (*scaled.shape[:2], (300, 180))
        if mode != "1":
            crop = small[: 180 // factor * factor].reshape(180 // factor, factor, 300 // factor, factor, -1)
            assert np.abs(scaled - crop.mean((1, 3))).mean() < 4
    with pytest.raises(CapasError) as caught:
        decode_image(path, max_pixels=100)
    assert caught.value.key == "picture_too_large"


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png"])
def test_a_turned_image_is_scaled_upright(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = saved(tmp_path / name, ramp(300, 200), exif=exif)
    upright, scaled = decode_image(path), decode_image(path, max_pixels=15_000, scale=True)
    info = read_image_info(path, max_pixels=15_000, scale=True)
    assert upright.shape == (300, 200, 3) and scaled.shape == (150, 100, 3) == (info.height, info.width, 3)
    assert np.abs(scaled[::10, ::10].astype(int) - upright[::20, ::20]).mean() < 4


def test_beyond_what_pillow_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.jpg", ramp(300, 200))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode_image(path, max_pixels=15_000, scale=True).shape == (100, 150, 3)
    assert decode_image(path.read_bytes(), max_pixels=15_000, scale=True).shape == (100, 150, 3)
    with pytest.raises(CapasError) as caught:
        decode_image(path, max_pixels=15_000)
    assert caught.value.key == "picture_too_large"


def test_what_memory_does_not_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "available_memory", lambda: 2 * 4 * 300 * 200 - 2)
    monkeypatch.setattr(large, "MAX_SCALABLE_PIXELS", 300 * 200)
    assert decode_image(saved(tmp_path / "a.jpg", ramp(300, 200)), max_pixels=15_000, scale=True).size
    assert decode_image(saved(tmp_path / "a.png", ramp(300, 200, "L")), max_pixels=15_000, scale=True).size
    for name, width in (("b.png", 300), ("b.jpg", 301)):
        with pytest.raises(CapasError) as caught:
            decode_image(saved(tmp_path / name, ramp(width, 200)), max_pixels=15_000, scale=True)
        assert caught.value.key == "picture_too_large"


def test_a_dataset_says_what_is_scaled(tmp_path: Path) -> None:
    root = class_folders(tmp_path, cats=9, dogs=9)
    saved(root / "cats" / "huge.png", ramp(300, 200))
    report = inspect_dataset(root, max_pixels=15_000)
    (problem,) = (one for one in report.problems if one.kind == "scaled")
    assert problem.examples == ("cats/huge.png (300×200 → 150×100)",)
    assert isinstance(report.inputs, ImageFiles) and report.inputs.scale and all(report.usable)


@pytest.mark.parametrize(("feature", "name"), [("avif", "a.avif"), ("jpg_2000", "a.jp2"), ("jpg_2000", "a.j2k")])
def test_avif_and_jpeg_2000(tmp_path: Path, feature: str, name: str) -> None:
    if not features.check(feature):
        pytest.skip("this Pillow lacks it")
    path = saved(tmp_path / name, ramp(64, 48))
    assert decode_image(path).shape == (48, 64, 3) and not read_image_info(path).wrong_extension


def test_heic_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    content = io.BytesIO()
    heif.from_pillow(ramp(64, 48)).save(content)
    root = class_folders(tmp_path / "d", cats=9, dogs=9)
    path = root / "cats" / "phone.heic"
    path.write_bytes(content.getvalue())
    assert decode_image(path).shape == (48, 64, 3) and not read_image_info(path).wrong_extension
    assert "heic_missing" not in {problem.kind for problem in inspect_dataset(root).problems}
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(CapasError, match=r"capas\[heic\]"):
        decode_image(path)
    (problem,) = (one for one in inspect_dataset(root).problems if one.kind == "heic_missing")
    assert problem.examples == ("cats/phone.heic",) and "capas[heic]" in problem.advice()


def test_what_is_left_of_a_heic_is_told_as_such(tmp_path: Path) -> None:
    """Under whatever name: to copy it again is not all that can be done."""
    pytest.importorskip("pillow_heif")
    root = class_folders(tmp_path / "d", cats=9, dogs=9)
    (root / "cats" / "0.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(16))
    problems = {problem.kind: problem for problem in inspect_dataset(root).problems}
    assert problems["foreign_damaged"].examples == ("cats/0.jpg",)
    assert "JPEG" in problems["foreign_damaged"].advice()
    assert "corrupt" not in problems
