"""From a page image to the network's output maps: downscaling, normalisation, forward pass."""

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from capas.networks.document.line_finder import LineFinderNet

Singles = NDArray[np.float32]

# A reduced page has so many pixels, unless it had fewer: about 760 × 1,000.
PIXELS: Final = 800_000
_FAINTEST: Final = 12.0  # grey levels of deviation: what is fainter is not made stronger


def reduced_grey(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Convert uint8 (H, W) or (H, W, 3) to grey, downscaled by ``scale`` ≤ 1 by area averaging."""
    grey = Image.fromarray(picture).convert("L")
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return np.array(grey if size == grey.size else grey.resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def first_scale(height: int, width: int) -> float:
    """Return the scale of the first pass on a page of this size."""
    return min(1.0, math.sqrt(PIXELS / (height * width)))


def normalised_ink(grey: NDArray[np.uint8]) -> Singles:
    """Return ink as high values and paper about zero, in standard deviations of the image."""
    values = grey.astype(np.float32)
    even: Singles = (np.median(values) - values) / max(float(values.std()), _FAINTEST)
    return even


def predicted_maps(network: LineFinderNet, grey: NDArray[np.uint8]) -> Singles:
    """Return the network's maps of a reduced page, (O, ⌈H/2⌉, ⌈W/2⌉), in [0, 1]."""
    with torch.inference_mode():
        logits = network(torch.from_numpy(normalised_ink(grey))[None, None])
        maps: Singles = logits[0].sigmoid().numpy()
    return maps
