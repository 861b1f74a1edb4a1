"""TEI P5 (https://tei-c.org/guidelines/p5/) read: a facsimile with zones, and a text that points to them.

    <surface lrx="400" lry="400"><graphic url="12r.jpg"/>
      <zone xml:id="main"><zone xml:id="l1" type="line" points="…"><path type="baseline" points="…"/></zone></zone>
    <body> … <lb facs="#l1"/>text of the line …

A zone that a line beginning points to, or of type "line", is a line; other zones, but those of words, are regions. The
order is that of the text; lines that it lacks stand behind. Of a ``choice`` the expanded, regular or corrected side is
read.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from capas.core.errors import CapasError
from capas.pages.geometry import Gathered, page_side, points_of
from capas.pages.page import Box, Line, Points, Read, Region, Word
from capas.pages.xml import below, first, inside, name_of, number, read_xml, share

XML_ID: Final = "http://www.w3.org/XML/1998/namespace}id"


@dataclass(kw_only=True, slots=True)
class _Said:
    """What the text says behind one line beginning."""

    zone: str
    text: str = ""
    confidence: float | None = None
    words: list[tuple[str, str, float | None]] = field(default_factory=list)


def read_tei(path: Path) -> Read:
    """The page of a TEI file. Raises CapasError ``page_size``, ``page_count``, and those of ``read_xml``."""
    root = read_xml(path, "TEI")
    surfaces = [surface for facsimile in inside(root, "facsimile") for surface in below(facsimile, "surface")]
    if len(surfaces) != 1:
        raise CapasError("page_count", where=path, received=len(surfaces))
    width, height = (page_side(number(surfaces[0].get(name)), str(path)) for name in ("lrx", "lry"))
    graphic = first(surfaces[0], "graphic")
    image = "" if graphic is None else unquote(graphic.get("url", ""))
    gathered = Gathered(where=str(path), width=width, height=height, image=image)
    said = [one for text in inside(root, "text") for one in _said(text)]
    zones = {zone.get(XML_ID, ""): zone for zone in below(surfaces[0], "zone")}
    above = {child: zone for zone in zones.values() for child in inside(zone, "zone")}
    pointed = {one.zone for one in said}
    lines = {name for name, zone in zones.items() if zone.get("type") == "line" or name in pointed}
    for name, zone in zones.items():
        if name not in lines and zone.get("type") != "word":
            gathered.regions.append(Region(id=name, kind=zone.get("n", ""), polygon=_outline(zone)))
    silent = [_Said(zone=name) for name in zones if name in lines - pointed]
    for one in (*said, *silent):
        if one.zone in zones:
            parent = above.get(zones[one.zone])
            region = "" if parent is None else parent.get(XML_ID, "")
            _add_line(gathered, one, zones, "" if region in lines else region)
    return Read(page=gathered.page(), skipped=tuple(gathered.skipped))


def _said(text: Element) -> list[_Said]:
    """What stands behind each line beginning, up to the next one."""
    found = list[_Said]()

    def walk(element: Element) -> None:
        name, target = name_of(element), element.get("facs", "").removeprefix("#")
        if name == "lb" and target:
            found.append(_Said(zone=target))
        elif found and name == "w":
            found[-1].words.append((target, " ".join(_text(element).split()), share(element.get("cert"))))
        elif found and name == "seg":
            found[-1].confidence = share(element.get("cert"))
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
    other = {"abbr": "expan", "orig": "reg", "sic": "corr"}.get(name_of(child))
    return other is not None and name_of(parent) == "choice" and first(parent, other) is not None


def _text(element: Element) -> str:
    parts = [element.text or ""]
    for child in element:
        parts += ["" if _replaced(child, element) else _text(child), child.tail or ""]
    return "".join(parts)


def _add_line(gathered: Gathered, said: _Said, zones: dict[str, Element], region: str) -> None:
    zone = zones[said.zone]
    path = first(zone, "path")
    baseline = points_of("" if path is None else path.get("points", ""))
    words = [
        Word(text=text, box=box, confidence=confidence, id=name)
        for name, text, confidence in said.words
        if name in zones and (box := _box(zones[name])) is not None
    ]
    line = Line(
        id=said.zone, baseline=baseline or (), polygon=_outline(zone), text=" ".join(said.text.split()), region=region,
        confidence=said.confidence, words=tuple(words),
    )  # fmt: skip
    gathered.add(line, "bad_number" if baseline is None else None)


def _box(zone: Element) -> Box | None:
    left, top, right, bottom = (number(zone.get(name)) for name in ("ulx", "uly", "lrx", "lry"))
    if left is None or top is None or right is None or bottom is None:
        return None
    return Box(left=left, top=top, right=right, bottom=bottom)


def _outline(zone: Element) -> Points:
    """Its points, else its box; () where it has neither."""
    points, box = points_of(zone.get("points", "")), _box(zone)
    return points if points else box.corners if box is not None else ()
