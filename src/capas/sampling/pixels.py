"""Images as generative networks have them, in [-1, 1], and as files have them.

Shapes: B batch, C channels (1 or 3), H×W pixels.
"""

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor


def to_unit_range(images: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Return pixels of 0..255 as numbers in [-1, 1], float32."""
    return images.float() / 127.5 - 1


def to_pixels(images: Float[Tensor, "B C H W"]) -> NDArray[np.uint8]:
    """Return images in [-1, 1] as pixels (B, H, W), or (B, H, W, 3) with three channels; what lies outside is cut."""
    levels = ((images.float().clamp(-1, 1) + 1) * 127.5).round().byte().cpu().permute(0, 2, 3, 1)
    pixels: NDArray[np.uint8] = levels.contiguous().numpy()
    return pixels[..., 0] if pixels.shape[3] == 1 else pixels
