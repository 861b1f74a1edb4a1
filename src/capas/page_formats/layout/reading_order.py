"""The reading order of lines that have none.

Breuel, "High Performance Document Layout Analysis", Symposium on Document Image Understanding Technology, 2003: a
partial order of the lines, completed by a topological sort. Line a is read before line b

    1. if their extents across the page overlap and a is above b;
    2. if a lies wholly to the left of b and no line c that stands between them in height overlaps both across the page:
       then they are in different columns of the same part.

Where we deviate: the page's skew is taken out first, the median of its baselines' angles; a little overlap counts as
none; and marginal notes come behind the text that they stand beside, because they would interrupt it: short lines
outside everything that long lines cover. What is as short as a letter or two is no note: to the left of the text it is
an initial, and is read before the line that it begins.

Legend: N lines.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from capas.page_formats.page import Line, Points

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Role = Literal["text", "note", "initial"]

# So much of the shorter line may lie beneath another one without being in its column.
TOUCH: Final = 0.15
# A line is long where it reaches this share of the usual length, the one at or above which half of all writing is.
LONG: Final = 0.6
# Shorter than so many distances between lines: an initial.
INITIAL: Final = 1.5


def sort_reading_order(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines in reading order, with ``order`` 0, 1, …; writing runs from left to right."""
    if not lines:
        return ()
    notes, _, places = _beside(*_standing(lines))
    groups = (np.flatnonzero(~notes), np.flatnonzero(notes))
    order = [int(group[i]) for group in groups for i in _sorted(places[group])]
    return tuple(replace(lines[i], order=place) for place, i in enumerate(order))


def line_roles(lines: Sequence[Line]) -> tuple[Role, ...]:
    """Return the role of each line: text, marginal note, or initial."""
    if not lines:
        return ()
    notes, initials, _ = _beside(*_standing(lines))
    return tuple("note" if note else "initial" if initial else "text"
                 for note, initial in zip(notes.tolist(), initials.tolist(), strict=True))  # fmt: skip


def line_spacing(lines: Sequence[Line]) -> float:
    """Return the typical distance in pixels from a line to the nearest above or below it; 0 where none has one."""
    return _distance(_places([line.baseline for line in lines])) if lines else 0.0


def _standing(lines: Sequence[Line]) -> tuple[Floats, Floats]:
    """The places of the lines, and how far each reaches above its baseline."""
    rises = np.array([np.mean(line.baseline, axis=0)[1] - line.box.top for line in lines])
    return _places([line.baseline for line in lines]), rises


def _places(baselines: Sequence[Points]) -> Floats:
    """N×3: left end, right end and height (y) of each baseline, on a page that is not skewed."""
    ends = np.array([(*baseline[0], *baseline[-1]) for baseline in baselines])
    middles = np.array([np.mean(baseline, axis=0) for baseline in baselines])
    across, down = ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1]
    angles = np.where(np.abs(across) > np.abs(down), np.arctan(down / np.where(across == 0, 1, across)), 0.0)
    skew = _weighted_median(angles, np.hypot(across, down))
    x, y = np.cos(skew), np.sin(skew)
    first, last = ends[:, 0] * x + ends[:, 1] * y, ends[:, 2] * x + ends[:, 3] * y
    height = middles[:, 1] * x - middles[:, 0] * y
    return np.stack([np.minimum(first, last), np.maximum(first, last), height], axis=1)


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = values.argsort()
    return float(values[order][np.searchsorted(weights[order].cumsum(), weights.sum() / 2)])


def _overlap(a: Floats, b: Floats) -> Flags:
    """Whether each of ``a`` overlaps each of ``b`` across the page."""
    shared = np.minimum(a[:, None, 1], b[:, 1]) - np.maximum(a[:, None, 0], b[:, 0])
    shorter = np.minimum((a[:, 1] - a[:, 0])[:, None], b[:, 1] - b[:, 0])
    return shared > TOUCH * shorter


def _distance(places: Floats) -> float:
    height = places[:, 2]
    column = _overlap(places, places) & (height[:, None] != height)
    apart = np.where(column, np.abs(height[:, None] - height), np.inf).min(axis=1)
    known = apart[np.isfinite(apart)]
    return float(np.median(known)) if known.size else 0.0


def _beside(places: Floats, rises: Floats) -> tuple[Flags, Flags, Floats]:
    """Which lines are notes beside the text, and which are initials; and the places with initials moved into the text,
    above the line that they begin. ``rises``: how far each line's outline reaches above its baseline."""
    left, right, _ = places.T
    lengths = right - left
    long = lengths >= LONG * _weighted_median(lengths, lengths)
    distance = _distance(places)
    before, after = left[long].min(), right[long].max()
    outside = ~long & ((right <= before + TOUCH * lengths) | (left >= after - TOUCH * lengths))
    short = lengths <= INITIAL * distance
    initial = outside & short & (right <= before + TOUCH * lengths)
    moved = places.copy()
    moved[initial, 1] = before + lengths[initial]
    moved[initial, 2] -= np.maximum(distance / 2, rises[initial] - distance / 4)
    return outside & ~short, initial, moved


def _before(places: Floats) -> Flags:
    """N×N: whether a is read before b, by the two rules."""
    overlap, height = _overlap(places, places), places[:, 2]
    before = overlap & (height[:, None] < height)
    middle = places[:, :2].mean(axis=1)
    for a in range(len(places)):
        right = ~overlap[a] & (middle > middle[a])
        low, high = np.minimum(height, height[a]), np.maximum(height, height[a])
        between = overlap[a][:, None] & overlap & (low < height[:, None]) & (height[:, None] < high)
        before[a] |= right & ~between.any(axis=0)
    np.fill_diagonal(before, False)
    return before


def _sorted(places: Floats) -> list[int]:
    """A topological order; of several possible lines the highest comes first. Where the rules contradict each other,
    the line with the fewest before it goes on."""
    before = _before(places)
    waiting, order = before.sum(axis=0).astype(np.float64), list[int]()
    for _ in range(len(places)):
        free = np.flatnonzero(waiting == waiting.min())
        chosen = int(free[np.lexsort((places[free, 0], places[free, 2]))[0]])
        order.append(chosen)
        waiting -= before[chosen]
        waiting[chosen] = np.inf
    return order
