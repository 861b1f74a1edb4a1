"""PSNR and SSIM are scikit-image's."""

import math

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from capas.metrics.image_quality import psnr, ssim
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "measures" / "ssim.safetensors")


def picture(name: str) -> Tensor:
    return RECORDED[name].permute(2, 0, 1)[None]


@pytest.mark.parametrize("peak", [1.0, 255.0])
def test_they_are_scikit_images(peak: float) -> None:
    pictures, wanted = picture("pictures") * peak, picture("wanted") * peak
    assert float(ssim(pictures, wanted, peak=peak)) == pytest.approx(float(RECORDED["ssim"]), abs=1e-9)
    assert float(psnr(pictures, wanted, peak=peak)) == pytest.approx(float(RECORDED["psnr"]), abs=1e-9)


def test_single_precision_does_not_suffer_in_flat_regions() -> None:
    found = ssim(picture("pictures").float(), picture("wanted").float())
    assert float(found) == pytest.approx(float(RECORDED["ssim"]), abs=1e-5)


def test_each_picture_has_its_own_figure() -> None:
    pictures, wanted = torch.rand(3, 2, 15, 12), torch.rand(3, 2, 15, 12)
    wanted[1] = pictures[1]
    for figure in (psnr, ssim):
        together = figure(pictures, wanted)
        singly = torch.cat([figure(a[None], b[None]) for a, b in zip(pictures, wanted, strict=True)])
        torch.testing.assert_close(together, singly)
    assert float(ssim(pictures, wanted)[1]) == pytest.approx(1.0)
    assert math.isinf(float(psnr(pictures, wanted)[1]))


def test_what_can_be_said_by_hand() -> None:
    black = torch.zeros(1, 1, 11, 11)
    assert float(psnr(black + 0.1, black)) == pytest.approx(20)
    # Flat pictures: only the luminance term is left.
    assert float(ssim(black + 0.5, black + 0.25)) == pytest.approx((0.25 + 1e-4) / (0.25 + 0.0625 + 1e-4), abs=1e-5)


def test_small_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="11"):
        ssim(torch.zeros(1, 1, 10, 20), torch.zeros(1, 1, 10, 20))
