"""ALTO 4 written: https://www.loc.gov/standards/alto/, valid by the schema of version 4.3.

Read back, it is the same page, but for what ALTO has no place for: the confidence of a line is that of its words. Words
are written where they make up the line's text.
"""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from capas.pages.alto import NO_BLOCK
from capas.pages.page import Box, Line, Page, Points, box_of
from capas.pages.provenance import Provenance
from capas.pages.xml import Ids, add, shown, to_bytes

NAMESPACE: Final = "http://www.loc.gov/standards/alto/ns-v4#"


def as_alto(page: Page, made: Provenance) -> bytes:
    """The file. ``made`` is written as its ``Processing``."""
    ids = Ids()
    root = Element("alto", {"xmlns": NAMESPACE, "SCHEMAVERSION": "4.3"})
    _describe(root, page, made, ids)
    tags = _add_tags(root, page, ids)
    groups = page.by_region()
    blocks = [ids.new(NO_BLOCK if region is None else region.id) for region, _ in groups]
    names = {line.id: ids.new(line.id) for line in page.lines}
    _add_order(root, page.lines, [line for _, lines in groups for line in lines], names, ids)
    sheet = add(add(root, "Layout"), "Page", {"ID": ids.new("page"), "PHYSICAL_IMG_NR": "1", "WIDTH": str(page.width),
                                              "HEIGHT": str(page.height)})  # fmt: skip
    space = add(sheet, "PrintSpace", _place(Box(left=0, top=0, right=page.width, bottom=page.height)))
    for (region, lines), name in zip(groups, blocks, strict=True):
        block = add(space, "TextBlock", {"ID": name, "TAGREFS": tags.get(region.kind) if region else None})
        _add_outline(block, region.polygon if region else ())
        for line in lines:
            _add_line(block, line, names[line.id], ids)
    return to_bytes(root)


def _describe(root: Element, page: Page, made: Provenance, ids: Ids) -> None:
    description = add(root, "Description")
    add(description, "MeasurementUnit", text="pixel")
    if page.image:
        add(add(description, "sourceImageInformation"), "fileName", text=page.image)
    step = add(description, "Processing", {"ID": ids.new("processing")})
    add(step, "processingCategory", text="contentGeneration")
    add(step, "processingDateTime", text=made.created)
    if made.settings:
        add(step, "processingStepSettings", text=made.line)
    software = add(step, "processingSoftware")
    add(software, "softwareName", text=made.software)
    add(software, "softwareVersion", text=made.version)


def _add_tags(root: Element, page: Page, ids: Ids) -> dict[str, str]:
    """The kinds of regions; the id of each."""
    kinds = {region.kind: ids.new(f"kind_{i}") for i, region in enumerate(page.regions) if region.kind}
    if kinds:
        tags = add(root, "Tags")
        for kind, name in kinds.items():
            add(tags, "OtherTag", {"ID": name, "LABEL": kind, "TYPE": "region"})
    return kinds


def _add_order(root: Element, wanted: Sequence[Line], written: Sequence[Line], names: dict[str, str], ids: Ids) -> None:
    """The reading order, where it is not that of the file."""
    if list(wanted) == list(written):
        return
    group = add(add(root, "ReadingOrder"), "OrderedGroup", {"ID": ids.new("order")})
    for line in wanted:
        add(group, "ElementRef", {"ID": ids.new(f"order_{line.id}"), "REF": names[line.id]})


def _place(box: Box) -> dict[str, str]:
    sides = {"HPOS": box.left, "VPOS": box.top, "WIDTH": box.width, "HEIGHT": box.height}
    return {name: shown(value) for name, value in sides.items()}


def _points(points: Points) -> str:
    return " ".join(f"{shown(x)} {shown(y)}" for x, y in points)


def _add_outline(element: Element, polygon: Points) -> None:
    if polygon:
        element.attrib.update(_place(box_of(polygon)))
        add(add(element, "Shape"), "Polygon", {"POINTS": _points(polygon)})


def _add_line(block: Element, line: Line, name: str, ids: Ids) -> None:
    element = add(block, "TextLine", {"ID": name, "BASELINE": _points(line.baseline)})
    _add_outline(element, line.polygon)
    if line.words and line.text == " ".join(word.text for word in line.words):
        for i, word in enumerate(line.words):
            if i:
                add(element, "SP")
            kept = {
                "ID": ids.new(word.id or f"{line.id}_w{i + 1}"),
                "CONTENT": word.text,
                "WC": _share(word.confidence),
            }
            add(element, "String", {**kept, **_place(word.box)})
    else:
        where = _place(line.box) if line.polygon else {}
        add(element, "String", {"CONTENT": line.text, "WC": _share(line.confidence), **where})


def _share(confidence: float | None) -> str | None:
    return None if confidence is None else shown(confidence)
