"""Batched image augmentation.

Shapes: (B, C, H, W), C = 1 or 3. Each operation draws from the generator it is given and never from the global one;
each image of a batch is augmented independently. Values are 0..255 until ``ImagePreprocessing.normalise``.

- ``random_crop``: pad-and-shift as in He et al. 2016 (arXiv:1512.03385, section 4.2), by reflection by default.
- ``cutout``: DeVries & Taylor 2017 (arXiv:1708.04552): one square, centred anywhere, cut at the border.
- ``mixup``: Zhang et al. 2018 (arXiv:1710.09412). One weight per image; weights are folded to at least 1/2, which names
  the same pairs and lets an image's own label stay the more probable one.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.nn import functional

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.image.preprocess import ImagePreprocessing

Border = Literal["reflect", "constant"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageAugmentation:
    """Strengths of the image augmentations; 0 or False switches one off.

    Attributes:
        crop: Largest shift, as a share of the side.
        flip: Whether half of the images are mirrored.
        rotate: Largest rotation in degrees, both ways.
        colour: Largest relative change of brightness, contrast and saturation.
        cutout: Side of the hidden square, as a share of the side.
        mixup: Parameter α of the Beta distribution of mixing weights.

    Raises:
        CapasError: ``augmentation_invalid``.
    """

    crop: float = 0.0
    flip: bool = False
    rotate: float = 0.0
    colour: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        _check(0 <= self.crop < 1, "crop", self.crop, say("augmentation.rules.share"))
        _check(0 <= self.rotate <= 180, "rotate", self.rotate, say("augmentation.rules.rotate"))
        _check(0 <= self.colour <= 1, "colour", self.colour, say("augmentation.rules.colour"))
        _check(0 <= self.cutout < 1, "cutout", self.cutout, say("augmentation.rules.share"))
        _check(0 <= self.mixup < math.inf, "mixup", self.mixup, say("augmentation.rules.mixup"))


@dataclass(frozen=True, kw_only=True, slots=True)
class MixupPairing:
    """The Mixup pairing of a batch.

    Attributes:
        partner: Index in the batch of each image's partner, int64, shape (B,).
        weight: Weight of the image itself, float32 in 0.5..1, shape (B,).
    """

    partner: Tensor
    weight: Tensor


def augment_images(
    images: Num[Tensor, "B C H W"],
    preparation: ImagePreprocessing,
    augmentation: ImageAugmentation,
    generator: torch.Generator,
) -> Float[Tensor, "B C H W"]:
    """Augment and normalise uint8 images (B, C, H, W), to float32, channels last.

    Mixup is a step of its own, since it concerns labels.
    """
    images = _moved(images, augmentation, generator)
    if augmentation.rotate:
        images = random_rotation(images, augmentation.rotate, generator)
    if augmentation.colour:
        images = color_jitter(images, augmentation.colour, generator)
    normalised = preparation.normalise(images)
    if augmentation.cutout:
        normalised.masked_fill_(_squares(images, augmentation.cutout, generator), 0.0)
    return normalised


def random_crop(images: Tensor, fraction: float, generator: torch.Generator, *, border: Border = "reflect") -> Tensor:
    """Shift each image by up to ± ``fraction`` of its sides; what comes in is reflected, or black ("constant")."""
    rows, columns = _shifts(images, fraction, generator)
    height, width = images.shape[2:]
    if border == "reflect":
        return _gathered(images, _reflected(rows, height), _reflected(columns, width))
    in_rows, in_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    inside = in_rows[:, None, :, None] & in_columns[:, None, None, :]
    return _gathered(images, rows.clamp(0, height - 1), columns.clamp(0, width - 1)) * inside


def flip_horizontal(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability 1/2."""
    return torch.where(_coins(images, generator)[:, None, None, None], images.flip(3), images)


def random_rotation(images: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """Rotate each image about its centre by up to ± ``degrees`` (bilinear; the border is reflected), to float32."""
    angle = _uniform(images, 1, generator)[:, 0] * math.radians(degrees)
    height, width = images.shape[2:]
    # affine_grid runs over -1..1 on both sides: the ratio keeps the turn rigid on oblong pictures.
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    top = torch.stack([cosine, -sine * (height / width), zero], dim=1)
    bottom = torch.stack([sine * (width / height), cosine, zero], dim=1)
    grid = functional.affine_grid(torch.stack([top, bottom], dim=1), list(images.shape), align_corners=False)
    return functional.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)


