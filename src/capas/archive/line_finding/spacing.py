"""Line spacing of a page: the unit of all other geometry."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A speck under a line must not make the line small.
FROM, TO = 0.6, 1.5
# Of a page whose lines have no neighbours this share of its height is a line's.
_ALONE: Final = 1 / 30
_SHARED: Final = 0.3


def spacings(baselines: Sequence[Floats], page_height: float) -> Floats:
    """Return the distance of each baseline, (P, 2), to the nearest one above or below it, in pixels.

    Clipped to ``FROM``..``TO`` times the page's median, which is also the value of a line without neighbours.
    """
    if not baselines:
        return np.zeros(0)
    left, right = (np.array([pick(line[:, 0]) for line in baselines]) for pick in (np.min, np.max))
    shared = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    apart = np.abs(_between(baselines, left, right))
    beneath = shared > _SHARED * np.minimum((right - left)[:, None], right - left)
    np.fill_diagonal(beneath, False)
    nearest = np.where(beneath & (apart > 0), apart, np.inf).min(axis=1)
    known = nearest[np.isfinite(nearest)]
    usual = float(np.median(known)) if known.size else page_height * _ALONE
    return np.where(np.isfinite(nearest), nearest, usual).clip(FROM * usual, TO * usual)


def _between(baselines: Sequence[Floats], left: Floats, right: Floats) -> Floats:
    """How far each baseline is above each other one, in the middle of what they share across the page."""
    middle = (np.maximum(left[:, None], left) + np.minimum(right[:, None], right)) / 2
    heights = np.stack([_height_at(line, middle[i]) for i, line in enumerate(baselines)])
    apart: Floats = heights.T - heights
    return apart


def _height_at(line: Floats, x: Floats) -> Floats:
    order = line[:, 0].argsort(kind="stable")
    heights: Floats = np.interp(x, line[order, 0], line[order, 1])
    return heights
