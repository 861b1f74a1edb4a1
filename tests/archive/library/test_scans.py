"""Pictures as scanners and cameras write them: the size of the header is that of the picture, and light stays light."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.archive.library.scans import decode_page, scans_of

ORIENTATION = 0x0112
# What stands upright, by how the file says that it is to be turned.
TURNED = {1: 0, 3: 2, 6: 3, 8: 1}


def grey() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """40×64, light on the left above, dark on the right below."""
    return np.linspace(255, 0, 40 * 64).reshape(40, 64).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", TURNED)
def test_turned_pictures_stand_upright_and_their_size_is_known_before(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"page{suffix}"
    Image.fromarray(grey()).save(path, exif=exif)
    (scan,) = scans_of(path)
    seen = decode_page(path)
    assert seen.shape == (scan.height, scan.width)
    np.testing.assert_allclose(seen, np.rot90(grey(), TURNED[orientation]), atol=8)


def test_each_frame_of_a_tiff_has_its_own_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    first = Image.fromarray(grey())
    first.save(tmp_path / "pages.tif", exif=exif, save_all=True, append_images=[first.resize((20, 10))])
    scans = scans_of(tmp_path / "pages.tif")
    assert [(one.height, one.width) for one in scans] == [decode_page(one.path, one.frame).shape for one in scans]


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_upper_bits_that_are_used_are_kept(tmp_path: Path, bits: int) -> None:
    deep = np.linspace(2**bits - 1, 0, 40 * 64).reshape(40, 64).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    np.testing.assert_allclose(decode_page(tmp_path / "deep.tif"), grey(), atol=1)


@pytest.mark.parametrize(("mode", "suffix"), [("1", ".tif"), ("CMYK", ".jpg"), ("LA", ".png"), ("P", ".png")])
def test_other_kinds_of_pictures_stay_light_where_they_are_light(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"page{suffix}"
    Image.fromarray(np.where(grey() > 127, 255, 0).astype(np.uint8)).convert(mode).save(path)
    seen = decode_page(path).reshape(40, 64, -1)
    assert (seen[:16] > 200).all() and (seen[24:] < 55).all()
