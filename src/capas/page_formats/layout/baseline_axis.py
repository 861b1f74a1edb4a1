"""The coordinates of a line: s along its baseline, t up from it, both in pixels.

The baseline is resampled at equal steps and smoothed over about half a line's height, so that the kinks of hand-drawn
polylines do not tear the letters above them. P(s) is a point of it, U(s) the unit vector that points up.

Legend: S steps, P points.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.page_formats.page import Points

Floats = NDArray[np.float64]
STEPS_PER_HEIGHT: Final = 8
MAX_STEPS: Final = 2000
_PASSES: Final = 3  # so many box filters, one after the other, come near to a Gaussian


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineAxis:
    """A smooth baseline: ``points`` and unit vectors ``up``, (S, 2) with S ≥ 2, every ``step`` pixels."""

    points: Floats
    up: Floats
    step: float

    @property
    def length(self) -> float:
        """Length in pixels."""
        return self.step * (len(self.points) - 1)

    def locate(self, points: Points) -> Floats:
        """Return (s, t) of each point, (P, 2), by the nearest step; extrapolated straight beyond the ends."""
        given = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        nearest = ((given[:, None] - self.points) ** 2).sum(axis=2).argmin(axis=1)
        away, up = given - self.points[nearest], self.up[nearest]
        along = np.stack([-up[:, 1], up[:, 0]], axis=1)
        s, t = nearest * self.step + (away * along).sum(axis=1), (away * up).sum(axis=1)
        return np.stack([s, t], axis=1)

    def points_at(self, s: Floats) -> tuple[Floats, Floats]:
        """Return P(s) and U(s), (len(s), 2) each; extrapolated straight beyond the ends."""
        steps = np.arange(len(self.points)) * self.step
        points, up = (
            np.stack([np.interp(s, steps, values[:, i]) for i in (0, 1)], axis=1) for values in (self.points, self.up)
        )
        beyond = s - s.clip(0, self.length)
        return points + beyond[:, None] * np.stack([-up[:, 1], up[:, 0]], axis=1), up


def baseline_axis(baseline: Points, height: float) -> BaselineAxis:
    """Return the axis of ``baseline`` for a line about ``height`` pixels high.

    It runs from left to right in the image, or along the baseline's direction where that rises or falls more than it
    runs.

    Raises:
        ValueError: The baseline has no length.
    """
    corners = np.asarray(baseline, dtype=np.float64)
    (dx, dy) = corners[-1] - corners[0]
    if dx < 0 and abs(dx) > abs(dy):
        corners = corners[::-1]
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    run = np.concatenate([[0.0], lengths.cumsum()])
    if not run[-1] > 0:
        raise ValueError(f"a baseline without length: {baseline}")
    count = int(np.clip(run[-1] * STEPS_PER_HEIGHT / max(height, 1.0), 2, MAX_STEPS)) + 1
    at = np.linspace(0, run[-1], count)
    points = np.stack([np.interp(at, run, corners[:, i]) for i in (0, 1)], axis=1)
    return _with_normals(_smooth(points, min(STEPS_PER_HEIGHT // 2, count // 4)))


def _smooth(points: Floats, window: int) -> Floats:
    """A moving mean over ``window`` steps on each side. Beyond the ends the line is turned about them, which keeps them
    where they are."""
    if window < 1:
        return points
    kernel = np.full(2 * window + 1, 1 / (2 * window + 1))
    for _ in range(_PASSES):
        before = 2 * points[0] - points[window:0:-1]
        after = 2 * points[-1] - points[-2 : -window - 2 : -1]
        padded = np.concatenate([before, points, after])
        points = np.stack([np.convolve(padded[:, i], kernel, mode="valid") for i in (0, 1)], axis=1)
    return points


def _with_normals(points: Floats) -> BaselineAxis:
    directions = np.gradient(points, axis=0)
    sizes = np.hypot(*directions.T)[:, None]
    overall = points[-1] - points[0]
    directions = np.where(sizes > 1e-9, directions / np.maximum(sizes, 1e-9), overall / max(np.hypot(*overall), 1e-9))
    step = float(np.hypot(*np.diff(points, axis=0).T).mean())
    return BaselineAxis(points=points, up=np.stack([directions[:, 1], -directions[:, 0]], axis=1), step=step)