def color_jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and (of RGB) saturation by factors 1 ± ``strength``, to float32 in 0..255."""
    factors = 1 + strength * _uniform(images, 3, generator)[:, :, None, None, None]
    images = images.float() * factors[:, 0]
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    images = torch.lerp(middle, images, factors[:, 1])
    if images.shape[1] == 3:
        luminance = (images * images.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
        images = torch.lerp(luminance, images, factors[:, 2])
    return images.clamp(0, 255)


def cutout(images: Tensor, fraction: float, generator: torch.Generator, *, fill: float = 0.0) -> Tensor:
    """Hide one square per image, its side ``fraction`` of the shorter side, under ``fill`` (0 is the mean, once
    normalised).

    Returns a copy of the same dtype.
    """
    return images.clone().masked_fill_(_squares(images, fraction, generator), fill)


def mixup(images: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, MixupPairing]:
    """Blend each image (float, normalised) with another of the batch, weights from Beta(``alpha``, ``alpha``).

    The loss of the result is ``weight × loss(own label) + (1 − weight) × loss(partner's label)``.
    """
    partner = torch.randperm(len(images), generator=generator)
    seed = int(torch.randint(2**62, (1,), generator=generator))  # torch offers no Beta with a generator
    drawn = np.random.default_rng(seed).beta(alpha, alpha, len(images))
    weight = torch.from_numpy(np.maximum(drawn, 1 - drawn).astype(np.float32)).to(images.device)
    partner = partner.to(images.device)
    mixed = torch.lerp(images[partner], images, weight[:, None, None, None].to(images.dtype))
    return mixed, MixupPairing(partner=partner, weight=weight)


def _moved(images: Tensor, augmentation: ImageAugmentation, generator: torch.Generator) -> Tensor:
    """Crop and flip in one pass over the bytes: only row and column numbers are computed, then gathered
    once."""
    if not augmentation.crop:
        return flip_horizontal(images, generator) if augmentation.flip else images
    rows, columns = _shifts(images, augmentation.crop, generator)
    columns = _reflected(columns, images.shape[3])
    if augmentation.flip:
        columns = torch.where(_coins(images, generator)[:, None], columns.flip(1), columns)
    return _gathered(images, _reflected(rows, images.shape[2]), columns)


def _shifts(images: Tensor, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Row numbers B×H and column numbers B×W of the shifted images; some lie outside."""
    height, width = images.shape[2:]
    down, across = round(fraction * height), round(fraction * width)
    rows = torch.arange(height) + torch.randint(-down, down + 1, (len(images), 1), generator=generator)
    columns = torch.arange(width) + torch.randint(-across, across + 1, (len(images), 1), generator=generator)
    return rows.to(images.device), columns.to(images.device)


def _reflected(numbers: Tensor, size: int) -> Tensor:
    """Numbers in -size < n < 2·size - 1 brought into 0..size-1 by reflection at the first and last pixel."""
    return (size - 1 - (size - 1 - numbers.abs()).abs()).clamp(min=0)


def _gathered(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Image b's pixel (i, j) is its own (rows[b, i], columns[b, j])."""
    batch, channels, height, width = images.shape
    places = (rows[:, :, None] * width + columns[:, None, :]).view(batch, 1, height * width)
    flat = images.reshape(batch, channels, height * width)
    return flat.gather(2, places.expand(batch, channels, -1)).view(images.shape)


def _squares(images: Tensor, fraction: float, generator: torch.Generator) -> Tensor:
    """bool B×1×H×W: one square per image, less where it is cut at the border."""
    height, width = images.shape[2:]
    side = round(fraction * min(height, width))
    rows, columns = (_covered(len(images), size, side, generator) for size in (height, width))
    return (rows[:, None, :, None] & columns[:, None, None, :]).to(images.device)


def _covered(batch: int, size: int, side: int, generator: torch.Generator) -> Tensor:
    """bool B×size: the stretch of ``side`` whose centre lies anywhere on the side."""
    start = torch.randint(size, (batch, 1), generator=generator) - side // 2
    places = torch.arange(size)
    return (places >= start) & (places < start + side)


def _coins(images: Tensor, generator: torch.Generator) -> Tensor:
    return (torch.rand(len(images), generator=generator) < 0.5).to(images.device)


def _uniform(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """float32 B×count in -1..1."""
    return (torch.rand(len(images), count, generator=generator) * 2 - 1).to(images.device)


def _check(valid: bool, name: str, received: float, rule: str) -> None:
    if not valid:
        where = f"augmentation.{name}"
        raise CapasError("augmentation_invalid", where=where, received=f"{name} = {received}", rule=rule)
