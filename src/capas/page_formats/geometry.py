"""Geometry shared by the readers: parsing of points, checks against the page, baselines from outlines."""

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.page_formats.page import (
    BaselineFault,
    Box,
    Line,
    Page,
    Points,
    Region,
    SkippedLine,
    baseline_fault,
    clip_to_page,
)

MAX_SIDE: Final = 1_000_000
# Of a line's height so much is below the baseline, in most hands: descenders.
BELOW: Final = 0.2
_STEPS: Final = 17


def parse_points(text: str) -> Points | None:
    """Parse points written as "x,y x,y" or "x y x y"; None on anything else.

    >>> parse_points("1,2 3,4.5")
    ((1.0, 2.0), (3.0, 4.5))
    """
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        return None
    if len(numbers) % 2 or not all(map(math.isfinite, numbers)):
        return None
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def page_side(value: float | None, where: str) -> int:
    """Return a page's width or height. Raises CapasError ``page_size``."""
    if value is None or not 1 <= value <= MAX_SIDE:
        raise CapasError("page_size", where=where, received="?" if value is None else f"{value:g}", limit=MAX_SIDE)
    return math.ceil(value)


@dataclass(kw_only=True, slots=True)
class PageBuilder:
    """Collects what a reader finds of a page; ``where`` is its file."""

    where: str
    width: int
    height: int
    image: str = ""
    regions: list[Region] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    skipped: list[SkippedLine] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def add(self, line: Line, fault: BaselineFault | None = None) -> None:
        """Add a line, clipped to the page and numbered, with single spaces in its text; or record why it is left out.

        A line without a baseline gets one from its outline.
        """
        outline = clip_to_page(line.polygon, self.width, self.height) if len(line.polygon) > 2 else ()
        baseline = line.baseline or (baseline_from_outline(outline) if outline else ())
        cut = clip_to_page(
            baseline, self.width, self.height
        )  # what lies on the edge alone has no length once it is cut
        fault = (
            fault or baseline_fault(baseline, self.width, self.height) or baseline_fault(cut, self.width, self.height)
        )
        number = len(self.lines) + len(self.skipped) + 1
        name = line.id or f"line_{number}"
        if name in self._names:
            name = f"{name}_{number}"
        self._names.add(name)
        if fault is not None:
            self.skipped.append(SkippedLine(line=name, reason=fault))
            return
        text = " ".join(line.text.split())
        self.lines.append(replace(line, id=name, baseline=cut, polygon=outline, text=text, order=len(self.lines)))

    def page(self) -> Page:
        """Return the finished page."""
        return Page(width=self.width, height=self.height, image=self.image, regions=tuple(self.regions),
                    lines=tuple(self.lines))  # fmt: skip


def box_from_corner(left: float | None, top: float | None, width: float | None, height: float | None) -> Box | None:
    """Return a box from its corner and size; None where one is missing or there is no area."""
    if left is None or top is None or width is None or height is None or width <= 0 or height <= 0:
        return None
    return Box(left=left, top=top, right=left + width, bottom=top + height)


def baseline_from_outline(outline: Points) -> Points:
    """Return a straight baseline through an outline, a fifth of its height above its bottom; () if it has no width."""
    xs = np.array([x for x, _ in outline])
    if xs.max() - xs.min() <= 0:
        return ()
    at = np.linspace(xs.min(), xs.max(), _STEPS)[1:-1]
    tops, bottoms = outline_edges(outline, at)
    slope, start = np.polyfit(at, bottoms - BELOW * (bottoms - tops), 1)
    return tuple((float(x), float(start + slope * x)) for x in (xs.min(), xs.max()))


def outline_edges(
    outline: Points | NDArray[np.float64], at: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the greatest y of an outline at each x of ``at``, NaN outside."""
    points = np.asarray(outline, dtype=np.float64)
    (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    across = (np.minimum(x0, x1)[:, None] <= at) & (at <= np.maximum(x0, x1)[:, None]) & (x0 != x1)[:, None]
    slope = (y1 - y0) / np.where(x0 == x1, 1.0, x1 - x0)
    crossings = np.where(across, y0[:, None] + slope[:, None] * (at - x0[:, None]), np.nan)
    inside = across.any(axis=0)
    tops, bottoms = np.full(len(at), np.nan), np.full(len(at), np.nan)
    tops[inside], bottoms[inside] = np.nanmin(crossings[:, inside], axis=0), np.nanmax(crossings[:, inside], axis=0)
    return tops, bottoms
