"""Units as IIIF manifests that viewers can search: Presentation 3.0 with Content Search 2.0 and 1.0.

(https://iiif.io/api/search/2.0/, https://iiif.io/api/search/1.0/.) Every marked word of a hit is an annotation on its
canvas, ``#xywh=`` its box. How the probability is expressed, as neither standard has a place for it:

- 2.0: ``probability`` on each annotation, 0..1, which the answer's context declares as ``itsrdf:taConfidence``;
- 1.0: ``probability`` on each resource and hit, and in the text of the resource, which viewers show: "casa (86 %)".

``least`` in the query is the least probability of a hit (0.1 where it is not given). ``total`` and ``startIndex`` count
hits, of which one may have several annotations.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from capas.archive.asked import Answer, Asked, as_json
from capas.archive.exporting import provenance
from capas.archive.finding import Found, Place, Wanted, finder
from capas.archive.library import Library, PageRow
from capas.archive.snippets import marked
from capas.core.errors import CapasError
from capas.core.figures import percent
from capas.core.files import content_hash
from capas.pages.iiif import CONTEXT, as_manifest
from capas.pages.page import box_of
from capas.pages.unit import Sheet, Unit

SEARCH_1: Final = "http://iiif.io/api/search/1/"
SEARCH_2: Final = "http://iiif.io/api/search/2/context.json"
PROBABILITY: Final = {"probability": {"@id": "http://www.w3.org/2005/11/its/rdf#taConfidence",
                                      "@type": "http://www.w3.org/2001/XMLSchema#double"}}  # fmt: skip
PER_PAGE: Final = 100
UNDERSTOOD: Final = frozenset({"q", "least", "offset", "lang"})
KIND: Final = f'application/ld+json;profile="{CONTEXT}"'
KIND_2: Final = f'application/ld+json;profile="{SEARCH_2}"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Marked:
    """A word of a hit on its canvas: the annotation's id, what it is on, and the words of the line around it."""

    name: str
    on: str
    place: Place
    found: Found

    @property
    def around(self) -> tuple[str, str]:
        """What was read before and behind the word; nothing where the line's best reading has another word."""
        before, word, behind = self.found.text.partition(self.place.word)
        return (before, behind) if word else ("", "")


def unit_key(unit: str) -> str:
    """The name of a unit in addresses: the same whenever the archive is served."""
    return content_hash(unit.encode())[:16]


def unit_called(library: Library, key: str) -> str:
    """The unit of this name. Raises CapasError ``bad_request``."""
    for unit, _ in library.units():
        if unit_key(unit) == key:
            return unit
    raise CapasError("bad_request", received=key)


def manifest(library: Library, unit: str, base: str) -> Answer:
    """The unit's pages with their image services, and its two search services."""
    root = f"{base}/iiif/unit/{unit_key(unit)}"
    pages = _pages(library, unit)
    sheets = tuple(
        Sheet(label=page.label, image=f"{base}/iiif/image/{page.id}/full/max/0/default.jpg", width=page.width,
              height=page.height)
        for page in pages
    )  # fmt: skip
    title = " · ".join(part for part in (library.fact("title"), unit) if part)
    written = as_manifest(
        Unit(id=unit or title, title=title, sheets=sheets), f"{root}/manifest.json", provenance(library)
    )
    tree = json.loads(written)
    tree["service"] = [
        {"id": f"{root}/search/2", "type": "SearchService2"},
        {"@context": f"{SEARCH_1}context.json", "@id": f"{root}/search/1", "@type": "SearchService1",
         "profile": f"{SEARCH_1}search"},
    ]  # fmt: skip
    for page, canvas in zip(pages, tree["items"], strict=True):
        body = canvas["items"][0]["items"][0]["body"]
        body["service"] = [{"id": f"{base}/iiif/image/{page.id}", "type": "ImageService3", "profile": "level0"}]
    return as_json(tree, kind=KIND)


def search_2(library: Library, unit: str, asked: Asked) -> Answer:
    """An annotation page with the hits in a unit, the most probable first."""
    words, count = _marked(library, unit, asked)
    address, following = _address(asked), _next(asked, count)
    page: dict[str, object] = {
        # What is not IIIF's stands before it: the last one wins.
        "@context": [PROBABILITY, CONTEXT, SEARCH_2], "id": address, "type": "AnnotationPage",
        "partOf": {"id": _address(asked, offset=0), "type": "AnnotationCollection", "total": count,
                   "first": {"id": _address(asked, offset=0), "type": "AnnotationPage"}},
        "startIndex": _offset(asked), "items": [_annotation_2(one) for one in words],
        "annotations": [{"type": "AnnotationPage", "items": [_context_2(one) for one in words]}],
    }  # fmt: skip
    if ignored := sorted(set(asked.params) - UNDERSTOOD):
        page["ignored"] = ignored
    if following:
        page["next"] = {"id": following, "type": "AnnotationPage"}
    if _offset(asked):
        page["prev"] = {"id": _address(asked, max(0, _offset(asked) - PER_PAGE)), "type": "AnnotationPage"}
    return as_json(page, kind=KIND_2)


