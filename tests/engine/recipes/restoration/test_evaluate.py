"""Figures of restored pictures: PSNR by its definition, and the gain over doing nothing."""

import math

import pytest
import torch
from torch import Tensor, nn

from capas.data.image.degradations import ImagePair
from capas.engine.recipes.restoration.evaluate import evaluate_restoration, measure_quality
from capas.engine.recipes.restoration.restorer import Restorer
from tests.engine.recipes.made_work import FLOAT32

DENOISER = Restorer(kind="denoise", channels=3, scale=1, width=4)


class Darker(nn.Module):
    """0.2 less in every pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return x - 0.2


def even(value: float, side: int = 12, channels: int = 3) -> Tensor:
    return torch.full((channels, side, side), value)


def test_equal_pictures_have_a_hundred_decibels() -> None:
    picture = torch.rand(3, 12, 12)
    found = measure_quality(picture, picture)
    assert (found.psnr, found.ssim, found.delta_e) == (100.0, pytest.approx(1.0), pytest.approx(0.0, abs=1e-4))


def test_a_distance_of_one_level_has_48_decibels() -> None:
    found = measure_quality(even(101 / 255), even(100 / 255))
    assert found.psnr == pytest.approx(20 * math.log10(255), abs=1e-3)


def test_values_are_rounded_and_kept_within_a_picture() -> None:
    # 0.4 of a level is nothing once it is stored; 1.5 is stored as 1.
    assert measure_quality(even(100.4 / 255), even(100 / 255)).psnr == 100.0
    assert measure_quality(even(1.5), even(1.0)).psnr == 100.0


def test_the_difference_of_two_greys_in_colour() -> None:
    # ΔE2000 of two greys is ΔL' / S_L: L* = 50 and 51 with S_L = 1 + 0.015 · 0.25 / sqrt(20.25).
    lightness = torch.tensor([50.0, 51.0])
    linear = ((lightness + 16) / 116) ** 3
    levels = 1.055 * linear ** (1 / 2.4) - 0.055
    found = measure_quality(even(float(levels[0])), even(float(levels[1])))
    assert found.delta_e == pytest.approx(1.0, abs=0.25)  # the two rounded to 256 levels, 0.4 apart in L*


@pytest.mark.parametrize(("side", "channels"), [(10, 3), (11, 1)])
def test_small_pictures_have_no_ssim_and_grey_ones_no_colours(side: int, channels: int) -> None:
    found = measure_quality(even(0.5, side, channels), even(0.5, side, channels))
    assert (found.ssim is None) == (side < 11) and (found.delta_e is None) == (channels == 1)


def test_the_gain_is_over_leaving_it_as_it_is() -> None:
    target = torch.randint(0, 200, (3, 12, 12)) / 255
    pairs = [("a", ImagePair(source=target + 0.2, target=target)), ("b", ImagePair(source=target, target=target))]
    found = evaluate_restoration(pairs, DENOISER, Darker(), FLOAT32)
    assert found.n == 2 and list(found.metrics) == ["psnr", "ssim", "psnr_gain"]
    assert set(found.baseline) == {"unchanged"}
    unit = 20 * math.log10(5)  # 51 levels of 255
    rows = {row[0]: row for row in found.rows}
    assert found.rows[0] == ["example", "psnr", "ssim", "delta_e", "psnr unchanged"]
    assert float(rows["a"][1]) == 100.0 and float(rows["a"][4]) == pytest.approx(unit, abs=1e-3)
    assert float(rows["b"][4]) == 100.0
    psnr, gain = found.metrics["psnr"], found.metrics["psnr_gain"]
    assert isinstance(psnr, dict) and isinstance(gain, dict)
    assert gain["unit"] == psnr["unit"] == "dB" and gain["n"] == 2
    worse = float(rows["b"][1]) - 100.0  # what was clean before
    assert gain["value"] == pytest.approx((100 - unit + worse) / 2, abs=1e-3)


def test_a_column_without_a_value_is_left_out() -> None:
    found = evaluate_restoration([("a", ImagePair(source=even(0.5, 4), target=even(0.3, 4)))], DENOISER, Darker(),
                                 FLOAT32)  # fmt: skip
    assert list(found.metrics) == ["psnr", "psnr_gain"] and found.rows[1][2] == ""


def test_colours_are_judged_first_by_their_difference() -> None:
    class Grey(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.new_zeros(len(x), 2, *x.shape[2:])

    restorer = Restorer(kind="colourise", channels=3, scale=1, width=4)
    pair = ImagePair(source=torch.full((1, 12, 12), 50.0), target=torch.full((2, 12, 12), 20.0))
    found = evaluate_restoration([("a", pair)], restorer, Grey(), FLOAT32)
    assert list(found.metrics) == ["delta_e", "psnr", "ssim", "psnr_gain", "delta_e_gain"]
    for name in ("psnr_gain", "delta_e_gain"):  # to answer grey is the baseline
        figure = found.metrics[name]
        assert isinstance(figure, dict) and figure["value"] == 0.0
