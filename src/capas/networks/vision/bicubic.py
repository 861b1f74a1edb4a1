"""Bicubic resampling: Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE TASSP 1981, with a =
−1/2, widened when shrinking: Pillow's ``BICUBIC``.

Legend: B batch, C channels, H height, W width.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def bicubic(images_BCHW: Float[Tensor, "B C H W"], height: int, width: int) -> Float[Tensor, "B C H2 W2"]:
    """Resize images in [0, 1] to ``height`` × ``width`` as Pillow does: columns first, then rows, each pass clipped to
    [0, 1] (Pillow also rounds to 1/255 each time; we do not).
    """
    # Half precision would cost more than most corrections are worth.
    with torch.autocast(images_BCHW.device.type, enabled=False):
        images = images_BCHW.float() if images_BCHW.dtype == torch.bfloat16 else images_BCHW
        across = resampling_matrix(images.shape[3], width).to(images)
        down = resampling_matrix(images.shape[2], height).to(images)
        wide = (images @ across.T).clamp(0, 1)
        return (down @ wide).clamp(0, 1)


def resampling_matrix(old_size: int, new_size: int) -> Float[Tensor, "after before"]:
    """Return the weights of the ``old_size`` pixels of a line in each of the ``new_size`` new ones, float64; rows sum
    to one. Raises ValueError on sizes below 1.
    """
    if min(old_size, new_size) < 1:
        raise ValueError(f"sides {old_size} → {new_size}; expected 1 or more")
    ratio = old_size / new_size
    reach = max(1.0, ratio)
    centres = (torch.arange(new_size, dtype=torch.float64) + 0.5) * ratio
    places = torch.arange(old_size, dtype=torch.float64) + 0.5
    # Pillow takes the pixels between these two whole numbers; beyond them the kernel is zero but for rounding.
    support = 2 * reach
    weights = _keys((places - centres[:, None]) / reach)
    inside = (places > (centres - support).floor()[:, None]) & (places < (centres + support).ceil()[:, None])
    weights = weights * inside
    return weights / weights.sum(1, keepdim=True)


def _keys(x: Tensor, a: float = -0.5) -> Tensor:
    x = x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
