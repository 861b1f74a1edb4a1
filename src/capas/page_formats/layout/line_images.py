"""Line images: cropped from the page image and straightened along their baselines, of one height, in grey.

Each output pixel is sampled bilinearly at P(s) + t · U(s) of ``baseline_axis``; where the image is finer than the
output, it is reduced first by a whole factor, as a mean. What lies outside the line's outline or off the page becomes
the local background: the paper's.

The extent of a line above and below its baseline comes from its outline; without one, from the distance to the
baselines above and below.

Legend: H, W the output.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.page_formats.geometry import outline_edges
from capas.page_formats.layout.baseline_axis import BaselineAxis, Floats, baseline_axis
from capas.page_formats.page import Line, Points

Picture = NDArray[np.uint8]
Singles = NDArray[np.float32]

# Of the distance between two baselines so much is taken above and below.
ABOVE: Final = 0.7
BELOW: Final = 0.3
# A line alone on its page, without an outline: lines of the page's height.
LINES_ON_PAGE: Final = 30
# No baseline is longer than so many times its line's height. With a height more at each end that makes 64, beyond which
# readers squeeze a line (``engine.recipes.reading_sides``) and would no longer say where in it a word stands.
LONGEST: Final = 62
# A line is cut at the height that it has in the picture, within these bounds in pixels: readers scale it once more.
LOWEST, HIGHEST = 32, 160
# A line's height is held within these factors of its page's median: the same hand has letters of the same size.
SMALLEST, LARGEST = 0.75, 1.5
_TALLEST: Final = 97  # percentile of an outline's edges: one flourish does not make the line smaller
_MARGIN: Final = 0.05  # of the height, on both sides of what the outline reaches


@dataclass(frozen=True, kw_only=True, slots=True)
class LineExtent:
    """The extent of a line ``up`` and ``down`` from its baseline, in pixels of the page image."""

    up: float
    down: float

    @property
    def height(self) -> float:
        return self.up + self.down

    @property
    def pixels(self) -> int:
        """Height of its line image, in training and in prediction."""
        return int(np.clip(round(self.height), LOWEST, HIGHEST))

    def times(self, factor: float) -> "LineExtent":
        """Return the extent scaled by ``factor``."""
        return LineExtent(up=self.up * factor, down=self.down * factor)


def crop_line(picture: Picture, line: Line, height: int, *, reach: LineExtent | None = None) -> Picture:
    """Return the line image, uint8 (``height``, W), W in proportion, dark on light as in ``picture``.

    Args:
        picture: Page image, uint8 (H, W) or (H, W, C) with C = 1 or 3; 0 and 255 where it is bitonal.
        line: The line.
        height: Height of the line image.
        reach: Extent from ``line_extents``; that of the outline if None.

    Raises:
        ValueError: The baseline has no length, or ``height`` is less than 1.
    """
    if height < 1:
        raise ValueError(f"height is {height}; expected 1 or more")
    reach = reach or line_extents([line], picture.shape[0])[0]
    axis = baseline_axis(line.baseline, reach.height)
    outline = axis.locate(line.polygon) if line.polygon else None
    start, width = _extent(axis, outline, reach, height)
    t = reach.up - (np.arange(height) + 0.5) * reach.height / height
    s = start + (np.arange(width) + 0.5) * reach.height / height
    points, up = axis.points_at(s)
    values, on_page = _sampled(picture, points, up, t)
    inside = on_page if outline is None else on_page & _filled(outline, s, t)
    return _on_background(values, inside)


def line_outline(line: Line, height: int, reach: LineExtent, first: float, last: float) -> Points:
    """Return the outline, in the page's pixels, of the columns ``first``..``last`` of ``crop_line``'s result.

    Along the upper edge, then back along the lower one.
    """
    axis, start, width = _placed(line, height, reach)
    left, right = (min(max(column, 0.0), float(width)) for column in (first, last))
    steps = max(2, round((right - left) / height) + 1)
    points, up = axis.points_at(start + np.linspace(left, right, steps) * reach.height / height)
    corners = np.concatenate([points + reach.up * up, (points - reach.down * up)[::-1]])
    return tuple((float(x), float(y)) for x, y in corners)


def line_size(line: Line, height: int, reach: LineExtent) -> int:
    """Return the width in pixels of ``crop_line``'s result, without the image."""
    return _placed(line, height, reach)[2]


