"""Masks of adversarial patches, and random placements of a patch on images (expectation over transformations).

Masks: a square; the frame of a pair of glasses (Sharif et al., "Accessorize to a Crime", CCS 2016: about 6.5 % of an
image that a face fills); two bars, above and below the middle (Eykholt et al., "Robust Physical-World Attacks on Deep
Learning Visual Classification", CVPR 2018). The variations are those of expectation over transformations (Athalye et
al., "Synthesizing Robust Adversarial Examples", ICML 2018), within the limits of a sticker in front of a camera.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

Position = Literal["centre", "corner"]


def square_mask(height: int, width: int, side: int, position: Position) -> Bool[Tensor, "H W"]:
    """Return a square of ``side`` pixels at the centre or in the upper left corner.

    Raises:
        ValueError: It does not fit.
    """
    if not 1 <= side <= min(height, width):
        raise ValueError(f"a sticker of {side} pixels on pictures of {height}×{width}")
    top, left = ((height - side) // 2, (width - side) // 2) if position == "centre" else (0, 0)
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top : top + side, left : left + side] = True
    return mask


def glasses_mask(height: int, width: int) -> Bool[Tensor, "H W"]:
    """Return the frame of a pair of glasses on a face that fills the image: two rims, a bridge and the temples."""
    rows, columns = _unit(height, width)
    outer = (rows - 0.4).abs() < 0.11
    inner = (rows - 0.4).abs() < 0.085
    frame = torch.zeros(height, width, dtype=torch.bool)
    for centre in (0.3, 0.7):
        across = (columns - centre).abs()
        frame |= outer & (across < 0.17) & ~(inner & (across < 0.145))
    bars = ((rows - 0.37).abs() < 0.025) & (((columns - 0.5).abs() < 0.04) | ((columns - 0.5).abs() > 0.36))
    return frame | bars


def sign_mask(height: int, width: int) -> Bool[Tensor, "H W"]:
    """Return two bars, above and below the middle, as on a road sign that fills the image: about a tenth of it."""
    rows, columns = _unit(height, width)
    return (((rows - 0.5).abs() - 0.23).abs() < 0.05) & ((columns - 0.5).abs() < 0.25)


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchAugmentation:
    """Ranges of the random transformations of a patch, each drawn uniformly within ± the value, per image.

    Attributes:
        rotation_deg: Rotation in degrees.
        scale: Relative change of size.
        shift: Translation as a share of the image's side.
        brightness: Relative change of brightness.
        contrast: Relative change of contrast.
        blur_pixels: Largest standard deviation of the blur; drawn from 0 on, once for all images of a draw.
    """

    rotation_deg: float = 10.0
    scale: float = 0.1
    shift: float = 0.03
    brightness: float = 0.1
    contrast: float = 0.1
    blur_pixels: float = 0.5


NO_AUGMENTATION = PatchAugmentation(rotation_deg=0, scale=0, shift=0, brightness=0, contrast=0, blur_pixels=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """One random placement of a patch on B images.

    Attributes:
        grid: Sampling grid into the patch, shape (B, H, W, 2).
        brightness: Factors, shape (B,).
        contrast: Factors, shape (B,).
        blur_pixels: Standard deviation of the blur.
    """

    grid: Tensor
    brightness: Tensor
    contrast: Tensor
    blur_pixels: float


def sample_placement(
    n: int, mask: Bool[Tensor, "H W"], augmentation: PatchAugmentation, generator: torch.Generator
) -> Placement:
    """Draw a placement of the patch in ``mask`` on ``n`` images, rotated and scaled around the patch's own centre."""

    def within(limit: float) -> Tensor:
        drawn = torch.rand(n, generator=generator, device=generator.device).to(mask.device)
        return limit * (2 * drawn - 1)

    height, width = mask.shape
    size = torch.tensor([width, height], dtype=torch.float32, device=mask.device)
    middle = mask.nonzero().float().mean(0).flip(0)
    angle, scale = torch.deg2rad(within(augmentation.rotation_deg)), 1 + within(augmentation.scale)
    shift = torch.stack([within(augmentation.shift), within(augmentation.shift)], dim=1) * size
    rows, columns = torch.meshgrid(
        torch.arange(height, device=mask.device), torch.arange(width, device=mask.device), indexing="ij"
    )
    away = torch.stack([columns, rows], dim=2).float() - middle - shift[:, None, None]
    turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], dim=1).reshape(n, 2, 2)
    source = torch.einsum("nij,nhwj->nhwi", turn / scale[:, None, None], away) + middle
    return Placement(
        # As grid_sample counts without aligned corners: pixel centres at half steps of −1..1.
        grid=(2 * source + 1) / size - 1,
        brightness=within(augmentation.brightness),
        contrast=1 + within(augmentation.contrast),
        blur_pixels=float(within(augmentation.blur_pixels)[0].abs()),
    )


def apply_patch(
    x: Float[Tensor, "B C H W"], patch: Float[Tensor, "C H W"], mask: Bool[Tensor, "H W"], placement: Placement
) -> Float[Tensor, "B C H W"]:
    """Return ``x`` in 0..1 with the part of ``patch`` within ``mask`` pasted on it; differentiable in ``patch``."""
    layer = torch.cat([patch * mask, mask[None].to(patch)])
    moved = functional.grid_sample(layer.expand(len(x), -1, -1, -1), placement.grid, align_corners=False)
    moved = _blurred(moved, placement.blur_pixels)
    colour, cover = moved[:, :-1], moved[:, -1:].clamp(0, 1)
    # Premultiplied by the cover: the middle grey, around which contrast turns, and the light are so as well.
    lit = (colour - 0.5 * cover) * placement.contrast[:, None, None, None]
    lit = lit + (0.5 + placement.brightness[:, None, None, None]) * cover
    return (x * (1 - cover) + torch.minimum(lit.clamp(min=0), cover)).clamp(0, 1)


def _unit(height: int, width: int) -> tuple[Tensor, Tensor]:
    """The middles of rows (H, 1) and columns (1, W) as shares of the sides."""
    return ((torch.arange(height) + 0.5) / height)[:, None], ((torch.arange(width) + 0.5) / width)[None]


def _blurred(images: Tensor, deviation: float) -> Tensor:
    """A 3×3 Gaussian: enough for the deviations below one pixel that a sharp photograph has."""
    if deviation < 0.1:
        return images
    weights = torch.tensor([-0.5 / deviation**2, 0.0, -0.5 / deviation**2]).exp().to(images)
    weights = weights / weights.sum()
    kernel = torch.outer(weights, weights).expand(images.shape[1], 1, 3, 3)
    return functional.conv2d(images, kernel, padding=1, groups=images.shape[1])
