"""Strong augmentation for learning without labels: two views of an image have little in common but what it shows.

After Chen, Kornblith, Norouzi & Hinton, "A Simple Framework for Contrastive Learning of Visual Representations", ICML
2020 (arXiv:2002.05709), Appendix A: a crop of random size and shape brought back to the full size, a mirror image,
colours changed or taken away. Where we deviate: no blur, which small images do not need (Appendix B.9), and mirror
images only where they mean the same.

Shapes: (B, C, H, W), C = 1 or 3. All chance is the given generator's; each image is varied by itself.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.nn import functional

from capas.data.image.augment import color_jitter, flip_horizontal
from capas.data.image.preprocess import ImagePreprocessing

_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewAugmentation:
    """How strongly views differ.

    Attributes:
        min_area: Least share of an image's area that a crop keeps, in (0, 1]; 1 for no crops.
        flip: Whether half of the views are mirrored.
        colour: Largest relative change of brightness, contrast and saturation, in [0, 1].
        grey: Share of the colour images that lose their colours, in [0, 1].
    """

    min_area: float = 0.3
    flip: bool = False
    colour: float = 0.4
    grey: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.min_area <= 1 and 0 <= self.colour <= 1 and 0 <= self.grey <= 1):
            raise ValueError(f"{self}; expected 0 < min_area ≤ 1, colour and grey in [0, 1]")


def random_view(
    images: Num[Tensor, "B C H W"], preparation: ImagePreprocessing, augmentation: ViewAugmentation,
    generator: torch.Generator,
) -> Float[Tensor, "B C H W"]:  # fmt: skip
    """Return one view of each uint8 image, normalised, float32, channels last."""
    if augmentation.flip:
        images = flip_horizontal(images, generator)
    if augmentation.min_area < 1:
        images = random_resized_crop(images, augmentation.min_area, generator)
    if augmentation.colour:
        images = color_jitter(images, augmentation.colour, generator)
    if augmentation.grey and images.shape[1] == 3:
        weights = torch.tensor(_LUMINANCE).view(3, 1, 1)
        grey = (images * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1)
        chosen = torch.rand(len(images), generator=generator) < augmentation.grey
        images = torch.where(chosen[:, None, None, None], grey, images)
    return preparation.normalise(images)


def random_resized_crop(
    images: Num[Tensor, "B C H W"], min_area: float, generator: torch.Generator
) -> Float[Tensor, "B C H W"]:
    """Cut from each image a rectangle and bring it to the full size (bilinear), to float32.

    Its area is a share in [``min_area``, 1] of the image's, its sides stand to each other as 3 : 4 to 4 : 3 at most, as
    in Szegedy et al. 2014 (arXiv:1409.4842), section 6; it never leaves the image.
    """
    drawn = torch.rand(4, len(images), generator=generator)
    area = min_area + (1 - min_area) * drawn[0]
    ratio = torch.exp(math.log(4 / 3) * (2 * drawn[1] - 1))
    wide, tall = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    # affine_grid runs over -1..1: a crop of half the width has room for a shift of ±0.5.
    right, down = (2 * drawn[2] - 1) * (1 - wide), (2 * drawn[3] - 1) * (1 - tall)
    zero = torch.zeros_like(wide)
    matrix = torch.stack([torch.stack([wide, zero, right], 1), torch.stack([zero, tall, down], 1)], dim=1)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
