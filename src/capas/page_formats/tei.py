"""Reads TEI P5 (https://tei-c.org/guidelines/p5/): a facsimile with zones, and a text that points to them.

    <surface lrx="400" lry="400"><graphic url="12r.jpg"/>
      <zone xml:id="main"><zone xml:id="l1" type="line" points="…"><path type="baseline" points="…"/></zone></zone>
    <body> … <lb facs="#l1"/>text of the line …

A zone that a line beginning points to, or of type "line", is a line; other zones, but those of words, are regions. The
order is that of the text; lines that it lacks come last. Of a ``choice`` the expanded, regular or corrected side is
read.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from capas.core.errors import CapasError
from capas.page_formats.geometry import PageBuilder, page_side, parse_points
from capas.page_formats.page import Box, Line, ParsedPage, Points, Region, Word
from capas.page_formats.xml import (
    find_children,
    find_descendants,
    find_first,
    local_name,
    parse_fraction,
    parse_xml_number,
    read_xml,
)

XML_ID: Final = "http://www.w3.org/XML/1998/namespace}id"


@dataclass(kw_only=True, slots=True)
class _LineText:
    """What the text says behind one line beginning."""

    zone: str
    text: str = ""
    confidence: float | None = None
    words: list[tuple[str, str, float | None]] = field(default_factory=list)


def read_tei(path: Path) -> ParsedPage:
    """Read the page of a TEI file. Raises CapasError ``page_size``, ``page_count``, and those of ``read_xml``."""
    root = read_xml(path, "TEI")
    surfaces = [
        surface for facsimile in find_children(root, "facsimile") for surface in find_descendants(facsimile, "surface")
    ]
    if len(surfaces) != 1:
        raise CapasError("page_count", where=path, received=len(surfaces))
    width, height = (page_side(parse_xml_number(surfaces[0].get(name)), str(path)) for name in ("lrx", "lry"))
    graphic = find_first(surfaces[0], "graphic")
    image = "" if graphic is None else unquote(graphic.get("url", ""))
    gathered = PageBuilder(where=str(path), width=width, height=height, image=image)
    line_texts = [one for text in find_children(root, "text") for one in _line_texts(text)]
    zones = {zone.get(XML_ID, ""): zone for zone in find_descendants(surfaces[0], "zone")}
    above = {child: zone for zone in zones.values() for child in find_children(zone, "zone")}
    pointed = {one.zone for one in line_texts}
    lines = {name for name, zone in zones.items() if zone.get("type") == "line" or name in pointed}
    for name, zone in zones.items():
        if name not in lines and zone.get("type") != "word":
            gathered.regions.append(Region(id=name, kind=zone.get("n", ""), polygon=_outline(zone)))
    silent = [_LineText(zone=name) for name in zones if name in lines - pointed]
    for one in (*line_texts, *silent):
        if one.zone in zones:
            parent = above.get(zones[one.zone])
            region = "" if parent is None else parent.get(XML_ID, "")
            _add_line(gathered, one, zones, "" if region in lines else region)
    return ParsedPage(page=gathered.page(), skipped=tuple(gathered.skipped))


def _line_texts(text: Element) -> list[_LineText]:
    """What stands behind each line beginning, up to the next one."""
    found = list[_LineText]()

    def walk(element: Element) -> None:
        name, target = local_name(element), element.get("facs", "").removeprefix("#")
        if name == "lb" and target:
            found.append(_LineText(zone=target))
        elif found and name == "w":
            found[-1].words.append((target, " ".join(_text(element).split()), parse_fraction(element.get("cert"))))
        elif found and name == "seg":
            found[-1].confidence = parse_fraction(element.get("cert"))
        if found:
            found[-1].text += element.text or ""
        for child in element:
            if not _replaced(child, element):
                walk(child)
            if found:
                found[-1].text += child.tail or ""

    walk(text)
    return found


def _replaced(child: Element, parent: Element) -> bool:
    """Whether ``child`` is the side of a ``choice`` that another one there takes the place of."""
    other = {"abbr": "expan", "orig": "reg", "sic": "corr"}.get(local_name(child))
    return other is not None and local_name(parent) == "choice" and find_first(parent, other) is not None


def _text(element: Element) -> str:
    parts = [element.text or ""]
    for child in element:
        parts += ["" if _replaced(child, element) else _text(child), child.tail or ""]
    return "".join(parts)


def _add_line(gathered: PageBuilder, line_texts: _LineText, zones: dict[str, Element], region: str) -> None:
    zone = zones[line_texts.zone]
    path = find_first(zone, "path")
    baseline = parse_points("" if path is None else path.get("points", ""))
    words = [
        Word(text=text, box=box, confidence=confidence, id=name)
        for name, text, confidence in line_texts.words
        if name in zones and (box := _box(zones[name])) is not None
    ]
    line = Line(
        id=line_texts.zone,
        baseline=baseline or (),
        polygon=_outline(zone),
        text=" ".join(line_texts.text.split()),
        region=region,
        confidence=line_texts.confidence,
        words=tuple(words),
    )
    gathered.add(line, "bad_number" if baseline is None else None)


def _box(zone: Element) -> Box | None:
    left, top, right, bottom = (parse_xml_number(zone.get(name)) for name in ("ulx", "uly", "lrx", "lry"))
    if left is None or top is None or right is None or bottom is None:
        return None
    return Box(left=left, top=top, right=right, bottom=bottom)


def _outline(zone: Element) -> Points:
    """Its points, else its box; () where it has neither."""
    points, box = parse_points(zone.get("points", "")), _box(zone)
    return points if points else box.corners if box is not None else ()
