"""Reads ALTO (Analyzed Layout and Text Object, Library of Congress), versions 2, 3 and 4.

Text blocks become regions, also those inside composed blocks. The reading order is that of ``ReadingOrder`` (4.3) where
it names lines or blocks, else that of the file. Coordinates in tenths of a millimetre or 1/1200 inch stay what they
are: ``page.scale_page`` converts them to the image's pixels.
"""

from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from capas.core.errors import CapasError
from capas.page_formats.geometry import PageBuilder, box_from_corner, page_side, parse_points
from capas.page_formats.page import BaselineFault, Box, Line, ParsedPage, Points, Region, Word
from capas.page_formats.xml import (
    find_children,
    find_descendants,
    find_first,
    local_name,
    parse_fraction,
    parse_xml_number,
    read_xml,
)

# What we and eScriptorium write where lines lie in no region, though ALTO wants a block around them.
NO_BLOCK: Final = "lines_without_block"
_NO_BLOCKS: Final = (NO_BLOCK, "eSc_dummyblock_")


def read_alto(path: Path) -> ParsedPage:
    """Read the page of an ALTO file. Raises CapasError ``page_size``, ``page_count``, and those of ``read_xml``."""
    root = read_xml(path, "alto")
    pages = list(find_descendants(root, "Page"))
    if len(pages) != 1:
        raise CapasError("page_count", where=path, received=len(pages))
    width, height = _size(pages[0], str(path))
    image = find_first(root, "Description", "sourceImageInformation", "fileName")
    gathered = PageBuilder(where=str(path), width=width, height=height, image=_text(image))
    labels = {tag.get("ID", ""): tag.get("LABEL", "") for tags in find_children(root, "Tags") for tag in tags}
    named = [name for order in find_children(root, "ReadingOrder") for part in find_descendants(order, "ElementRef")
             for name in part.get("REF", "").split()]  # fmt: skip
    place = {name: i for i, name in reversed(list(enumerate(named)))}
    lines = list[tuple[int, Element, str]]()
    for block in find_descendants(pages[0], "TextBlock"):
        name = _add_block(gathered, block, labels)
        own = place.get(block.get("ID", ""), len(named))
        lines += [(place.get(line.get("ID", ""), own), line, name) for line in find_children(block, "TextLine")]
    for _, line, name in sorted(lines, key=lambda found: found[0]):
        _add_line(gathered, line, name)
    return ParsedPage(page=gathered.page(), skipped=tuple(gathered.skipped))


def _text(element: Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def _size(page: Element, where: str) -> tuple[int, int]:
    """The page's, else that of its print space."""
    space = find_first(page, "PrintSpace")
    box = None if space is None else _box(space)
    width, height = (parse_xml_number(page.get(name)) for name in ("WIDTH", "HEIGHT"))
    if box is not None:
        width, height = width or box.right, height or box.bottom
    return page_side(width, where), page_side(height, where)


def _box(element: Element) -> Box | None:
    left, top, width, height = (parse_xml_number(element.get(name)) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    return box_from_corner(left, top, width, height)


def _outline(element: Element) -> Points:
    """The polygon of its shape, else its box; () where it has neither."""
    polygon = find_first(element, "Shape", "Polygon")
    points = None if polygon is None else parse_points(polygon.get("POINTS", ""))
    box = _box(element)
    return points if points and len(points) > 2 else box.corners if box is not None else ()


def _add_block(gathered: PageBuilder, block: Element, labels: dict[str, str]) -> str:
    """Keep a block as a region; its name, "" where it only stands for there being none."""
    name = block.get("ID", "")
    if name.startswith(_NO_BLOCKS):
        return ""
    name = name or f"block_{len(gathered.regions) + 1}"
    kind = next((labels[tag] for tag in block.get("TAGREFS", "").split() if tag in labels), "")
    gathered.regions.append(Region(id=name, kind=kind, polygon=_outline(block)))
    return name


def _add_line(gathered: PageBuilder, element: Element, region: str) -> None:
    words, text = _words(element), _line_text(element)
    confidences = [parse_fraction(string.get("WC")) for string in find_children(element, "String")]
    known = [value for value in confidences if value is not None]
    outline = _outline(element)
    baseline, fault = _baseline(element)
    line = Line(
        id=element.get("ID", ""), baseline=baseline, polygon=outline, text=text, region=region,
        confidence=sum(known) / len(known) if known else None, words=words,
    )  # fmt: skip
    gathered.add(line, fault)


def _baseline(element: Element) -> tuple[Points, BaselineFault | None]:
    """The line's baseline: points since version 4.1, before that one height for the whole line."""
    written = element.get("BASELINE", "").strip()
    points, height, box = parse_points(written), parse_xml_number(written), _box(element)
    if height is not None:
        return (((box.left, height), (box.right, height)), None) if box is not None else ((), "one_point")
    return (points, None) if points is not None else ((), "bad_number")


def _words(line: Element) -> tuple[Word, ...]:
    """The strings of a line, unless there is one that holds the whole line."""
    strings = list(find_children(line, "String"))
    if len(strings) == 1 and (" " in strings[0].get("CONTENT", "") or not strings[0].get("ID")):
        return ()
    found = []
    for string in strings:
        box, content = _box(string), string.get("CONTENT", "")
        if box is not None and content:
            found.append(
                Word(text=content, box=box, confidence=parse_fraction(string.get("WC")), id=string.get("ID", ""))
            )
    return tuple(found)


def _line_text(line: Element) -> str:
    """The strings with the spaces between them; files without any space mean one between any two strings."""
    parts = list(find_children(line, "String", "SP", "HYP"))
    spaced = any(local_name(part) == "SP" for part in parts)
    text = ""
    for part in parts:
        if local_name(part) == "SP":
            text += " "
        else:
            between = text and not spaced and local_name(part) == "String"
            text += (" " if between else "") + part.get("CONTENT", "")
    return text.strip()
