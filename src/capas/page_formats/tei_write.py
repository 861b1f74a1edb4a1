"""Writes TEI P5: a facsimile of zones, and the text with confidences (``cert``, a probability), valid by tei_all.

Lines are in reading order, those of one region that follow each other in one ``ab``. A normalised word is in a
``choice`` beside its original: ``abbr`` and ``expan``, or ``orig`` and ``reg``.
"""

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import Final
from urllib.parse import quote
from xml.etree.ElementTree import Element

from capas.page_formats.page import Line, Page, Points
from capas.page_formats.provenance import Provenance
from capas.page_formats.xml import XmlIds, add_child, format_coordinate, xml_bytes

NAMESPACE: Final = "http://www.tei-c.org/ns/1.0"


def to_tei(page: Page, provenance: Provenance) -> bytes:
    """Return the TEI file of a page; ``provenance`` is written as its ``appInfo``."""
    ids = XmlIds()
    root = Element("TEI", {"xmlns": NAMESPACE})
    _describe(root, page, provenance)
    surface = add_child(add_child(root, "facsimile"), "surface", {"xml:id": ids.new("page"), "ulx": "0", "uly": "0",
                                                      "lrx": str(page.width), "lry": str(page.height)})  # fmt: skip
    if page.image:
        add_child(surface, "graphic", {"url": quote(page.image, safe="/:"), "width": f"{page.width}px",
                                 "height": f"{page.height}px"})  # fmt: skip
    zones, words = dict[str, str](), dict[tuple[str, int], str]()
    for region, lines in page.by_region():
        parent = surface
        if region is not None:
            zones[region.id] = name = ids.new(region.id)
            parent = add_child(surface, "zone", {"xml:id": name, "type": "region", "n": region.kind or None,
                                           "points": _points(region.polygon)})  # fmt: skip
        for line in lines:
            names = _add_zone(parent, line, ids)
            zones[f"line {line.id}"] = names[0]
            words |= {(line.id, i): name for i, name in enumerate(names[1:])}
    _add_text(root, page, zones, words)
    return xml_bytes(root)


def _describe(root: Element, page: Page, provenance: Provenance) -> None:
    header = add_child(root, "teiHeader")
    file = add_child(header, "fileDesc")
    add_child(add_child(file, "titleStmt"), "title", text=page.image or "?")
    add_child(add_child(file, "publicationStmt"), "p", text=provenance.created)
    add_child(add_child(file, "sourceDesc"), "p", text=page.image or "?")
    application = add_child(
        add_child(add_child(header, "encodingDesc"), "appInfo"),
        "application",
        {"ident": provenance.software, "version": provenance.version, "when": provenance.created},
    )
    add_child(application, "label", text=provenance.software)
    if provenance.settings:
        add_child(application, "desc", text=provenance.summary)


def _points(points: Points) -> str | None:
    return " ".join(f"{format_coordinate(x)},{format_coordinate(y)}" for x, y in points) or None


def _add_zone(parent: Element, line: Line, ids: XmlIds) -> list[str]:
    """The zone of a line and those of its words; their names, the line's first."""
    names = [ids.new(line.id)]
    zone = add_child(parent, "zone", {"xml:id": names[0], "type": "line", "points": _points(line.polygon)})
    add_child(zone, "path", {"type": "baseline", "points": _points(line.baseline)})
    for i, word in enumerate(line.words):
        names.append(ids.new(word.id or f"{line.id}_w{i + 1}"))
        sides = {"ulx": word.box.left, "uly": word.box.top, "lrx": word.box.right, "lry": word.box.bottom}
        add_child(
            zone,
            "zone",
            {"xml:id": names[-1], "type": "word", **{name: format_coordinate(side) for name, side in sides.items()}},
        )
    return names


def _add_text(root: Element, page: Page, zones: dict[str, str], words: dict[tuple[str, int], str]) -> None:
    body = add_child(add_child(root, "text"), "body")
    part = add_child(body, "div")
    add_child(part, "pb", {"facs": "#page"})
    for region, lines in groupby(page.lines, key=lambda line: line.region):
        block = add_child(part, "ab", {"facs": f"#{zones[region]}" if region in zones else None})
        for line in lines:
            add_child(block, "lb", {"facs": f"#{zones[f'line {line.id}']}"})
            said = add_child(block, "seg", {"type": "line", "cert": _share(line.confidence)})
            written = (line.original_text or line.text).split()
            if not line.words or line.text != " ".join(word.text for word in line.words):
                _put_line(said, line.text, written)
                continue
            for i, word in enumerate(line.words):
                kept = {"facs": f"#{words[line.id, i]}", "cert": _share(word.confidence)}
                one = add_child(said, "w", kept)
                _put(one, word.text, written[i])
                one.tail = " "
    if not page.lines:
        add_child(part, "ab")


def _put_line(parent: Element, text: str, written: Sequence[str]) -> None:
    if text.split() == [*written]:
        parent.text = text
        return
    for word, before in zip(text.split(), written, strict=True):
        _put(parent, word, before)
        _append(parent, " ")


def _put(parent: Element, word: str, written: str) -> None:
    """A word; where it was normalised, what was written stands beside it: what has more letters now was abbreviated."""
    if word == written:
        _append(parent, word)
        return
    names = ("abbr", "expan") if _letters(word) > _letters(written) else ("orig", "reg")
    choice = add_child(parent, "choice")
    for name, text in zip(names, (written, word), strict=True):
        add_child(choice, name, text=text)


def _letters(word: str) -> int:
    return sum(character.isalpha() for character in unicodedata.normalize("NFD", word))


def _append(parent: Element, text: str) -> None:
    """``text`` behind all that ``parent`` holds."""
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _share(confidence: float | None) -> str | None:
    return None if confidence is None else format_coordinate(confidence)
