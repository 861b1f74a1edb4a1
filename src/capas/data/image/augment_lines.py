"""Batched augmentation of handwritten line images: variation of hands, pens and scans.

- slant, size, position and length: an affine map of each line, drawn per line (Wigington et al., "Data Augmentation for
  Recognition of Handwritten Words and Lines Using a CNN-LSTM Network", ICDAR 2017, find such maps to help most);
- an elastic warp of low resolution (Simard, Steinkraus & Platt, "Best Practices for Convolutional Neural Networks
  Applied to Visual Document Analysis", ICDAR 2003, with a coarse grid that is upsampled instead of a smoothed field);
- the stroke: thinner, thicker or blurred (3×3 minimum, maximum, mean);
- the ink: stronger or fainter, faded in spots, and noise.

Legend: B lines, H height, W width in pixels; ink is high, background zero.
"""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

WARP_KNOT_WIDTH: Final = 24  # pixels between the knots of the elastic warp
WARP_KNOT_ROWS: Final = 4  # knots from top to bottom
FADE_PATCH_WIDTH: Final = 40  # pixels across a spot where ink may fade


@dataclass(frozen=True, kw_only=True, slots=True)
class LineAugmentation:
    """Strengths of the line augmentations; 0 switches one off.

    Attributes:
        shift: Largest vertical shift, as a share of the height.
        slant: Standard deviation of the shear (tangent).
        size: Largest relative change of height and length.
        warp: Standard deviation of the elastic displacement in pixels.
        stroke: Share of lines whose stroke width changes.
        ink: Largest relative change of ink strength.
        fade: Share of lines with faded spots.
        noise: Largest standard deviation of added noise.
    """

    shift: float = 0.12
    slant: float = 0.15
    size: float = 0.15
    warp: float = 1.0
    stroke: float = 0.6
    ink: float = 0.3
    fade: float = 0.3
    noise: float = 0.1


def augment_lines(
    lines_B1HW: Float[Tensor, "B 1 H W"],
    widths_B: Int[Tensor, " B"],
    augmentation: LineAugmentation,
    rng: torch.Generator,
) -> tuple[Float[Tensor, "B 1 H V"], Int[Tensor, " B"]]:
    """Return augmented lines and their new widths; what lies behind a line's end stays zero."""
    moved, widths = _moved(lines_B1HW, widths_B, augmentation, rng)
    inked = _inked(_stroked(moved, augmentation, rng), augmentation, rng)
    ends = torch.arange(moved.shape[3]) < widths[:, None]
    return inked.clamp(0, 1) * ends[:, None, None], widths


def _between(low: float, high: float, count: int, rng: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=rng)


def _moved(lines: Tensor, widths: Tensor, by: LineAugmentation, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each line through its own affine map and warp, sampled bilinearly."""
    count, _, height, width = lines.shape
    new = (widths * _between(1 - by.size, 1 + by.size, count, rng)).round().long().clamp(min=1)
    longest = int(new.max())
    x = (torch.arange(longest) + 0.5) * (widths / new)[:, None]  # B×V: where a column comes from, in pixels
    middle = (torch.arange(height) + 0.5) * 2 / height - 1  # of each row, from -1 at the top to 1
    y = middle * _between(1 - by.size, 1 + by.size, count, rng)[:, None]
    y = y + 2 * _between(-by.shift, by.shift, count, rng)[:, None]
    slant = by.slant * torch.randn(count, generator=rng) * height / 2
    warp = _warp(count, height, longest, by, rng)
    columns = x[:, None] + slant[:, None, None] * middle[:, None] + warp[:, 0]
    rows = y[:, :, None] + warp[:, 1] * 2 / height
    grid = torch.stack([columns * 2 / width - 1, rows.expand_as(columns)], 3)
    return functional.grid_sample(lines, grid, align_corners=False), new


def _warp(count: int, height: int, width: int, by: LineAugmentation, rng: torch.Generator) -> Tensor:
    """Shifts in pixels, B×2×H×W; how strong they are differs from line to line."""
    knots = torch.randn(count, 2, WARP_KNOT_ROWS, max(2, width // WARP_KNOT_WIDTH), generator=rng)
    strength = by.warp * torch.rand(count, 1, 1, 1, generator=rng)
    return functional.interpolate(knots * strength, size=(height, width), mode="bilinear", align_corners=True)


def _stroked(lines: Tensor, by: LineAugmentation, rng: torch.Generator) -> Tensor:
    """A share of the lines thicker, thinner or blurred, a third of it each."""
    draw = torch.rand(len(lines), generator=rng) / max(by.stroke, 1e-9) * 3
    varied = lines.clone()
    for number, change in enumerate((_thicker, _thinner, _blurred)):
        chosen = (draw >= number) & (draw < number + 1)
        if chosen.any():
            varied[chosen] = change(lines[chosen])
    return varied


def _thicker(lines: Tensor) -> Tensor:
    return functional.max_pool2d(functional.pad(lines, (1, 0, 1, 0)), 2, 1)


def _thinner(lines: Tensor) -> Tensor:
    return -_thicker(-lines)


def _blurred(lines: Tensor) -> Tensor:
    return functional.avg_pool2d(functional.pad(lines, (1, 1, 1, 1)), 3, 1)


def _inked(lines: Tensor, by: LineAugmentation, rng: torch.Generator) -> Tensor:
    count, _, height, width = lines.shape
    spots = torch.rand(count, 1, 3, max(2, width // FADE_PATCH_WIDTH), generator=rng)
    faded = functional.interpolate(spots, size=(height, width), mode="bilinear", align_corners=True) > 0.75
    where = torch.rand(count, 1, 1, 1, generator=rng) < by.fade
    strength = _between(1 - by.ink, 1 + by.ink / 3, count, rng)[:, None, None, None]
    noise = by.noise * torch.rand(count, 1, 1, 1, generator=rng) ** 2
    return lines * strength * (1 - 0.7 * (faded & where)) + noise * torch.randn(lines.shape, generator=rng)
