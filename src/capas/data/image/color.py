"""CIE L*a*b* (1976) of sRGB images, white point D65 (2° observer), and colour differences.

sRGB → linear (IEC 61966-2-1) → XYZ → f(t) = ∛t, or t / (3 δ²) + 4/29 below δ³ with δ = 6/29 →
L = 116 f(Y) − 16, a = 500 (f(X) − f(Y)), b = 200 (f(Y) − f(Z)); the constants are those of scikit-image.

ΔE2000: Luo, Cui & Rigg 2001, after Sharma, Wu & Dalal, "The CIEDE2000 Color-Difference Formula: Implementation Notes",
Color Research & Application 2005, equations 2 to 22, with k_L = k_C = k_H = 1. A ΔE of 1 is about what an eye notices.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

_XYZ_OF_RGB = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
# Exact to float64; a constant, so that a network that holds it can leave torch.
_RGB_OF_XYZ = torch.tensor(_XYZ_OF_RGB, dtype=torch.float64).inverse()
_WHITE = (0.95047, 1.0, 1.08883)
# The rounded thresholds are scikit-image's; exactly they are (6/29)³ and 6/29.
_CUBE_BREAK = 0.008856
_ROOT_BREAK = 0.2068966


def rgb_to_lab(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Convert sRGB in 0..1 to L in 0..100, a and b in about −110..110."""
    linear = torch.where(images > 0.04045, ((images + 0.055) / 1.055).clamp(min=0).pow(2.4), images / 12.92)
    xyz = _mixed(linear, images.new_tensor(_XYZ_OF_RGB)) / images.new_tensor(_WHITE)[:, None, None]
    # clamp: the cube root's slope at zero is infinite, and where() would pass it on as NaN.
    f = torch.where(xyz > _CUBE_BREAK, xyz.clamp(min=_CUBE_BREAK).pow(1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def lab_to_rgb(lab: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Convert L in 0..100, a and b to sRGB; colours outside the gamut are clipped to 0..1."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([a / 500 + y, y, (y - b / 200).clamp(min=0)], dim=1)
    xyz = torch.where(f > _ROOT_BREAK, f.pow(3), (f - 16 / 116) / 7.787) * lab.new_tensor(_WHITE)[:, None, None]
    linear = _mixed(xyz, _RGB_OF_XYZ.to(lab))
    root = 1.055 * linear.clamp(min=0.0031308).pow(1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, root, 12.92 * linear).clamp(0, 1)


def delta_e_76(lab: Float[Tensor, "B 3 H W"], other: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W"]:
    """Return the Euclidean colour difference ΔE*ab (1976), ≥ 0."""
    return (lab - other).square().sum(1).sqrt()


def delta_e_2000(lab: Float[Tensor, "B 3 H W"], other: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W"]:
    """Return the colour difference CIEDE2000, ≥ 0; symmetric."""
    (l1, a1, b1), (l2, a2, b2) = lab.unbind(1), other.unbind(1)
    mean_chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    g = 0.5 * (1 - _share_of_25(mean_chroma))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = (_angle_deg(a, b) for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0
    turn, mean_hue = _hues(h1, h2, grey)
    hue_step = 2 * (c1 * c2).sqrt() * _sin_deg(turn / 2)
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    s_l = 1 + 0.015 * (lightness - 50).square() / (20 + (lightness - 50).square()).sqrt()
    s_c = 1 + 0.045 * chroma
    s_h = 1 + 0.015 * chroma * _hue_weight(mean_hue)
    rotation = -2 * _share_of_25(chroma) * _sin_deg(60 * (-(((mean_hue - 275) / 25).square())).exp())
    dl, dc, dh = (l2 - l1) / s_l, (c2 - c1) / s_c, hue_step / s_h
    return (dl.square() + dc.square() + dh.square() + rotation * dc * dh).clamp(min=0).sqrt()


def _hues(h1: Tensor, h2: Tensor, grey: Tensor) -> tuple[Tensor, Tensor]:
    """The shorter way from one hue to the other, −180..180, and the hue half-way, 0..360 (equations 10 and 14)."""
    step = h2 - h1
    turn = torch.where(step > 180, step - 360, torch.where(step < -180, step + 360, step))
    total = h1 + h2
    across = torch.where(total < 360, total + 360, total - 360) / 2
    mean = torch.where(step.abs() <= 180, total / 2, across)
    return torch.where(grey, torch.zeros_like(turn), turn), torch.where(grey, total, mean)


def _hue_weight(hue: Tensor) -> Tensor:
    return (
        1
        - 0.17 * _cos_deg(hue - 30)
        + 0.24 * _cos_deg(2 * hue)
        + 0.32 * _cos_deg(3 * hue + 6)
        - 0.20 * _cos_deg(4 * hue - 63)
    )


def _share_of_25(chroma: Tensor) -> Tensor:
    power = chroma.pow(7)
    return (power / (power + 25.0**7)).sqrt()


def _angle_deg(a: Tensor, b: Tensor) -> Tensor:
    return torch.atan2(b, a).rad2deg() % 360


def _sin_deg(angle: Tensor) -> Tensor:
    return (angle * (math.pi / 180)).sin()


def _cos_deg(angle: Tensor) -> Tensor:
    return (angle * (math.pi / 180)).cos()


def _mixed(images: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("oc,bchw->bohw", matrix, images)
