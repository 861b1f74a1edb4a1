"""PAGE XML written in the version of 2019-07-15: https://github.com/PRImA-Research-Lab/PAGE-XML.

Its coordinates are whole pixels. It wants an outline of everything: a line without one gets its baseline for it, which
is how ``read_pagexml`` knows; a region the box of its lines. The lines of a region stand together.
"""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from capas.pages.page import Line, Page, Points, Region, box_of
from capas.pages.pagexml import NO_REGION
from capas.pages.provenance import Provenance
from capas.pages.xml import Ids, add, shown, to_bytes

NAMESPACE: Final = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
# TextTypeSimpleType; other kinds are kept as Transkribus and eScriptorium do.
KINDS: Final = frozenset({
    "paragraph", "heading", "caption", "header", "footer", "page-number", "drop-capital", "credit", "floating",
    "signature-mark", "catch-word", "marginalia", "footnote", "footnote-continued", "endnote", "TOC-entry",
    "list-label", "other",
})  # fmt: skip


def as_pagexml(page: Page, made: Provenance) -> bytes:
    """The file. ``made`` is written as its ``Metadata``."""
    ids = Ids()
    root = Element("PcGts", {"xmlns": NAMESPACE})
    _describe(root, made)
    sheet = add(root, "Page", {"imageFilename": page.image, "imageWidth": str(page.width),
                               "imageHeight": str(page.height)})  # fmt: skip
    groups = page.by_region()
    names = [ids.new(NO_REGION if region is None else region.id) for region, _ in groups]
    places = {line.id: i for i, line in enumerate(page.lines)}
    # Regions are read in the order of their first lines, those without any last.
    order = sorted(
        range(len(groups)), key=lambda i: min((places[line.id] for line in groups[i][1]), default=len(places))
    )
    if groups:
        held = add(add(sheet, "ReadingOrder"), "OrderedGroup", {"id": ids.new("order")})
        for index, i in enumerate(order):
            add(held, "RegionRefIndexed", {"index": str(index), "regionRef": names[i]})
    for (region, lines), name in zip(groups, names, strict=True):
        _add_region(sheet, region, lines, page, name, ids)
    return to_bytes(root)


def _describe(root: Element, made: Provenance) -> None:
    metadata = add(root, "Metadata")
    add(metadata, "Creator", text=made.software)
    add(metadata, "Created", text=made.created)
    add(metadata, "LastChange", text=made.created)
    step = add(metadata, "MetadataItem", {"type": "processingStep", "name": made.software, "value": made.version})
    labels = add(step, "Labels")
    for name, value in made.settings:
        add(labels, "Label", {"type": name, "value": value})


def _points(points: Points) -> str:
    return " ".join(f"{max(0, round(x))},{max(0, round(y))}" for x, y in points)


def _add_region(sheet: Element, region: Region | None, lines: Sequence[Line], page: Page, name: str, ids: Ids) -> None:
    kind = region.kind if region else ""
    known = kind in KINDS
    own = None if known or not kind else f"structure {{type:{kind};}}"
    element = add(sheet, "TextRegion", {"id": name, "type": kind if known else None, "custom": own})
    outline = region.polygon if region else ()
    around = [point for line in lines for point in (*line.baseline, *line.polygon)]
    whole = ((0.0, 0.0), (float(page.width), float(page.height)))
    add(element, "Coords", {"points": _points(outline or box_of(around or whole).corners)})
    for line in lines:
        _add_line(element, line, ids)


def _add_line(region: Element, line: Line, ids: Ids) -> None:
    element = add(region, "TextLine", {"id": ids.new(line.id)})
    add(element, "Coords", {"points": _points(line.polygon or line.baseline)})
    add(element, "Baseline", {"points": _points(line.baseline)})
    for i, word in enumerate(line.words):
        held = add(element, "Word", {"id": ids.new(word.id or f"{line.id}_w{i + 1}")})
        add(held, "Coords", {"points": _points(word.box.corners)})
        _add_text(held, word.text, word.confidence)
    if line.text or line.confidence is not None:
        _add_text(element, line.text, line.confidence)


def _add_text(element: Element, text: str, confidence: float | None) -> None:
    equivalent = add(element, "TextEquiv", {"conf": None if confidence is None else shown(confidence)})
    add(equivalent, "Unicode", text=text)
