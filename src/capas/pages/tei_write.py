"""TEI P5 written: a facsimile of zones, and the text with how sure it is (``cert``, a probability), valid by tei_all.

Lines stand in the reading order, those of one region that follow each other in one ``ab``. A word that was normalised
stands in a ``choice`` beside what was written: ``abbr`` and ``expan``, or ``orig`` and ``reg``.
"""

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import Final
from urllib.parse import quote
from xml.etree.ElementTree import Element

from capas.pages.page import Line, Page, Points
from capas.pages.provenance import Provenance
from capas.pages.xml import Ids, add, shown, to_bytes

NAMESPACE: Final = "http://www.tei-c.org/ns/1.0"


def as_tei(page: Page, made: Provenance) -> bytes:
    """The file. ``made`` is written as its ``appInfo``."""
    ids = Ids()
    root = Element("TEI", {"xmlns": NAMESPACE})
    _describe(root, page, made)
    surface = add(add(root, "facsimile"), "surface", {"xml:id": ids.new("page"), "ulx": "0", "uly": "0",
                                                      "lrx": str(page.width), "lry": str(page.height)})  # fmt: skip
    if page.image:
        add(surface, "graphic", {"url": quote(page.image, safe="/:"), "width": f"{page.width}px",
                                 "height": f"{page.height}px"})  # fmt: skip
    zones, words = dict[str, str](), dict[tuple[str, int], str]()
    for region, lines in page.by_region():
        parent = surface
        if region is not None:
            zones[region.id] = name = ids.new(region.id)
            parent = add(surface, "zone", {"xml:id": name, "type": "region", "n": region.kind or None,
                                           "points": _points(region.polygon)})  # fmt: skip
        for line in lines:
            names = _add_zone(parent, line, ids)
            zones[f"line {line.id}"] = names[0]
            words |= {(line.id, i): name for i, name in enumerate(names[1:])}
    _add_text(root, page, zones, words)
    return to_bytes(root)


def _describe(root: Element, page: Page, made: Provenance) -> None:
    header = add(root, "teiHeader")
    file = add(header, "fileDesc")
    add(add(file, "titleStmt"), "title", text=page.image or "?")
    add(add(file, "publicationStmt"), "p", text=made.created)
    add(add(file, "sourceDesc"), "p", text=page.image or "?")
    application = add(add(add(header, "encodingDesc"), "appInfo"), "application",
                      {"ident": made.software, "version": made.version, "when": made.created})  # fmt: skip
    add(application, "label", text=made.software)
    if made.settings:
        add(application, "desc", text=made.line)


def _points(points: Points) -> str | None:
    return " ".join(f"{shown(x)},{shown(y)}" for x, y in points) or None


def _add_zone(parent: Element, line: Line, ids: Ids) -> list[str]:
    """The zone of a line and those of its words; their names, the line's first."""
    names = [ids.new(line.id)]
    zone = add(parent, "zone", {"xml:id": names[0], "type": "line", "points": _points(line.polygon)})
    add(zone, "path", {"type": "baseline", "points": _points(line.baseline)})
    for i, word in enumerate(line.words):
        names.append(ids.new(word.id or f"{line.id}_w{i + 1}"))
        sides = {"ulx": word.box.left, "uly": word.box.top, "lrx": word.box.right, "lry": word.box.bottom}
        add(zone, "zone", {"xml:id": names[-1], "type": "word", **{name: shown(side) for name, side in sides.items()}})
    return names


def _add_text(root: Element, page: Page, zones: dict[str, str], words: dict[tuple[str, int], str]) -> None:
    body = add(add(root, "text"), "body")
    part = add(body, "div")
    add(part, "pb", {"facs": "#page"})
    for region, lines in groupby(page.lines, key=lambda line: line.region):
        block = add(part, "ab", {"facs": f"#{zones[region]}" if region in zones else None})
        for line in lines:
            add(block, "lb", {"facs": f"#{zones[f'line {line.id}']}"})
            said = add(block, "seg", {"type": "line", "cert": _share(line.confidence)})
            written = (line.written or line.text).split()
            if not line.words or line.text != " ".join(word.text for word in line.words):
                _put_line(said, line.text, written)
                continue
            for i, word in enumerate(line.words):
                kept = {"facs": f"#{words[line.id, i]}", "cert": _share(word.confidence)}
                one = add(said, "w", kept)
                _put(one, word.text, written[i])
                one.tail = " "
    if not page.lines:
        add(part, "ab")


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
    choice = add(parent, "choice")
    for name, text in zip(names, (written, word), strict=True):
        add(choice, name, text=text)


def _letters(word: str) -> int:
    return sum(character.isalpha() for character in unicodedata.normalize("NFD", word))


def _append(parent: Element, text: str) -> None:
    """``text`` behind all that ``parent`` holds."""
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _share(confidence: float | None) -> str | None:
    return None if confidence is None else shown(confidence)
