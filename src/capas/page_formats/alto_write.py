"""Writes ALTO 4: https://www.loc.gov/standards/alto/, valid by the schema of version 4.3.

Read back, it is the same page, but for what ALTO has no place for: the confidence of a line is that of its words. Words
are written where they make up the line's text.
"""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from capas.page_formats.alto import NO_BLOCK
from capas.page_formats.page import Box, Line, Page, Points, bounding_box
from capas.page_formats.provenance import Provenance
from capas.page_formats.xml import XmlIds, add_child, format_coordinate, xml_bytes

NAMESPACE: Final = "http://www.loc.gov/standards/alto/ns-v4#"


def to_alto(page: Page, provenance: Provenance) -> bytes:
    """Return the ALTO file of a page; ``provenance`` is written as its ``Processing``."""
    ids = XmlIds()
    root = Element("alto", {"xmlns": NAMESPACE, "SCHEMAVERSION": "4.3"})
    _describe(root, page, provenance, ids)
    tags = _add_tags(root, page, ids)
    groups = page.by_region()
    blocks = [ids.new(NO_BLOCK if region is None else region.id) for region, _ in groups]
    names = {line.id: ids.new(line.id) for line in page.lines}
    _add_order(root, page.lines, [line for _, lines in groups for line in lines], names, ids)
    sheet = add_child(
        add_child(root, "Layout"),
        "Page",
        {"ID": ids.new("page"), "PHYSICAL_IMG_NR": "1", "WIDTH": str(page.width), "HEIGHT": str(page.height)},
    )
    space = add_child(sheet, "PrintSpace", _place(Box(left=0, top=0, right=page.width, bottom=page.height)))
    for (region, lines), name in zip(groups, blocks, strict=True):
        block = add_child(space, "TextBlock", {"ID": name, "TAGREFS": tags.get(region.kind) if region else None})
        _add_outline(block, region.polygon if region else ())
        for line in lines:
            _add_line(block, line, names[line.id], ids)
    return xml_bytes(root)


def _describe(root: Element, page: Page, provenance: Provenance, ids: XmlIds) -> None:
    description = add_child(root, "Description")
    add_child(description, "MeasurementUnit", text="pixel")
    if page.image:
        add_child(add_child(description, "sourceImageInformation"), "fileName", text=page.image)
    step = add_child(description, "Processing", {"ID": ids.new("processing")})
    add_child(step, "processingCategory", text="contentGeneration")
    add_child(step, "processingDateTime", text=provenance.created)
    if provenance.settings:
        add_child(step, "processingStepSettings", text=provenance.summary)
    software = add_child(step, "processingSoftware")
    add_child(software, "softwareName", text=provenance.software)
    add_child(software, "softwareVersion", text=provenance.version)


def _add_tags(root: Element, page: Page, ids: XmlIds) -> dict[str, str]:
    """The kinds of regions; the id of each."""
    kinds = {region.kind: ids.new(f"kind_{i}") for i, region in enumerate(page.regions) if region.kind}
    if kinds:
        tags = add_child(root, "Tags")
        for kind, name in kinds.items():
            add_child(tags, "OtherTag", {"ID": name, "LABEL": kind, "TYPE": "region"})
    return kinds


def _add_order(
    root: Element, reading_order: Sequence[Line], written: Sequence[Line], names: dict[str, str], ids: XmlIds
) -> None:
    """The reading order, where it is not that of the file."""
    if list(reading_order) == list(written):
        return
    group = add_child(add_child(root, "ReadingOrder"), "OrderedGroup", {"ID": ids.new("order")})
    for line in reading_order:
        add_child(group, "ElementRef", {"ID": ids.new(f"order_{line.id}"), "REF": names[line.id]})


def _place(box: Box) -> dict[str, str]:
    sides = {"HPOS": box.left, "VPOS": box.top, "WIDTH": box.width, "HEIGHT": box.height}
    return {name: format_coordinate(value) for name, value in sides.items()}


def _points(points: Points) -> str:
    return " ".join(f"{format_coordinate(x)} {format_coordinate(y)}" for x, y in points)


def _add_outline(element: Element, polygon: Points) -> None:
    if polygon:
        element.attrib.update(_place(bounding_box(polygon)))
        add_child(add_child(element, "Shape"), "Polygon", {"POINTS": _points(polygon)})


def _add_line(block: Element, line: Line, name: str, ids: XmlIds) -> None:
    element = add_child(block, "TextLine", {"ID": name, "BASELINE": _points(line.baseline)})
    _add_outline(element, line.polygon)
    if line.words and line.text == " ".join(word.text for word in line.words):
        for i, word in enumerate(line.words):
            if i:
                add_child(element, "SP")
            kept = {
                "ID": ids.new(word.id or f"{line.id}_w{i + 1}"),
                "CONTENT": word.text,
                "WC": _share(word.confidence),
            }
            add_child(element, "String", {**kept, **_place(word.box)})
    else:
        where = _place(line.box) if line.polygon else {}
        add_child(element, "String", {"CONTENT": line.text, "WC": _share(line.confidence), **where})


def _share(confidence: float | None) -> str | None:
    return None if confidence is None else format_coordinate(confidence)
