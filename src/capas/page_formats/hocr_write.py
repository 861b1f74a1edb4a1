"""Writes hOCR 1.2 as XHTML: https://kba.github.io/hocr-spec/1.2/. Its coordinates are whole pixels.

For other programs a baseline is the straight line that fits best; its own points are in ``data-baseline``.
"""

from typing import Final
from xml.etree.ElementTree import Element

import numpy as np

from capas.page_formats.page import Box, Line, Page, Points, bounding_box
from capas.page_formats.provenance import Provenance
from capas.page_formats.xml import XmlIds, add_child, xml_bytes

_CAPABILITIES: Final = "ocr_page ocr_carea ocr_line ocrx_word ocrp_wconf ocrp_poly"


def to_hocr(page: Page, provenance: Provenance) -> bytes:
    """Return the hOCR file of a page; ``provenance`` is written as its ``meta`` elements."""
    ids = XmlIds()
    root = Element("html", {"xmlns": "http://www.w3.org/1999/xhtml"})
    head = add_child(root, "head")
    add_child(head, "title", text=page.image or "hOCR")
    facts = {"ocr-system": f"{provenance.software} {provenance.version}", "ocr-capabilities": _CAPABILITIES,
             "ocr-number-of-pages": "1", "dcterms.created": provenance.created}  # fmt: skip
    facts |= {f"x-{name}": value for name, value in provenance.settings}
    for name, value in facts.items():
        add_child(head, "meta", {"name": name, "content": value})
    whole = Box(left=0, top=0, right=page.width, bottom=page.height)
    image = page.image.replace('"', "'")
    sheet = add_child(add_child(root, "body"), "div", {"class": "ocr_page", "id": ids.new("page"),
                                           "title": f'image "{image}"; {_bbox(whole)}; ppageno 0'})  # fmt: skip
    places = {line.id: i for i, line in enumerate(page.lines)}
    for region, lines in page.by_region():
        parent = sheet
        if region is not None:
            inside = [point for line in lines for point in (*line.baseline, *line.polygon)]
            box = bounding_box(region.polygon or inside or whole.corners)
            title = _title(_bbox(box), _poly(region.polygon))
            parent = add_child(sheet, "div", {"class": "ocr_carea", "id": ids.new(region.id), "title": title,
                                        "data-kind": region.kind or None})  # fmt: skip
        for line in lines:
            _add_line(parent, line, places[line.id], ids)
    return xml_bytes(root, closing_tags=True)


def _add_line(parent: Element, line: Line, place: int, ids: XmlIds) -> None:
    box = line.box
    straight = f"baseline {_straight(line.baseline, box)}"
    title = _title(_bbox(box), _poly(line.polygon), straight, f"order {place}", _wconf(line.confidence))
    element = add_child(parent, "span", {"class": "ocr_line", "id": ids.new(line.id), "title": title,
                                   "data-baseline": _points(line.baseline)})  # fmt: skip
    if not line.words or line.text != " ".join(word.text for word in line.words):
        element.text = line.text
        return
    for i, word in enumerate(line.words):
        name = ids.new(word.id or f"{line.id}_w{i + 1}")
        title = _title(_bbox(word.box), _wconf(word.confidence))
        add_child(element, "span", {"class": "ocrx_word", "id": name, "title": title}, word.text).tail = " "


def _title(*properties: str) -> str:
    return "; ".join(one for one in properties if one)


def _bbox(box: Box) -> str:
    return f"bbox {round(box.left)} {round(box.top)} {round(box.right)} {round(box.bottom)}"


def _points(points: Points) -> str:
    return " ".join(f"{round(x)} {round(y)}" for x, y in points)


def _poly(polygon: Points) -> str:
    return f"poly {_points(polygon)}" if polygon else ""


def _wconf(confidence: float | None) -> str:
    return "" if confidence is None else f"x_wconf {100 * confidence:.6g}"


def _straight(baseline: Points, box: Box) -> str:
    """Slope and offset from the lower left corner of the box."""
    x, y = np.array(baseline).T
    slope, offset = np.polyfit(x - round(box.left), y - round(box.bottom), 1) if np.ptp(x) > 0 else (0.0, 0.0)
    return f"{slope:.4f} {offset:.2f}"
