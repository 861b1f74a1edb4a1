"""The page model: image, regions and lines with their text.

Coordinates are pixels of the page's image, x to the right and y down, (0, 0) its upper left corner.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from capas.core.i18n import say

Point = tuple[float, float]
Points = tuple[Point, ...]
BaselineFault = Literal["no_points", "one_point", "no_length", "off_page", "bad_number"]

# Tools round, and draw outlines over the edge: so much of the longer side is still "on the page", and is cut to it.
MAX_OVERHANG: Final = 0.02
# Of a baseline, in pixels: coordinates are kept and written rounded, and a shorter one might come back without length.
MIN_BASELINE_LENGTH: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """From (``left``, ``top``) to (``right``, ``bottom``), in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def corners(self) -> Points:
        """The four corners, clockwise from the upper left one."""
        return ((self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom))


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word of a line; ``confidence`` in [0, 1], None where unknown."""

    text: str
    box: Box
    confidence: float | None = None
    id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of text.

    Attributes:
        id: Its id in the file.
        baseline: Two or more points in the direction of writing.
        polygon: The outline; () where unknown.
        text: Its text; "" where not transcribed.
        region: Id of its region; "" for none.
        order: Position in the page's reading order from 0 on; None where unknown.
        confidence: Confidence of the text in [0, 1]; None where unknown.
        words: Its words.
        original_text: The text before normalisation, word by word; "" where it was not normalised.
    """

    id: str
    baseline: Points
    polygon: Points = ()
    text: str = ""
    region: str = ""
    order: int | None = None
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    original_text: str = ""

    @property
    def box(self) -> Box:
        """The bounding box of the outline, or of the baseline where there is none."""
        return bounding_box(self.polygon or self.baseline)


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A text region; ``kind`` in the words of its source ("paragraph", "MainZone"), or ""."""

    id: str
    kind: str = ""
    polygon: Points = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of ``width`` × ``height`` pixels of the image ``image``; ``lines`` in reading order where it is known."""

    width: int
    height: int
    image: str = ""
    regions: tuple[Region, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def text(self) -> str:
        """The text of the lines, separated by line breaks."""
        return "\n".join(line.text for line in self.lines)

    def by_region(self) -> tuple[tuple[Region | None, tuple[Line, ...]], ...]:
        """The regions, each with its lines in order; first, under None, the lines that lie in none of them."""
        names = {region.id for region in self.regions}
        outside = tuple(line for line in self.lines if line.region not in names)
        held = [(region, tuple(line for line in self.lines if line.region == region.id)) for region in self.regions]
        return (*(((None, outside),) if outside else ()), *held)


@dataclass(frozen=True, kw_only=True, slots=True)
class SkippedLine:
    """A line left out because of its geometry: its id (or number) and the reason."""

    line: str
    reason: BaselineFault

    def sentence(self) -> str:
        """The reason, in the current language."""
        return say(f"pages.{self.reason}", line=self.line)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedPage:
    """A page as it was parsed, and the lines that had to be left out."""

    page: Page
    skipped: tuple[SkippedLine, ...] = ()


def bounding_box(points: Sequence[Point]) -> Box:
    """Return the bounding box of ``points``. Raises ValueError where there are none."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Box(left=min(xs), top=min(ys), right=max(xs), bottom=max(ys))


def baseline_fault(baseline: Points, width: int, height: int) -> BaselineFault | None:
    """Return why nothing can be cropped along ``baseline`` on a page of this size; None where it can."""
    if not baseline:
        return "no_points"
    if len(baseline) == 1:
        return "one_point"
    edge = MAX_OVERHANG * max(width, height)
    if any(not (-edge <= x <= width + edge and -edge <= y <= height + edge) for x, y in baseline):
        return "off_page"
    box = bounding_box(baseline)
    return "no_length" if max(box.width, box.height) < MIN_BASELINE_LENGTH else None


def clip_to_page(points: Points, width: int, height: int) -> Points:
    """Return ``points`` moved to the nearest position on the page."""
    return tuple((min(max(x, 0), width), min(max(y, 0), height)) for x, y in points)


def scale_page(page: Page, width: int, height: int) -> Page:
    """Return the page scaled to an image of ``width`` × ``height`` pixels.

    For files that count in other units or describe an image of another size.

    Raises:
        ValueError: Either has no size.
    """
    if (width, height) == (page.width, page.height):
        return page
    if min(width, height, page.width, page.height) < 1:
        raise ValueError(f"{page.width} × {page.height} to {width} × {height}; expected 1 or more")
    by = (width / page.width, height / page.height)
    return replace(
        page, width=width, height=height,
        regions=tuple(replace(region, polygon=_times(region.polygon, by)) for region in page.regions),
        lines=tuple(_scaled_line(line, by) for line in page.lines),
    )  # fmt: skip


def _scaled_line(line: Line, by: Point) -> Line:
    words = tuple(replace(word, box=bounding_box(_times(word.box.corners, by))) for word in line.words)
    return replace(line, baseline=_times(line.baseline, by), polygon=_times(line.polygon, by), words=words)


def _times(points: Points, by: Point) -> Points:
    return tuple((x * by[0], y * by[1]) for x, y in points)
