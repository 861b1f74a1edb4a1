"""Transforms of images together with their masks: resizing, augmentation, overlays.

Shapes: (B, C, H, W) images, (B, H, W) masks of class indices 0..K-1, ``IGNORE_INDEX`` (255) where unlabelled.
"""

import io
import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from capas.data.image.masks import IGNORE_INDEX


def resize_mask(mask: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize a mask, uint8 (H, W), by nearest neighbour: classes must not be mixed."""
    return np.array(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST), dtype=np.uint8)


def augment_images_and_masks(
    images: UInt8[Tensor, "B C H W"],
    masks: UInt8[Tensor, "B H W"],
    *,
    crop: float,
    flip: bool,
    rotate: float,
    rng: torch.Generator,
) -> tuple[Float[Tensor, "B C H W"], UInt8[Tensor, "B H W"]]:
    """Augment each image and its mask alike; the mask is void where nothing is known.

    Images (0..255) are bilinear and reflected at the border, masks nearest.

    Args:
        images: uint8 images.
        masks: Class indices.
        crop: Largest shift as a share of the sides; scales lie between 1 − ``crop`` and its inverse.
        flip: Whether half of the images are mirrored.
        rotate: Largest rotation in degrees, both ways.
        rng: Source of randomness.
    """
    count, _, height, width = images.shape
    drawn = torch.rand(count, 5, generator=rng) * 2 - 1
    zoom = torch.pow(1 - crop, drawn[:, 0])
    angle = drawn[:, 1] * math.radians(rotate)
    mirror = torch.where(drawn[:, 2] < 0, -1.0, 1.0) if flip else torch.ones(count)
    ratio = height / width  # keeps a turn rigid: the grid runs over −1..1 on both sides
    across = torch.stack([mirror * zoom * angle.cos(), -zoom * angle.sin() * ratio, drawn[:, 3] * crop], dim=1)
    down = torch.stack([mirror * zoom * angle.sin() / ratio, zoom * angle.cos(), drawn[:, 4] * crop], dim=1)
    grid = functional.affine_grid(torch.stack([across, down], dim=1), [count, 1, height, width], align_corners=False)
    varied = functional.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
    # One more than the class, so that the zeros which come in from outside can be told from class 0.
    numbered = (masks.float() + 1)[:, None]
    moved = functional.grid_sample(numbered, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return varied, torch.where(moved == 0, IGNORE_INDEX, moved - 1).to(torch.uint8)[:, 0]


def upsample_prediction(logits: Float[Tensor, "K h w"], height: int, width: int) -> UInt8[Tensor, "H W"]:
    """Return the arg max class in every pixel of a larger (or smaller) image, the logits bilinear between.

    One class after another: for many classes and a large image all of them would not fit in memory.
    """
    best = torch.full((height, width), -math.inf)
    answer = torch.zeros(height, width, dtype=torch.uint8)
    for number, plane in enumerate(logits):
        resized = functional.interpolate(plane[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
        higher = resized > best
        best[higher] = resized[higher]
        answer[higher] = number
    return answer


def color_palette(count: int) -> NDArray[np.uint8]:
    """Return ``count`` colours far apart, (K, 3): those of the PASCAL VOC masks from index 1 on."""
    colours = np.zeros((count, 3), dtype=np.uint8)
    for number in range(count):
        bits = number + 1
        for shift in range(7, -1, -1):
            colours[number] |= np.array([(bits >> k & 1) << shift for k in range(3)], dtype=np.uint8)
            bits >>= 3
    return colours


def overlay_mask(picture: NDArray[np.uint8], mask: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend the class colours over the image (uint8 (H, W, C)) half and half, to uint8 (H, W, 3)."""
    shown = np.broadcast_to(picture, (*picture.shape[:2], 3)).astype(np.uint16)
    return ((shown + colours[mask]) // 2).astype(np.uint8)


def mask_png(mask: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """Encode a mask as an indexed PNG: the pixels are class indices, the palette their colours."""
    image = Image.fromarray(mask)
    image.putpalette(colours.flatten().tolist())
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def limit_size(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Downscale uint8 (H, W, C) where its long side is above ``side``."""
    height, width = picture.shape[:2]
    if max(height, width) <= side:
        return picture
    scale = side / max(height, width)
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller = np.array(image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0), dtype=np.uint8)
    return smaller[..., None] if smaller.ndim == 2 else smaller
