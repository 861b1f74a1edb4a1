"""Reads hOCR 1.2 (https://kba.github.io/hocr-spec/1.2/): a page as HTML, well-formed or not.

Its baselines are polynomials, from the lower left corner of the line's box. What we write has the points as well, in
the attribute ``data-baseline``, and the kind of a region in ``data-kind``. The reading order is that of the property
``order`` where all lines have it, else that of the file.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import numpy as np

from capas.core.errors import CapasError
from capas.core.files import read_regular
from capas.page_formats.geometry import PageBuilder, page_side, parse_points
from capas.page_formats.page import Box, Line, ParsedPage, Points, Region, Word
from capas.page_formats.xml import MAX_BYTES, parse_xml_number

# hOCR's classes, and what they are to us.
_KINDS: Final = {
    "ocr_page": "page", "ocr_carea": "region", "ocrx_block": "region", "ocr_line": "line", "ocrx_line": "line",
    "ocr_header": "line", "ocr_caption": "line", "ocr_textfloat": "line", "ocrx_word": "word",
}  # fmt: skip
_VOID: Final = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})


MAX_OPEN: Final = 1000  # elements within elements; more than in XML, as HTML need not close all


def read_hocr(path: Path) -> ParsedPage:
    """Read the page of an hOCR file in UTF-8.

    Raises:
        CapasError: ``unreadable``, ``xml_too_large``, ``xml_encoding``, ``xml_broken``, ``page_count`` or
            ``page_size``.
    """
    reader = _Reader(str(path))
    reader.feed(_content(path))
    reader.close()
    if len(reader.pages) != 1:
        raise CapasError("page_count", where=path, received=len(reader.pages))
    page = reader.pages[0]
    box = page.box
    width, height = (page_side(side, str(path)) for side in ((box.right, box.bottom) if box else (None, None)))
    gathered = PageBuilder(where=str(path), width=width, height=height, image=page.value("image").strip("\"'"))
    for region in reader.regions:
        gathered.regions.append(Region(id=region.name, kind=region.data.get("kind", ""), polygon=region.outline))
    places = [parse_xml_number(line.value("order")) for line, _, _ in reader.lines]
    known = [place for place in places if place is not None]
    order = range(len(places)) if len(known) < len(places) else sorted(range(len(known)), key=lambda i: known[i])
    for line, area, words in (reader.lines[i] for i in order):
        gathered.add(_line(line, "" if area is None else area.name, words))
    return ParsedPage(page=gathered.page(), skipped=tuple(gathered.skipped))


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CapasError("xml_too_large", where=path, received=path.stat().st_size, limit=MAX_BYTES)
        return read_regular(path, max_bytes=MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise CapasError("unreadable", where=path, received=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise CapasError("xml_encoding", where=path, received=str(error)) from error


@dataclass(kw_only=True, slots=True)
class _Element:
    """An element of the page: its id, the properties in its title, its ``data-`` attributes, and the text inside."""

    name: str
    title: str
    data: dict[str, str]
    text: str = ""

    def value(self, name: str) -> str:
        """A property: ``bbox 0 0 9 9; x_wconf 90`` has two."""
        found = re.search(rf"(?:^|;)\s*{name}\s+((?:\"[^\"]*\"|'[^']*'|[^;\"'])*)", self.title)
        return found[1].strip() if found else ""

    @property
    def box(self) -> Box | None:
        sides = parse_points(self.value("bbox"))
        if sides is None or len(sides) != 2:
            return None
        (left, top), (right, bottom) = sides
        return Box(left=left, top=top, right=right, bottom=bottom)

    @property
    def outline(self) -> Points:
        """The polygon, else the box; () where neither has an area, or the points of the baseline are all there is."""
        polygon, box = parse_points(self.value("poly")) or (), self.box
        if not polygon and "baseline" in self.data:
            return ()
        if len(polygon) > 2:
            return polygon
        return box.corners if box is not None and box.width > 0 and box.height > 0 else ()

    @property
    def confidence(self) -> float | None:
        percent = parse_xml_number(self.value("x_wconf"))
        return percent / 100 if percent is not None and 0 <= percent <= 100 else None


class _Reader(HTMLParser):
    """Collects the elements with hOCR's classes, whatever lies between them."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.pages: list[_Element] = []
        self.regions: list[_Element] = []
        self.lines: list[tuple[_Element, _Element | None, list[_Element]]] = []
        self._open: list[tuple[str, str, _Element]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        level = {name: value or "" for name, value in attrs}
        data = {name.removeprefix("data-"): value for name, value in level.items() if name.startswith("data-")}
        found = _Element(name=level.get("id", ""), title=level.get("title", ""), data=data)
        kind = next((_KINDS[name] for name in level.get("class", "").split() if name in _KINDS), "")
        if kind == "page":
            self.pages.append(found)
        elif kind == "region":
            found.name = found.name or f"region_{len(self.regions) + 1}"
            self.regions.append(found)
        elif kind == "line":
            self.lines.append((found, self._around("region"), []))
        elif kind == "word" and self._around("line") is not None:
            self.lines[-1][2].append(found)
        if tag not in _VOID:
            self._open.append((tag, kind, found))
        if len(self._open) > MAX_OPEN:  # each text looks through them
            raise CapasError("xml_broken", where=self.where, received=f"depth > {MAX_OPEN}")

    def handle_endtag(self, tag: str) -> None:
        """What was left open inside ends with it."""
        places = [i for i, (name, _, _) in enumerate(self._open) if name == tag]
        if places:
            del self._open[places[-1] :]

    def handle_data(self, data: str) -> None:
        for kind in ("line", "word"):
            found = self._around(kind)
            if found is not None:
                found.text += data

    def _around(self, kind: str) -> _Element | None:
        return next((found for _, own, found in reversed(self._open) if own == kind), None)


def _line(found: _Element, region: str, inside: list[_Element]) -> Line:
    words = [
        Word(text=" ".join(word.text.split()), box=box, confidence=word.confidence, id=word.name)
        for word in inside
        if (box := word.box) is not None and word.text.strip()
    ]
    return Line(
        id=found.name, baseline=_baseline(found), polygon=found.outline, region=region,
        text=" ".join(found.text.split()), confidence=found.confidence, words=tuple(words),
    )  # fmt: skip


def _baseline(found: _Element) -> Points:
    """The points in ``data-baseline``, else those of the polynomial: its ends where it is straight."""
    points, box = parse_points(found.data.get("baseline", "")), found.box
    if points and len(points) > 1:
        return points
    try:
        polynomial = np.array([float(part) for part in found.value("baseline").split()])
    except ValueError:
        return ()
    if not polynomial.size or box is None:
        return ()
    at = np.linspace(box.left, box.right, 2 if polynomial.size < 3 else 9)
    heights = box.bottom + np.polyval(polynomial, at - box.left)
    return tuple((float(x), float(y)) for x, y in zip(at, heights, strict=True))
