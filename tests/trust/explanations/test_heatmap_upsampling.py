"""A map laid over the original: where the fitting took it from, and nowhere else."""

from itertools import product

import numpy as np
import pytest

from capas.data.image.preprocess import FitMode, ImagePreprocessing
from capas.trust.explanations.heatmap_upsampling import MAX_SIDE, upsample_heatmap


def spot(height: int, width: int, row: int, column: int, side: int = 8) -> np.ndarray:
    picture = np.zeros((height, width, 1), np.uint8)
    picture[row : row + side, column : column + side] = 255
    return picture


@pytest.mark.parametrize(("fit", "size"), list(product(("crop", "squash", "pad"), ((60, 60), (50, 113), (97, 40)))))
def test_what_the_network_saw_lies_where_it_was(fit: FitMode, size: tuple[int, int]) -> None:
    preparation = ImagePreprocessing(height=32, width=32, channels=1, fit=fit)
    height, width = size
    picture = spot(height, width, height // 2 - 2, width // 2 + 3)
    seen = preparation.fit_image(picture)[..., 0].astype(np.float32) / 255
    shown, laid = upsample_heatmap(picture, seen, preparation)
    assert shown.shape == size == laid.shape and (shown == picture[..., 0]).all()
    rows, columns = np.mgrid[:height, :width]
    middles = [[float((axis * grey).sum() / grey.sum()) for axis in (rows, columns)] for grey in (laid, shown / 255)]
    # A pixel of the network is up to four of the original here.
    assert np.abs(np.subtract(*middles)).max() < 0.35


def test_what_was_cut_off_gets_no_heat_and_padding_none_of_the_picture() -> None:
    heat = np.ones((10, 10), np.float32)
    _, laid = upsample_heatmap(
        spot(20, 40, 0, 0), heat, ImagePreprocessing(height=10, width=10, channels=1, fit="crop")
    )
    assert laid[:, 10:30].min() == 1 and laid[:, :10].max() == laid[:, 30:].max() == 0
    heat[3:7] = 0  # all that is left of a wide picture in its padding
    _, laid = upsample_heatmap(spot(20, 50, 0, 0), heat, ImagePreprocessing(height=10, width=10, channels=1, fit="pad"))
    assert laid[2:-2].max() == 0


def test_large_pictures_are_made_smaller_first() -> None:
    picture = spot(10, 2 * MAX_SIDE, 0, 2 * MAX_SIDE - 100, side=100)
    heat = np.zeros((8, 8), np.float32)
    heat[:, -1] = 1
    shown, laid = upsample_heatmap(picture, heat, ImagePreprocessing(height=8, width=8, channels=1, fit="squash"))
    assert shown.shape == laid.shape == (5, MAX_SIDE)
    assert laid[:, -10:].min() == 1 and laid[:, : MAX_SIDE // 2].max() == 0