@functools.lru_cache(maxsize=1024)
def _placed(line: Line, height: int, reach: LineExtent) -> tuple[BaselineAxis, float, int]:
    """The axis of a line, and where its image begins and how wide it is; of the lines looked at last, since a search
    outlines many words of one line."""
    axis = baseline_axis(line.baseline, reach.height)
    return axis, *_extent(axis, axis.locate(line.polygon) if line.polygon else None, reach, height)


def _extent(axis: BaselineAxis, outline: Floats | None, reach: LineExtent, height: int) -> tuple[float, int]:
    """Where the cut begins along the baseline, and how many columns it has: as far as the outline goes, but no more
    than one height beyond the baseline's ends."""
    first, last = 0.0, axis.length
    if outline is not None:
        first = max(min(first, outline[:, 0].min()), -reach.height)
        last = min(max(last, outline[:, 0].max()), axis.length + reach.height)
    return first, max(1, round((last - first) * height / reach.height))


def line_extents(lines: Sequence[Line], page_height: int) -> list[LineExtent]:
    """Return the extent of each line of a page.

    Extents far from the page's median height are moved towards it, and none is too thin for its length.
    """
    distances = _distances(lines, page_height)
    found = [
        _outlined(line) or LineExtent(up=ABOVE * d, down=BELOW * d) for line, d in zip(lines, distances, strict=True)
    ]
    median = float(np.median([reach.height for reach in found])) if found else 0.0
    held = []
    for line, reach in zip(lines, found, strict=True):
        least = max(SMALLEST * median, _length(line.baseline) / LONGEST, 1.0)
        height = max(min(reach.height, LARGEST * median), least)
        held.append(reach.times(height / reach.height))
    return held


def _length(points: Points) -> float:
    return float(np.hypot(*np.diff(np.asarray(points, dtype=np.float64), axis=0).T).sum())


def _outlined(line: Line) -> LineExtent | None:
    """By the upper and lower edges of the outline, seen from the baseline; None where it tells nothing."""
    if not line.polygon:
        return None
    axis = baseline_axis(line.baseline, line.box.height)
    s, t = axis.locate(line.polygon).T
    at = np.linspace(s.min(), s.max(), 101)[1:-1]
    lowest, highest = outline_edges(np.stack([s, t], axis=1), at)
    if np.isnan(highest).all():
        return None
    up, down = np.nanpercentile(highest, _TALLEST), -np.nanpercentile(lowest, 100 - _TALLEST)
    if up + down < 2:
        return None
    margin = _MARGIN * (up + down)
    return LineExtent(up=float(max(up, 0) + margin), down=float(max(down, 0) + margin))


def _distances(lines: Sequence[Line], page_height: int) -> list[float]:
    """The distance of each baseline to the nearest one above or below it that it overlaps, in pixels; the page's median
    for lines that have none."""
    middles = np.array([np.mean([y for _, y in line.baseline]) for line in lines])
    lefts = np.array([min(x for x, _ in line.baseline) for line in lines])
    rights = np.array([max(x for x, _ in line.baseline) for line in lines])
    shared = np.minimum(rights[:, None], rights) - np.maximum(lefts[:, None], lefts)
    apart = np.abs(middles[:, None] - middles)
    # Pieces of one line of writing stand beside each other and hardly overlap.
    neighbours = shared > 0.3 * np.minimum((rights - lefts)[:, None], rights - lefts)
    np.fill_diagonal(neighbours, False)
    nearest = np.where(neighbours & (apart > 0), apart, np.inf).min(axis=1, initial=np.inf)
    known = nearest[np.isfinite(nearest)]
    usual = float(np.median(known)) if len(known) else page_height / LINES_ON_PAGE
    return [float(min(d, LARGEST * usual)) if np.isfinite(d) else usual for d in nearest]


def _sampled(picture: Picture, points: Floats, up: Floats, t: Floats) -> tuple[Singles, NDArray[np.bool_]]:
    """Grey values at P + t · U (H×W), and which of them are on the page."""
    factor = max(1, int(abs(t[0] - t[-1]) / max(1, len(t) - 1) + 1e-6))
    edges_of_cut = np.concatenate([points + t[0] * up, points + t[-1] * up])
    # So that a level line meets the squares that are reduced at their middles.
    left, top = (max(0, int(edge)) for edge in edges_of_cut.min(axis=0) - factor / 2 + 1e-6)
    right, bottom = (max(0, int(edge)) for edge in edges_of_cut.max(axis=0) + factor + 2)
    crop = _grey(picture[top:bottom, left:right])
    # Places in the reduced crop, where a pixel's value stands at its middle; single precision is enough and faster.
    near = ((points - (left, top)) / factor - 0.5).astype(np.float32)
    along, rise = (up / factor).astype(np.float32), t.astype(np.float32)[:, None]
    x, y = (near[:, i] + rise * along[:, i] for i in (0, 1))
    height, width = picture.shape[:2]
    on_page = _between(x, left, width, factor) & _between(y, top, height, factor)
    if crop.size == 0:
        return np.full(x.shape, 255, dtype=np.float32), np.zeros(x.shape, dtype=bool)
    return _bilinear(_reduced(crop, factor), x, y), on_page


