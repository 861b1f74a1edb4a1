"""Synthetic out-of-distribution images, made from the test images, so that every report has them.

Each probe maps images (B, C, H, W) in 0..1 and a generator to as many images of the same size:

- noise: every value uniform in 0..1;
- rotated: a quarter turn to the left, resized to (H, W) where the sides differ;
- inverted: 1 − x;
- tiles: cut into 4×4 tiles that are shuffled, the same content without its shape;
- blank: one constant grey per image.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

TILES: Final = 4

ImageProbe = Callable[[Tensor, torch.Generator], Tensor]


def noise(pictures: Float[Tensor, "B C H W"], rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Draw every value uniformly from 0..1."""
    return torch.rand(pictures.shape, generator=rng)


def rotated(pictures: Float[Tensor, "B C H W"], rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Rotate a quarter turn to the left; ``rng`` is not used."""
    turned = torch.rot90(pictures, 1, (2, 3))
    if turned.shape == pictures.shape:
        return turned
    return F.interpolate(turned, size=pictures.shape[2:], mode="bilinear", align_corners=False, antialias=True)


def inverted(pictures: Float[Tensor, "B C H W"], rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Return 1 − x; ``rng`` is not used."""
    return 1 - pictures


def tiles(pictures: Float[Tensor, "B C H W"], rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Shuffle 4×4 tiles, per image; what does not divide by four stays at the right and bottom edge."""
    n, c, height, width = pictures.shape
    h, w = height // TILES, width // TILES
    if min(h, w) < 1:
        raise ValueError(f"pictures are {height}×{width}; expected {TILES} pixels or more a side")
    cut = pictures[..., : h * TILES, : w * TILES].reshape(n, c, TILES, h, TILES, w)
    cut = cut.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    order = torch.rand(n, TILES * TILES, generator=rng).argsort(1)
    moved = cut[torch.arange(n)[:, None], order].reshape(n, TILES, TILES, c, h, w).permute(0, 3, 1, 4, 2, 5)
    shuffled = pictures.clone()
    shuffled[..., : h * TILES, : w * TILES] = moved.reshape(n, c, h * TILES, w * TILES)
    return shuffled


def blank(pictures: Float[Tensor, "B C H W"], rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Return one grey per image, uniform in 0..1."""
    return torch.rand(len(pictures), 1, 1, 1, generator=rng).expand(pictures.shape).clone()


def flat_colour(images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
    """Return each image as an even area of its median colour."""
    return images.flatten(2).median(2).values[:, :, None, None].expand_as(images).contiguous()


def fine_grain(images: Float[Tensor, "N C H W"], rng: torch.Generator) -> Float[Tensor, "N C H W"]:
    """Return what a median of 3×3 pixels takes away, around grey: the noise of a camera.

    The pixels are shuffled, all images alike: what is left of edges would show the content.
    """
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    windows = padded.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)
    grain = (0.5 + images - windows.median(4).values).clamp(0, 1)
    order = torch.randperm(images.shape[2] * images.shape[3], generator=rng)
    return grain.flatten(2)[:, :, order].view_as(images)


IMAGE_PROBES: Final[Mapping[str, ImageProbe]] = MappingProxyType(
    {"noise": noise, "rotated": rotated, "inverted": inverted, "tiles": tiles, "blank": blank}
)
