"""Lab is scikit-image's, and the difference of colours is Sharma's."""

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from capas.data.image.color import delta_e_76, delta_e_2000, lab_to_rgb, rgb_to_lab
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "measures" / "lab.safetensors")

# Sharma, Wu & Dalal 2005, Table 1: L, a, b; L, a, b; ΔE2000.
PAIRS = (
    (50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425), (50, 3.1571, -77.2803, 50, 0, -82.7485, 2.8615),
    (50, 2.8361, -74.0200, 50, 0, -82.7485, 3.4412), (50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0000),
    (50, -1.1848, -84.8006, 50, 0, -82.7485, 1.0000), (50, -0.9009, -85.5211, 50, 0, -82.7485, 1.0000),
    (50, 0, 0, 50, -1, 2, 2.3669), (50, -1, 2, 50, 0, 0, 2.3669),
    (50, 2.4900, -0.0010, 50, -2.4900, 0.0009, 7.1792), (50, 2.4900, -0.0010, 50, -2.4900, 0.0010, 7.1792),
    (50, 2.4900, -0.0010, 50, -2.4900, 0.0011, 7.2195), (50, 2.4900, -0.0010, 50, -2.4900, 0.0012, 7.2195),
    (50, -0.0010, 2.4900, 50, 0.0009, -2.4900, 4.8045), (50, -0.0010, 2.4900, 50, 0.0010, -2.4900, 4.8045),
    (50, -0.0010, 2.4900, 50, 0.0011, -2.4900, 4.7461), (50, 2.5, 0, 50, 0, -2.5, 4.3065),
    (50, 2.5, 0, 73, 25, -18, 27.1492), (50, 2.5, 0, 61, -5, 29, 22.8977), (50, 2.5, 0, 56, -27, -3, 31.9030),
    (50, 2.5, 0, 58, 24, 15, 19.4535), (50, 2.5, 0, 50, 3.1736, 0.5854, 1.0000),
    (50, 2.5, 0, 50, 3.2972, 0, 1.0000), (50, 2.5, 0, 50, 1.8634, 0.5757, 1.0000),
    (50, 2.5, 0, 50, 3.2592, 0.3350, 1.0000), (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
    (36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
)  # fmt: skip


def picture(name: str) -> Tensor:
    return RECORDED[name].permute(2, 0, 1)[None]


def test_lab_is_scikit_images() -> None:
    torch.testing.assert_close(rgb_to_lab(picture("rgb")), picture("lab"), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(lab_to_rgb(picture("lab")), picture("back"), rtol=1e-6, atol=1e-6)
    other = rgb_to_lab(picture("rgb").flip(2))
    torch.testing.assert_close(delta_e_2000(picture("lab"), other)[0], RECORDED["delta_e_2000"])


def test_there_and_back_in_single_precision() -> None:
    images = torch.rand(2, 3, 20, 20)
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(images)), images, rtol=0, atol=1e-3)


def test_greys_have_no_colour_and_white_is_100() -> None:
    lab = rgb_to_lab(torch.linspace(0, 1, 9).expand(1, 3, 1, 9))
    assert lab[:, 1:].abs().max() < 0.01
    assert lab[0, 0, 0, [0, -1]].tolist() == pytest.approx([0, 100], abs=1e-4)


def test_colour_differences_are_sharmas_both_ways() -> None:
    table = torch.tensor(PAIRS, dtype=torch.float64)
    assert table.shape == (34, 7)
    first, second = (part.T[None, :, None] for part in (table[:, :3], table[:, 3:6]))
    expected = table[:, 6][None, None]
    torch.testing.assert_close(delta_e_2000(first, second), expected, rtol=0, atol=6e-5)
    torch.testing.assert_close(delta_e_2000(second, first), expected, rtol=0, atol=6e-5)
    assert delta_e_76(first, second)[0, 0, 6] == pytest.approx(5**0.5)


def test_gradients_are_finite_at_black_and_white() -> None:
    images = torch.tensor([0.0, 1.0, 0.04045, 0.5]).expand(1, 3, 1, 4).clone().requires_grad_()
    lab = rgb_to_lab(images)
    lab_to_rgb(lab).sum().backward()
    assert images.grad is not None and images.grad.isfinite().all()


def test_colours_beyond_the_screen_are_clipped() -> None:
    lab = torch.tensor([50.0, 200.0, -200.0]).reshape(1, 3, 1, 1)
    assert lab_to_rgb(lab).flatten().tolist() == pytest.approx(lab_to_rgb(lab).clamp(0, 1).flatten().tolist())
