"""Upsampling of a heatmap from the network's input size to the original image.

Resizing, cropping and padding of the preprocessing are inverted exactly: what was cropped gets no heat, and the heat of
the padding falls away. Bilinear between the pixel centres of the heatmap.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.segmentation_transforms import limit_size

MAX_SIDE: Final = 2048  # of what is written: larger pictures are made smaller first


def upsample_heatmap(
    image: NDArray[np.uint8], heatmap: NDArray[np.float32], preparation: ImagePreprocessing
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the original image, 2048 pixels a side at most, with the heatmap at its size.

    Args:
        image: The original image, uint8 (H, W, C).
        heatmap: Heatmap of the preprocessed image, shape (h, w), 0..1.
        preparation: The preprocessing between them.

    Returns:
        The image (H', W') or (H', W', 3) and the heatmap (H', W').
    """
    height, width = image.shape[:2]
    output = limit_size(image, MAX_SIDE)
    down, across = preparation.stretches(height, width)
    rows = _weights(height, output.shape[0], down, heatmap.shape[0])
    columns = _weights(width, output.shape[1], across, heatmap.shape[1])
    laid: NDArray[np.float32] = (rows @ heatmap @ columns.T).astype(np.float32)
    return output[..., 0] if output.shape[2] == 1 else output[..., :3], laid


def _weights(size: int, output: int, stretch: tuple[float, float], cells: int) -> NDArray[np.float32]:
    """How much each of ``shown`` pixels takes of each of the ``cells`` that divide a ``stretch`` of the ``size``."""
    start, length = stretch
    middles = (np.arange(output) + 0.5) * size / output
    at = (middles - start) / length * cells - 0.5
    inside = (at >= -0.5) & (at <= cells - 0.5)
    at = at.clip(0, cells - 1)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, cells - 1)
    weights = np.zeros((output, cells), np.float32)
    np.add.at(weights, (np.arange(output), below), 1 - (at - below))
    np.add.at(weights, (np.arange(output), above), at - below)
    return weights * inside[:, None]