def _between(places: Singles, start: int, size: int, factor: int) -> NDArray[np.bool_]:
    """Whether places in the reduced crop that begins at ``start`` are within the ``size`` of the page."""
    return (places >= -start / factor - 0.5) & (places <= (size - start) / factor - 0.5)


def _grey(picture: Picture) -> NDArray[np.uint16]:
    """ITU-R 601 luma in 1/256, as Pillow's."""
    if picture.ndim == 2:
        return picture.astype(np.uint16)
    if picture.shape[2] == 1:
        return picture[..., 0].astype(np.uint16)
    red, green, blue = (picture[..., i].astype(np.uint16) for i in range(3))
    return (77 * red + 150 * green + 29 * blue) // np.uint16(256)


def _reduced(grey: NDArray[np.uint16], factor: int) -> Singles:
    """Means over squares of ``factor`` pixels; the edges are repeated to make them whole."""
    if factor == 1:
        return grey.astype(np.float32)
    padded = np.pad(grey, [(0, -size % factor) for size in grey.shape], mode="edge")
    rows = sum(padded[i::factor].astype(np.float32) for i in range(factor))
    assert isinstance(rows, np.ndarray)
    total: Singles = np.add.reduce([rows[:, i::factor] for i in range(factor)])
    return total / np.float32(factor * factor)


def _bilinear(grey: Singles, x: Singles, y: Singles) -> Singles:
    height, width = grey.shape
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = np.minimum(x.astype(np.int32), max(0, width - 2)), np.minimum(y.astype(np.int32), max(0, height - 2))
    across, down = x - left.astype(np.float32), y - top.astype(np.float32)
    flat, corner = grey.ravel(), top * width + left
    right, below = (1 if width > 1 else 0), (width if height > 1 else 0)
    first, second = flat.take(corner), flat.take(corner + right)
    third, fourth = flat.take(corner + below), flat.take(corner + below + right)
    upper, lower = first + (second - first) * across, third + (fourth - third) * across
    values: Singles = upper + (lower - upper) * down
    return values


def _filled(outline: Floats, s: Floats, t: Floats) -> NDArray[np.bool_]:
    """Which places (H×W, ``t`` falling) lie inside the outline: even-odd, counting the edges crossed from above."""
    (s0, t0), (s1, t1) = outline.T, np.roll(outline, -1, axis=0).T
    across = (np.minimum(s0, s1)[:, None] <= s) & (s < np.maximum(s0, s1)[:, None])
    edge, column = across.nonzero()
    slope = (t1 - t0)[edge] / (s1 - s0)[edge]
    crossing = t0[edge] + slope * (s[column] - s0[edge])
    row = np.searchsorted(-t, -crossing)
    counts = np.bincount(row * len(s) + column, minlength=(len(t) + 1) * len(s)).reshape(len(t) + 1, len(s))
    inside: NDArray[np.bool_] = counts.cumsum(axis=0)[:-1] % 2 == 1
    return inside


def _on_background(values: Singles, inside: NDArray[np.bool_]) -> Picture:
    """``values`` where ``inside``, else the paper's value within about one height along the line: the quartile on the
    side of the commoner values, because a tight outline may hold more ink than paper in places."""
    height, width = values.shape
    held = values[inside]
    if not held.size:
        return np.full((height, width), 255, dtype=np.uint8)
    dark, middle, light = (_quantile(held, share) for share in (0.05, 0.5, 0.95))
    quartile = 0.75 if middle - dark >= light - middle else 0.25
    starts = np.arange(0, width, height)
    pieces = (values[:, i : i + height][inside[:, i : i + height]] for i in starts)
    paper = [_quantile(piece, quartile) if piece.size else middle for piece in pieces]
    background = np.interp(np.arange(width), np.minimum(starts + height / 2, width), paper)
    return np.rint(np.where(inside, values, background)).astype(np.uint8)


def _quantile(values: Singles, share: float) -> float:
    """Without interpolation, which is a fifth of the work."""
    place = round(share * (values.size - 1))
    return float(np.partition(values, place)[place])