def search_1(library: Library, unit: str, asked: Asked) -> Answer:
    """An annotation list with the hits in a unit, the most probable first."""
    words, count = _marked(library, unit, asked)
    following = _next(asked, count)
    answer: dict[str, object] = {
        "@context": ["http://iiif.io/api/presentation/2/context.json", f"{SEARCH_1}context.json", PROBABILITY],
        "@id": _address(asked), "@type": "sc:AnnotationList",
        "within": {"@type": "sc:Layer", "total": count, "first": _address(asked, offset=0),
                   "ignored": sorted(set(asked.params) - UNDERSTOOD)},
        "startIndex": _offset(asked), "resources": [_resource_1(one) for one in words],
        "hits": [_hit_1(one) for one in words],
    }  # fmt: skip
    if following:
        answer["next"] = following
    return as_json(answer, kind="application/ld+json")


def _marked(library: Library, unit: str, asked: Asked) -> tuple[list[Marked], int]:
    """The marked words of the hits asked for, and how many hits there are in all."""
    ask = Wanted(query=asked.text("q").strip(), least=asked.number("least", 0.1, 0, 1), unit=unit,
                 offset=_offset(asked), limit=PER_PAGE)  # fmt: skip
    if not ask.query:
        return [], 0
    root = f"{asked.base}/iiif/unit/{unit_key(unit)}"
    order = {page.id: number for number, page in enumerate(_pages(library, unit), 1)}
    with finder(library) as find:
        findings = find.find(replace(ask, unit=unit))
    words = list[Marked]()
    for one in findings.found:
        if one.page.id not in order:  # of a unit below this one, which has a manifest of its own
            continue
        for place in marked(one):
            box = box_of(place.outline)
            left, top = max(0, round(box.left)), max(0, round(box.top))
            spot = f"{left},{top},{round(box.right) - left},{round(box.bottom) - top}"
            name = f"{root}/annotation/{one.page.id}-{place.line}-{spot.replace(',', '-')}"
            words.append(
                Marked(name=name, on=f"{root}/canvas/{order[one.page.id]}#xywh={spot}", place=place, found=one)
            )
    return words, findings.count


def _annotation_2(one: Marked) -> Mapping[str, object]:
    return {
        "id": one.name, "type": "Annotation", "motivation": "supplementing", "target": one.on,
        "body": {"type": "TextualBody", "value": one.place.word, "format": "text/plain"},
        "probability": round(one.found.probability, 6),
    }  # fmt: skip


def _context_2(one: Marked) -> Mapping[str, object]:
    before, behind = one.around
    selector = {"type": "TextQuoteSelector", "prefix": before, "exact": one.place.word, "suffix": behind}
    return {
        "id": f"{one.name}/match", "type": "Annotation", "motivation": "contextualizing",
        "target": {"type": "SpecificResource", "source": one.name, "selector": [selector]},
    }  # fmt: skip


def _resource_1(one: Marked) -> Mapping[str, object]:
    chance = one.found.probability
    return {
        "@id": one.name, "@type": "oa:Annotation", "motivation": "sc:painting", "on": one.on,
        "resource": {"@type": "cnt:ContentAsText", "chars": f"{one.place.word} ({percent(chance, 0)})"},
        "probability": round(chance, 6),
    }  # fmt: skip


def _hit_1(one: Marked) -> Mapping[str, object]:
    before, behind = one.around
    return {"@type": "search:Hit", "annotations": [one.name], "before": before, "match": one.place.word,
            "after": behind, "probability": round(one.found.probability, 6)}  # fmt: skip


def _pages(library: Library, unit: str) -> list[PageRow]:
    return [page for page in library.pages(unit) if page.unit == unit]


def _offset(asked: Asked) -> int:
    return asked.whole("offset", 0, 0, 10**9)


def _next(asked: Asked, count: int) -> str:
    """The address of the next hits, "" where there are none."""
    following = _offset(asked) + PER_PAGE
    return _address(asked, offset=following) if following < count else ""


def _address(asked: Asked, offset: int | None = None) -> str:
    """The address of this search, from another hit on where ``offset`` says so."""
    params = {name: value for name, value in asked.params.items() if name in UNDERSTOOD}
    if offset is not None:
        params["offset"] = str(offset)
    return f"{asked.base}{asked.path}?{urlencode(params)}"
