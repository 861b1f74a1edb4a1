"""Pictures inside the page: decoded they are what was given, enlarged by whole factors or made smaller."""

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from capas.trust.rendering.blocks import CaptionedImage
from capas.trust.rendering.heatmap_overlay import overlay_heatmap
from capas.trust.rendering.image_uri import MAX_SIDE, MIN_SIDE, data_uri, fit_for_page, image_uri

PREFIX = "data:image/png;base64,"


def decoded(uri: str) -> NDArray[np.uint8]:
    assert uri.startswith(PREFIX)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(PREFIX), validate=True))))


def picture(height: int, width: int, *channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, *channels), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width", "times"), [(8, 5, 14), (28, 28, 4), (111, 3, 2), (112, 7, 1), (320, 9, 1)])
def test_small_pictures_are_enlarged_pixel_by_pixel(height: int, width: int, times: int) -> None:
    given = picture(height, width, 3)
    shown = decoded(data_uri(given))
    assert MIN_SIDE <= max(shown.shape[:2]) <= MAX_SIDE
    assert np.array_equal(shown, given.repeat(times, 0).repeat(times, 1))


def test_large_ones_keep_their_proportions() -> None:
    assert fit_for_page(picture(960, 640)).size == (213, 320)
    assert fit_for_page(picture(100, 2000)).size == (320, 16)


def test_the_heat_is_laid_over_before_anything_is_enlarged() -> None:
    given, heat = picture(8, 8), np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    shown = decoded(image_uri(CaptionedImage(image=given, caption="c", heatmap=heat)))
    assert np.array_equal(shown, overlay_heatmap(given, heat).repeat(14, 0).repeat(14, 1))
    plain = image_uri(CaptionedImage(image=given, caption="c"))
    assert plain == data_uri(given) and decoded(plain).ndim == 2
