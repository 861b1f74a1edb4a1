"""From the baseline map to baselines: followed from column to column, joined over gaps, cut at line ends.

In each column of the map the local maxima are steps of lines. A step extends the line whose last steps point to it;
lines whose pieces follow each other closely become one, unless an end was detected between them.

Legend: H, W the map's height and width, P points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.archive.line_finding.maps import Singles
from capas.archive.line_finding.spacing import Floats, spacings

LIKELY: Final = 0.35  # that a baseline runs here
PLAUSIBLE: Final = 0.5  # on average, of a whole line
_CROWDED: Final = 0.4  # of the distance between lines: nearer to each other there are no two
_SLOPE: Final = 12  # steps, over which a line's direction is taken
_GAP: Final = 5  # columns without a step, after which a line is done


@dataclass(kw_only=True, slots=True)
class _Trail:
    """A line as it is being followed: its columns and rows, and how sure each step is."""

    columns: list[int] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)

    def expected(self, column: int) -> float:
        """The row where the line should be in a later column."""
        back = min(len(self.rows), _SLOPE)
        run = self.columns[-1] - self.columns[-back]
        slope = (self.rows[-1] - self.rows[-back]) / run if run >= _SLOPE // 2 else 0.0
        return self.rows[-1] + slope * (column - self.columns[-1])


@dataclass(frozen=True, kw_only=True, slots=True)
class TracedBaseline:
    """A baseline in the map's pixels, points (x, y) from left to right, shape (P, 2), and its confidence."""

    points: Floats
    confidence: float

    @property
    def length(self) -> float:
        """Horizontal extent."""
        return float(self.points[-1, 0] - self.points[0, 0])


def trace_baselines(baseline: Singles, ends: Singles) -> list[TracedBaseline]:
    """Return the baselines in the maps, (H, W) in [0, 1]."""
    trails = _followed(baseline * (1 - ends))
    pieces = [
        TracedBaseline(
            points=np.stack([trail.columns, trail.rows], axis=1).astype(np.float64),
            confidence=float(np.mean(trail.chances)),
        )
        for trail in trails
        if len(trail.columns) >= 3
    ]
    if not pieces:
        return []
    space = float(np.median(spacings([piece.points for piece in pieces], len(baseline))))
    joined = [_smooth(piece, space) for piece in _joined(pieces, space, ends)]
    return _alone([piece for piece in joined if piece.confidence >= PLAUSIBLE and piece.length >= 0.5 * space], space)


def _alone(traces: Sequence[TracedBaseline], space: float) -> list[TracedBaseline]:
    """Without what lies right above or beneath a longer line: a line's descenders are no line."""
    kept = list[TracedBaseline]()
    for trace in sorted(traces, key=lambda one: -one.length):
        x, y = trace.points.mean(axis=0)
        near = (abs(y - np.interp(x, *one.points.T)) for one in kept if one.points[0, 0] <= x <= one.points[-1, 0])
        if min(near, default=np.inf) > _CROWDED * space:
            kept.append(trace)
    return kept


def _followed(chances: Singles) -> list[_Trail]:
    """The trails of local maxima from left to right."""
    steps = _maxima(chances)
    going, done = list[_Trail](), list[_Trail]()
    for column, rows in enumerate(steps):
        done += [trail for trail in going if column - trail.columns[-1] > _GAP]
        going = [trail for trail in going if column - trail.columns[-1] <= _GAP]
        free = dict.fromkeys(range(len(rows)))
        if going and len(rows):
            apart = np.abs(np.array([[trail.expected(column)] for trail in going]) - rows[:, 0])
            for place in apart.argsort(axis=None):
                i, j = divmod(int(place), len(rows))
                trail = going[i]
                if apart[i, j] > 1.5 + 0.3 * (column - trail.columns[-1]):
                    break
                if j in free and trail.columns[-1] < column:
                    del free[j]
                    _step(trail, column, rows[j])
        for j in free:
            going.append(trail := _Trail())
            _step(trail, column, rows[j])
    return done + going


def _step(trail: _Trail, column: int, row: NDArray[np.float64]) -> None:
    trail.columns.append(column)
    trail.rows.append(float(row[0]))
    trail.chances.append(float(row[1]))


