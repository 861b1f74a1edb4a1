"""Reads PAGE XML (PRImA research lab), versions 2013 to 2019, and the ``Point`` elements of those before.

Text regions become regions, nested ones too, and so do the cells of tables; what else a page holds (images, separators,
tables' rules) is ignored, but no line is: one that lies elsewhere comes last, without a region. The order is that of
``ReadingOrder``, with what it does not name at the end; the lines of a region are in the order of the file, or of
Transkribus' ``readingOrder {index:…}`` where all have one.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from capas.core.errors import CapasError
from capas.page_formats.geometry import PageBuilder, page_side, parse_points
from capas.page_formats.page import BaselineFault, Line, ParsedPage, Points, Region, Word, bounding_box
from capas.page_formats.xml import (
    find_children,
    find_descendants,
    find_first,
    local_name,
    parse_fraction,
    parse_xml_number,
    read_xml,
)

# The region that we write around lines that lie in none.
NO_REGION: Final = "lines_without_region"
_REGIONS: Final = ("TextRegion", "TableCell")


def read_pagexml(path: Path) -> ParsedPage:
    """Read the page of a PAGE file. Raises CapasError ``page_size``, ``page_count``, and those of ``read_xml``."""
    root = read_xml(path, "PcGts")
    pages = list(find_children(root, "Page"))
    if len(pages) != 1:
        raise CapasError("page_count", where=path, received=len(pages))
    width, height = (
        page_side(parse_xml_number(pages[0].get(name)), str(path)) for name in ("imageWidth", "imageHeight")
    )
    gathered = PageBuilder(where=str(path), width=width, height=height, image=pages[0].get("imageFilename", ""))
    regions = list(find_descendants(pages[0], *_REGIONS))
    names = [region.get("id") or f"region_{i}" for i, region in enumerate(regions, 1)]
    for region, name in zip(regions, names, strict=True):
        outline, _ = _coords(region, "Coords")
        if not name.startswith(NO_REGION):
            gathered.regions.append(Region(id=name, kind=_kind(region), polygon=outline if len(outline) > 2 else ()))
    for region, name in _in_reading_order(pages[0], list(zip(regions, names, strict=True))):
        for line in _by_index(list(find_children(region, "TextLine"))):
            _add_line(gathered, line, "" if name.startswith(NO_REGION) else name)
    placed = {line for region in regions for line in find_children(region, "TextLine")}
    for line in find_descendants(pages[0], "TextLine"):
        if line not in placed:
            _add_line(gathered, line, "")
    return ParsedPage(page=gathered.page(), skipped=tuple(gathered.skipped))


def _in_reading_order(page: Element, regions: list[tuple[Element, str]]) -> list[tuple[Element, str]]:
    order = find_first(page, "ReadingOrder")
    places = {} if order is None else {name: place for place, name in enumerate(_references(order))}
    return sorted(regions, key=lambda pair: places.get(pair[1], len(places)))


def _references(group: Element) -> Iterator[str]:
    """The ids that a group names, in order; groups within groups where their index says."""
    for child in sorted(group, key=lambda child: parse_xml_number(child.get("index")) or 0.0):
        if "regionRef" in child.attrib:
            yield child.get("regionRef", "")
        yield from _references(child)


def _custom(element: Element, name: str, key: str) -> str:
    """A value of Transkribus' ``custom="name {key:value;} other {…}"``, "" where there is none.

    In one pass: the attribute may have megabytes.
    """
    for group in element.get("custom", "").split("}"):
        before, _, inside = group.partition("{")
        if before.split()[-1:] != [name]:
            continue
        for pair in inside.split(";"):
            found, separator, value = pair.partition(":")
            if separator and found.strip() == key:
                return value.strip()
    return ""


def _kind(region: Element) -> str:
    return region.get("type") or _custom(region, "structure", "type")


def _by_index(lines: list[Element]) -> list[Element]:
    places = [parse_xml_number(_custom(line, "readingOrder", "index")) for line in lines]
    known = [place for place in places if place is not None]
    if len(known) < len(lines):
        return lines
    return [line for _, line in sorted(zip(known, lines, strict=True), key=lambda pair: pair[0])]


def _coords(element: Element, name: str) -> tuple[Points, BaselineFault | None]:
    """The points of ``Coords`` or ``Baseline``; () where there are none."""
    held = find_first(element, name)
    if held is None:
        return (), None
    points = parse_points(held.get("points", ""))
    if points == ():
        parts = [f"{point.get('x')},{point.get('y')}" for point in find_children(held, "Point")]
        points = parse_points(" ".join(parts))
    return (points, None) if points is not None else ((), "bad_number")


def _add_line(gathered: PageBuilder, element: Element, region: str) -> None:
    baseline, fault = _coords(element, "Baseline")
    outline, outline_fault = _coords(element, "Coords")
    words = tuple(word for child in find_children(element, "Word") if (word := _word(child)) is not None)
    text, confidence = _text(element)
    line = Line(
        id=element.get("id", ""), baseline=baseline, polygon=() if outline == baseline else outline, region=region,
        text=text or " ".join(word.text for word in words), confidence=confidence, words=words,
    )  # fmt: skip
    # Without a baseline the outline stands for it.
    gathered.add(line, fault or (None if baseline else outline_fault))


def _word(element: Element) -> Word | None:
    outline, _ = _coords(element, "Coords")
    text, confidence = _text(element)
    if not text or len(outline) < 2:
        return None
    return Word(text=text, box=bounding_box(outline), confidence=confidence, id=element.get("id", ""))


def _text(element: Element) -> tuple[str, float | None]:
    """The text of the first alternative, and its confidence."""
    alternatives: Sequence[Element] = list(find_children(element, "TextEquiv"))
    if not alternatives:
        return "", None
    best = min(alternatives, key=lambda one: parse_xml_number(one.get("index")) or 0.0)
    held = {local_name(child): child.text or "" for child in best}
    return (held.get("Unicode") or held.get("PlainText") or "").strip(), parse_fraction(best.get("conf"))
