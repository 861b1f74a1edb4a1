"""Overlay of a heatmap on a grey image."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEATMAP_OPACITY = 0.65
# Black, violet, orange, yellow: even in lightness, and told apart by everyone (after matplotlib's inferno).
_STOPS = ((0.0, (0, 0, 4)), (0.25, (87, 16, 110)), (0.5, (188, 55, 84)), (0.75, (249, 142, 9)), (1.0, (252, 255, 164)))


def overlay_heatmap(image: NDArray[np.uint8], heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return ``image`` in grey with ``heatmap`` (0..1, the same height and width) over it in colour."""
    grey = image if image.ndim == 2 else np.asarray(Image.fromarray(image).convert("L"))
    strength = (HEATMAP_OPACITY * np.clip(heatmap, 0, 1))[..., None]
    mixed = grey[..., None] * (1 - strength) + colorize_heatmap(heatmap) * strength
    result: NDArray[np.uint8] = mixed.round().astype(np.uint8)
    return result


def colorize_heatmap(heatmap: NDArray[np.float32]) -> NDArray[np.float64]:
    """Map a heatmap (H, W), 0..1, to colours (H, W, 3), 0..255."""
    places = [place for place, _ in _STOPS]
    channels = [np.interp(np.clip(heatmap, 0, 1), places, [colour[c] for _, colour in _STOPS]) for c in range(3)]
    return np.stack(channels, axis=-1)