def _maxima(chances: Singles) -> list[Floats]:
    """For each column the rows (between pixels, by a parabola) and the chances of the maxima, N×2."""
    padded = np.pad(chances, ((2, 2), (0, 0)))
    middle, up, down = padded[2:-2], padded[1:-3], padded[3:-1]
    highest = (middle >= LIKELY) & (middle > up) & (middle >= down) & (middle >= padded[:-4]) & (middle >= padded[4:])
    columns, rows = highest.T.nonzero()
    value, above, below = (part[rows, columns].astype(np.float64) for part in (middle, up, down))
    bend = above - 2 * value + below
    exact = rows + np.where(bend < 0, (above - below) / np.where(bend < 0, 2 * bend, 1), 0).clip(-0.5, 0.5)
    found = np.stack([exact, value], axis=1)
    return np.split(found, np.searchsorted(columns, np.arange(1, chances.shape[1])))


def _joined(pieces: Sequence[TracedBaseline], space: float, ends: Singles) -> list[TracedBaseline]:
    """Pieces that follow each other on one line, made one, the nearest first."""
    left = sorted(pieces, key=lambda piece: float(piece.points[0, 0]))
    while True:
        pair = _nearest(left, space, ends)
        if pair is None:
            return left
        one, other = left[pair[0]], left[pair[1]]
        sizes = len(one.points), len(other.points)
        chance = float(np.average([one.confidence, other.confidence], weights=sizes))
        whole = TracedBaseline(points=np.concatenate([one.points, other.points]), confidence=chance)
        left = [piece for i, piece in enumerate(left) if i not in pair] + [whole]


def _nearest(pieces: Sequence[TracedBaseline], space: float, ends: Singles) -> tuple[int, int] | None:
    """The two pieces with the smallest gap that may be closed."""
    starts, stops = (np.array([piece.points[i] for piece in pieces]) for i in (0, -1))
    slopes = np.array([_slope(piece.points, space) for piece in pieces])
    gap = starts[:, 0] - stops[:, None, 0]
    fall = np.abs(starts[:, 1] - stops[:, None, 1] - gap * (slopes + slopes[:, None]) / 2)
    allowed = (gap > 0) & (gap < 1.5 * space) & (fall < 0.25 * space)
    for place in np.where(allowed, gap, np.inf).argsort(axis=None)[: allowed.sum()]:
        i, j = divmod(int(place), len(pieces))
        if not _ends_between(ends, stops[i], starts[j]):
            return i, j
    return None


def _slope(points: Floats, space: float) -> float:
    run = points[-1, 0] - points[0, 0]
    return float((points[-1, 1] - points[0, 1]) / run) if run > 2 * space else 0.0


def _ends_between(ends: Singles, start: Floats, stop: Floats) -> bool:
    """Whether an end is seen on the way."""
    x = np.arange(int(start[0]), int(stop[0]) + 1)
    y = np.interp(x, [start[0], stop[0]], [start[1], stop[1]]).round().astype(np.int64)
    return bool(ends[y.clip(0, len(ends) - 1), x].max() > 0.5)


def _smooth(trace: TracedBaseline, space: float) -> TracedBaseline:
    """Fewer points, one for each distance between lines, each the mean of those around it; the ends go on in the
    direction of the line."""
    x, y = trace.points.T
    count = max(2, round((x[-1] - x[0]) / max(space, 1)) + 1)
    knots = np.linspace(x[0], x[-1], count)
    weights = np.exp(-0.5 * ((knots[:, None] - x) / (0.5 * space)) ** 2)
    # A local straight line instead of a mean, which would bend the ends inwards.
    away = x - knots[:, None]
    s0, s1, s2 = weights.sum(1), (weights * away).sum(1), (weights * away**2).sum(1)
    t0, t1 = weights @ y, (weights * away) @ y
    spread = s0 * s2 - s1**2
    heights = np.where(spread > 1e-6, (s2 * t0 - s1 * t1) / np.where(spread > 1e-6, spread, 1), t0 / s0)
    return TracedBaseline(points=np.stack([knots, heights], axis=1), confidence=trace.confidence)
