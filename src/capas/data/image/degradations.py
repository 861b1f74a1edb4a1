"""Degradations: (source, target) image pairs made from one image (grey, downsampled, noisy, with holes).

Images are uint8 (H, W, C); pairs are float32 (C, H, W). ``DEGRADATIONS`` names the kinds; each draws from the generator
it is given, where it needs any randomness.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from capas.data.image.color import lab_to_rgb, rgb_to_lab

DegradationKind = Literal["pairs", "colourise", "super-resolve", "denoise", "inpaint"]
DEGRADATIONS: Final[tuple[DegradationKind, ...]] = ("colourise", "super-resolve", "denoise", "inpaint")
# Holes are squares of these sides in pixels, and together cover about this share of the picture.
HOLE_SIDES: Final = (4, 13)
HOLE_SHARE: Final = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePair:
    """Source and target, float32 (C, H, W) in 0..1.

    For "colourise" they hold L in 0..100 and a, b; for "inpaint" the source has a further channel that is 1 in the
    holes.
    """

    source: Tensor
    target: Tensor


def to_float_tensor(picture: NDArray[np.uint8]) -> Float[Tensor, "C H W"]:
    """Convert uint8 (H, W, C) to float32 (C, H, W) in 0..1."""
    return torch.from_numpy(picture.astype(np.float32).transpose(2, 0, 1) / 255)


def to_uint8_image(picture: Float[Tensor, "C H W"]) -> NDArray[np.uint8]:
    """Convert (C, H, W) in 0..1, clipped and rounded, to uint8 (H, W, C)."""
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def make_degraded_pair(
    kind: DegradationKind,
    picture: NDArray[np.uint8],
    *,
    factor: int,
    noise: float,
    rng: torch.Generator,
    training: bool,
) -> ImagePair:
    """Return the source and target of an image.

    Args:
        kind: The degradation.
        picture: The image, uint8 (H, W, C); sides that are no multiple of ``factor`` lose a few pixels.
        factor: Downsampling factor.
        noise: Standard deviation of the noise, 0..255; in training the largest one.
        rng: Source of randomness.
        training: Whether the noise level is drawn from 0 to ``noise``.
    """
    if kind == "colourise":
        lab = rgb_to_lab(to_float_tensor(picture)[None])[0]
        return ImagePair(source=lab[:1], target=lab[1:])
    if kind == "super-resolve":
        return _shrunk(picture, factor)
    whole = to_float_tensor(picture)
    if kind == "denoise":
        deviation = noise * float(torch.rand((), generator=rng)) if training else noise
        spoiled = whole + torch.randn(whole.shape, generator=rng) * (deviation / 255)
        return ImagePair(source=spoiled if training else (spoiled.clamp(0, 1) * 255).round() / 255, target=whole)
    if kind == "inpaint":
        return ImagePair(source=mask_out(whole, inpainting_mask(whole.shape[1], whole.shape[2], rng)), target=whole)
    raise ValueError(f"kind is {kind}; expected one of {', '.join(DEGRADATIONS)}")


def _shrunk(picture: NDArray[np.uint8], factor: int) -> ImagePair:
    """By Pillow's bicubic, widened as it should be when shrinking."""
    height, width = (max(1, side // factor) for side in picture.shape[:2])
    wanted = picture[: height * factor, : width * factor]
    if wanted.shape[:2] != (height * factor, width * factor):  # a side shorter than the factor
        wanted = np.pad(wanted, ((0, height * factor - wanted.shape[0]), (0, width * factor - wanted.shape[1]), (0, 0)),
                        mode="edge")  # fmt: skip
    image = Image.fromarray(wanted[..., 0] if wanted.shape[2] == 1 else wanted)
    small = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return ImagePair(
        source=to_float_tensor(small[..., None] if small.ndim == 2 else small), target=to_float_tensor(wanted)
    )


def inpainting_mask(height: int, width: int, rng: torch.Generator) -> Float[Tensor, "1 H W"]:
    """Return a mask that is 1 in square holes at random positions, at least one; never everywhere."""
    mask = torch.zeros(1, height, width)
    low, high = HOLE_SIDES
    count = max(1, math.ceil(HOLE_SHARE * height * width / ((low + high) / 2) ** 2))
    for side in torch.randint(low, high, (count,), generator=rng).tolist():
        top = int(torch.randint(max(1, height - side + 1), (1,), generator=rng))
        left = int(torch.randint(max(1, width - side + 1), (1,), generator=rng))
        mask[:, top : top + side, left : left + side] = 1
    if bool(mask.all()):
        mask[:, 0, 0] = 0
    return mask


def mask_out(picture: Float[Tensor, "C H W"], mask: Float[Tensor, "1 H W"]) -> Float[Tensor, "D H W"]:
    """Return the image with the mean colour of the rest in its holes, and the mask as a further channel."""
    known = 1 - mask
    mean = (picture * known).sum(dim=(1, 2), keepdim=True) / known.sum().clamp(min=1)
    return torch.cat([picture * known + mean * mask, mask])


def lab_channels_to_rgb(lightness: Float[Tensor, "1 H W"], colours: Float[Tensor, "2 H W"]) -> Float[Tensor, "3 H W"]:
    """Convert L, a and b to sRGB in 0..1."""
    return lab_to_rgb(torch.cat([lightness, colours])[None])[0]


def mirrored_patch(picture: NDArray[np.uint8], top: int, left: int, side: int) -> NDArray[np.uint8]:
    """Return a square crop of ``side`` pixels; a smaller image is continued by mirroring."""
    height, width = picture.shape[:2]
    if height < side or width < side:
        picture = np.pad(picture, ((0, max(0, side - height)), (0, max(0, side - width)), (0, 0)), mode="symmetric")
    return picture[top : top + side, left : left + side]


def rotate_and_flip(picture: NDArray[np.uint8], quarters: int, *, flipped: bool) -> NDArray[np.uint8]:
    """Rotate by quarter turns, and mirror if ``flipped``."""
    turned = np.rot90(picture, quarters)
    return np.ascontiguousarray(turned[:, ::-1] if flipped else turned)
