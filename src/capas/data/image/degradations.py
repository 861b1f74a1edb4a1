"""Pairs of pictures made from one: what is given (grey, small, noisy, with holes) and what should come of it.

Pictures are uint8 H×W×C; what is made is float32 C×H×W. ``DEGRADATIONS`` names them; each kind draws its chance, where it
needs any, from the generator it is given.
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
    """``source`` and ``target`` as a network takes and gives them, float32 C×H×W: pictures in 0..1, for "colourise"
    L in 0..100 and a, b; for "inpaint" a further channel that is 1 in the holes."""

    source: Tensor
    target: Tensor


def to_float_tensor(picture: NDArray[np.uint8]) -> Float[Tensor, "C H W"]:
    """uint8 H×W×C → 0..1."""
    return torch.from_numpy(picture.astype(np.float32).transpose(2, 0, 1) / 255)


def to_uint8_image(picture: Float[Tensor, "C H W"]) -> NDArray[np.uint8]:
    """0..1, clipped and rounded, → uint8 H×W×C."""
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
    """What is given and wanted of a picture. ``noise`` (0..255) is the strongest; in ``training`` it is drawn from 0 up
    to there. Sides that are no multiple of ``factor`` lose a few pixels."""
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
    """1 in square holes at random places, at least one; never everywhere."""
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
    """The picture with the mean colour of what is left in its holes, and the holes as a further channel."""
    known = 1 - mask
    mean = (picture * known).sum(dim=(1, 2), keepdim=True) / known.sum().clamp(min=1)
    return torch.cat([picture * known + mean * mask, mask])


def lab_channels_to_rgb(lightness: Float[Tensor, "1 H W"], colours: Float[Tensor, "2 H W"]) -> Float[Tensor, "3 H W"]:
    """L, a and b as sRGB in 0..1."""
    return lab_to_rgb(torch.cat([lightness, colours])[None])[0]


def mirrored_patch(picture: NDArray[np.uint8], top: int, left: int, side: int) -> NDArray[np.uint8]:
    """A square of ``side`` pixels; a smaller picture is continued by mirroring."""
    height, width = picture.shape[:2]
    if height < side or width < side:
        picture = np.pad(picture, ((0, max(0, side - height)), (0, max(0, side - width)), (0, 0)), mode="symmetric")
    return picture[top : top + side, left : left + side]


def rotate_and_flip(picture: NDArray[np.uint8], quarters: int, *, flipped: bool) -> NDArray[np.uint8]:
    """Turned by quarters, and mirrored: a square stays one."""
    turned = np.rot90(picture, quarters)
    return np.ascontiguousarray(turned[:, ::-1] if flipped else turned)
