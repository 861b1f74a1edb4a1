"""Writes PAGE XML in the version of 2019-07-15: https://github.com/PRImA-Research-Lab/PAGE-XML.

Its coordinates are whole pixels. It needs an outline of everything: a line without one gets its baseline for it, which
is how ``read_pagexml`` knows; a region the box of its lines. The lines of a region stand together.
"""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from capas.page_formats.page import Line, Page, Points, Region, bounding_box
from capas.page_formats.pagexml import NO_REGION
from capas.page_formats.provenance import Provenance
from capas.page_formats.xml import XmlIds, add_child, format_coordinate, xml_bytes

NAMESPACE: Final = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
# TextTypeSimpleType; other kinds are kept as Transkribus and eScriptorium do.
KINDS: Final = frozenset({
    "paragraph", "heading", "caption", "header", "footer", "page-number", "drop-capital", "credit", "floating",
    "signature-mark", "catch-word", "marginalia", "footnote", "footnote-continued", "endnote", "TOC-entry",
    "list-label", "other",
})  # fmt: skip


def to_pagexml(page: Page, provenance: Provenance) -> bytes:
    """Return the PAGE file of a page; ``provenance`` is written as its ``Metadata``."""
    ids = XmlIds()
    root = Element("PcGts", {"xmlns": NAMESPACE})
    _describe(root, provenance)
    sheet = add_child(root, "Page", {"imageFilename": page.image, "imageWidth": str(page.width),
                               "imageHeight": str(page.height)})  # fmt: skip
    groups = page.by_region()
    names = [ids.new(NO_REGION if region is None else region.id) for region, _ in groups]
    places = {line.id: i for i, line in enumerate(page.lines)}
    # Regions are read in the order of their first lines, those without any last.
    order = sorted(
        range(len(groups)), key=lambda i: min((places[line.id] for line in groups[i][1]), default=len(places))
    )
    if groups:
        held = add_child(add_child(sheet, "ReadingOrder"), "OrderedGroup", {"id": ids.new("order")})
        for index, i in enumerate(order):
            add_child(held, "RegionRefIndexed", {"index": str(index), "regionRef": names[i]})
    for (region, lines), name in zip(groups, names, strict=True):
        _add_region(sheet, region, lines, page, name, ids)
    return xml_bytes(root)


def _describe(root: Element, provenance: Provenance) -> None:
    metadata = add_child(root, "Metadata")
    add_child(metadata, "Creator", text=provenance.software)
    add_child(metadata, "Created", text=provenance.created)
    add_child(metadata, "LastChange", text=provenance.created)
    step = add_child(
        metadata, "MetadataItem", {"type": "processingStep", "name": provenance.software, "value": provenance.version}
    )
    labels = add_child(step, "Labels")
    for name, value in provenance.settings:
        add_child(labels, "Label", {"type": name, "value": value})


def _points(points: Points) -> str:
    return " ".join(f"{max(0, round(x))},{max(0, round(y))}" for x, y in points)


def _add_region(
    sheet: Element, region: Region | None, lines: Sequence[Line], page: Page, name: str, ids: XmlIds
) -> None:
    kind = region.kind if region else ""
    known = kind in KINDS
    own = None if known or not kind else f"structure {{type:{kind};}}"
    element = add_child(sheet, "TextRegion", {"id": name, "type": kind if known else None, "custom": own})
    outline = region.polygon if region else ()
    around = [point for line in lines for point in (*line.baseline, *line.polygon)]
    whole = ((0.0, 0.0), (float(page.width), float(page.height)))
    add_child(element, "Coords", {"points": _points(outline or bounding_box(around or whole).corners)})
    for line in lines:
        _add_line(element, line, ids)


def _add_line(region: Element, line: Line, ids: XmlIds) -> None:
    element = add_child(region, "TextLine", {"id": ids.new(line.id)})
    add_child(element, "Coords", {"points": _points(line.polygon or line.baseline)})
    add_child(element, "Baseline", {"points": _points(line.baseline)})
    for i, word in enumerate(line.words):
        held = add_child(element, "Word", {"id": ids.new(word.id or f"{line.id}_w{i + 1}")})
        add_child(held, "Coords", {"points": _points(word.box.corners)})
        _add_text(held, word.text, word.confidence)
    if line.text or line.confidence is not None:
        _add_text(element, line.text, line.confidence)


def _add_text(element: Element, text: str, confidence: float | None) -> None:
    equivalent = add_child(
        element, "TextEquiv", {"conf": None if confidence is None else format_coordinate(confidence)}
    )
    add_child(equivalent, "Unicode", text=text)
