"""Regions of a page from lines in reading order: columns and paragraphs, marginal notes, initials.

The kinds are those of the SegmOnto vocabulary (Gabay, Pinche, Christensen & Camps, "SegmOnto: A Controlled Vocabulary
to Describe and Process Digital Facsimiles", 2023). A line belongs to the region of the one above it, no farther than a
gap between paragraphs, or of the one before it in the same row.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from capas.page_formats.layout.reading_order import Role, line_roles, line_spacing
from capas.page_formats.page import Box, Line, bounding_box

REGION_KINDS: Final[dict[Role, str]] = {"text": "MainZone", "note": "MarginTextZone", "initial": "DropCapitalZone"}
# In usual distances between lines; and the share of the shorter line that must lie beneath the other.
MAX_LINE_GAP: Final = 2.5
BENEATH: Final = 0.3


def assign_regions(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines (in reading order) with a ``region`` each, whose name begins with its kind (``region_kind``)."""
    distance = line_spacing(lines)
    found = list[Line]()
    counts: dict[Role, int] = {}
    for line, role in zip(lines, line_roles(lines), strict=True):
        kind = REGION_KINDS[role]
        alike = [one for one in found if region_kind(one.region) == kind] if role != "initial" else []
        above = next((one for one in reversed(alike) if _beneath(one, line, distance)), None)
        if above is None and alike and alike[-1] is found[-1] and _beside(found[-1], line, distance):
            above = found[-1]
        if above is None:
            counts[role] = counts.get(role, 0) + 1
        found.append(replace(line, region=f"{kind}_{counts[role]}" if above is None else above.region))
    return tuple(found)


def region_kind(region: str) -> str:
    """Return the kind of a region named by ``assign_regions``; "" for other names.

    >>> region_kind("MarginTextZone_2"), region_kind("r1")
    ('MarginTextZone', '')
    """
    kind = region.rpartition("_")[0]
    return kind if kind in REGION_KINDS.values() else ""


def _beneath(above: Line, below: Line, distance: float) -> bool:
    a, b = bounding_box(above.baseline), bounding_box(below.baseline)
    shared = min(a.right, b.right) - max(a.left, b.left)
    return shared >= BENEATH * min(a.width, b.width) and 0 < _drop(a, b) <= MAX_LINE_GAP * distance


def _beside(last: Line, next_one: Line, distance: float) -> bool:
    """Whether the second goes on in the row of the first."""
    a, b = bounding_box(last.baseline), bounding_box(next_one.baseline)
    return abs(_drop(a, b)) < distance / 2 and max(a.left, b.left) - min(a.right, b.right) < distance


def _drop(above: Box, below: Box) -> float:
    return (below.top + below.bottom - above.top - above.bottom) / 2
