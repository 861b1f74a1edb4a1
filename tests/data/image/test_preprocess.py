"""Fitting to a size, normalising, and the round trip through JSON."""

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.data.image.io import ImageArray
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.store import ImageStore


def stripes(height: int, width: int) -> np.ndarray:
    """Left quarter 0, middle 128, right quarter 255; H×W×1."""
    row = np.full(width, 128, dtype=np.uint8)
    row[: width // 4], row[-(width // 4) :] = 0, 255
    return np.tile(row[None, :, None], (height, 1, 1))


def test_crop_keeps_the_middle() -> None:
    fitted = ImagePreprocessing(height=8, width=8, channels=1).fit_image(stripes(40, 80))
    assert fitted.shape == (8, 8, 1)
    assert (fitted[:, 1:-1] == 128).all()
    assert np.abs(fitted.astype(int) - 128).max() < 20  # the outermost columns see a little beyond the cut


def test_squash_keeps_everything() -> None:
    fitted = ImagePreprocessing(height=8, width=8, channels=1, fit="squash").fit_image(stripes(40, 80))
    assert fitted[4, 0, 0] < 20 and fitted[4, 4, 0] == 128 and fitted[4, 7, 0] > 235


def test_pad_keeps_the_proportions_and_fills_with_the_border() -> None:
    picture = np.full((10, 40, 3), (10, 200, 30), dtype=np.uint8)
    picture[4:6, 10:30] = 255
    fitted = ImagePreprocessing(height=20, width=20, channels=3, fit="pad").fit_image(picture)
    assert fitted.shape == (20, 20, 3)
    assert (fitted[:7] == (10, 200, 30)).all() and (fitted[13:] == (10, 200, 30)).all()
    assert (fitted[9, 8:12] > 150).all()


def test_shrinking_averages_instead_of_skipping() -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    fitted = ImagePreprocessing(height=8, width=8, channels=1).fit_image(checks.astype(np.uint8)[..., None])
    assert np.abs(fitted.astype(int) - 127).max() < 8


def test_grey_and_colour_become_each_other() -> None:
    red = np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8)
    assert (ImagePreprocessing(height=4, width=4, channels=1).fit_image(red) == 76).all()  # 0.299 × 255
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    assert np.array_equal(ImagePreprocessing(height=4, width=4, channels=3).fit_image(grey), grey.repeat(3, axis=2))


@pytest.mark.parametrize("shape", [(1, 3000, 1), (3000, 1, 3)])
@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_a_thread_of_a_picture_fits(shape: tuple[int, int, int], fit: str) -> None:
    preparation = ImagePreprocessing(height=9, width=7, channels=3, fit=fit)  # type: ignore[arg-type]
    fitted = preparation.fit_image(np.full(shape, 50, dtype=np.uint8))
    assert fitted.shape == (9, 7, 3) and (fitted == 50).all()


def test_normalise_follows_the_formula_and_leaves_its_input() -> None:
    preparation = ImagePreprocessing(height=2, width=2, channels=3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    images = torch.randint(0, 256, (5, 3, 2, 2), dtype=torch.uint8)
    mean, std = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1), torch.tensor([0.5, 0.6, 0.7]).view(3, 1, 1)
    normalised = preparation.normalise(images)
    torch.testing.assert_close(normalised, (images / 255 - mean) / std)
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    floats = images.float().contiguous(memory_format=torch.channels_last)
    preparation.normalise(floats)
    assert torch.equal(floats, images.float())


def test_measured_pixels_have_mean_0_and_std_1() -> None:
    arrays = np.random.default_rng(0).integers(0, 200, (50, 6, 6, 3), dtype=np.uint8)
    arrays[..., 2] //= 2
    preparation = ImagePreprocessing(height=6, width=6, channels=3)
    store = ImageStore.build(ImageArray(arrays, "x"), range(50), preparation)
    measured = preparation.fit_normalisation(store)
    normalised = measured.normalise(store.take(torch.arange(50)))
    torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(normalised.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    part = preparation.fit_normalisation(store, torch.arange(10))
    assert part.mean == pytest.approx((arrays[:10] / 255).mean((0, 1, 2)), abs=1e-6)
    assert part != measured


def test_constant_pictures_stay_finite() -> None:
    preparation = ImagePreprocessing(height=2, width=2, channels=1)
    store = ImageStore(np.full((3, 1, 2, 2), 7, dtype=np.uint8), {})
    assert torch.isfinite(preparation.fit_normalisation(store).normalise(store.take(torch.arange(3)))).all()


def test_json_gives_the_same_preparation_back() -> None:
    preparation = ImagePreprocessing(height=3, width=4, channels=3, mean=(0.1, 0.2, 0.3), std=(1, 2, 3), fit="pad")
    assert ImagePreprocessing.from_json(preparation.as_json()) == preparation


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(CapasError) as caught:
        ImagePreprocessing.from_json({"heigth": 3}, where="card.json")
    assert (caught.value.key, caught.value.values["nearest"]) == ("preparation_unknown_key", "height")
    assert caught.value.where == "card.json"


@pytest.mark.parametrize(
    "change",
    [
        {"height": 0}, {"height": "28"}, {"width": 9000}, {"channels": 2}, {"channels": True},
        {"mean": [0.5, 0.5]}, {"mean": [2.0]}, {"mean": [float("nan")]}, {"std": [0.0]}, {"std": "x"},
        {"fit": "stretch"}, {"fit": None},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(change: dict[str, object]) -> None:
    good = ImagePreprocessing(height=28, width=28, channels=1, mean=(0.5,), std=(0.5,)).as_json()
    with pytest.raises(CapasError) as caught:
        ImagePreprocessing.from_json({**good, **change})
    assert caught.value.key == "preparation_invalid"
