"""A map of what a network was given, laid over the picture that a person knows, at that picture's own size.

The fitting is undone exactly, by the same numbers as it was done: what was cut off gets no heat, and the heat of what
was padded falls away. Between the middles of the map's pixels it is linear.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.data.preparation import Preparation
from capas.data.zones import bounded

MOST_SIDE: Final = 2048  # of what is written: larger pictures are made smaller first


def at_own_size(
    picture: NDArray[np.uint8], heat: NDArray[np.float32], preparation: Preparation
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The ``picture`` (H×W×C, uint8) that ``preparation`` was given, 2048 pixels a side at most, as H'×W' or H'×W'×3,
    and the ``heat`` (h×w, 0..1) of the prepared one over it (H'×W')."""
    height, width = picture.shape[:2]
    shown = bounded(picture, MOST_SIDE)
    down, across = preparation.stretches(height, width)
    rows = _weights(height, shown.shape[0], down, heat.shape[0])
    columns = _weights(width, shown.shape[1], across, heat.shape[1])
    laid: NDArray[np.float32] = (rows @ heat @ columns.T).astype(np.float32)
    return shown[..., 0] if shown.shape[2] == 1 else shown[..., :3], laid


def _weights(size: int, shown: int, stretch: tuple[float, float], cells: int) -> NDArray[np.float32]:
    """How much each of ``shown`` pixels takes of each of the ``cells`` that divide a ``stretch`` of the ``size``."""
    start, length = stretch
    middles = (np.arange(shown) + 0.5) * size / shown
    at = (middles - start) / length * cells - 0.5
    seen = (at >= -0.5) & (at <= cells - 0.5)
    at = at.clip(0, cells - 1)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, cells - 1)
    weights = np.zeros((shown, cells), np.float32)
    np.add.at(weights, (np.arange(shown), below), 1 - (at - below))
    np.add.at(weights, (np.arange(shown), above), at - below)
    return weights * seen[:, None]
