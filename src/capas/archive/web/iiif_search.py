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

from starlette.responses import Response

from capas.archive.exports.pages import archive_provenance
from capas.archive.library.database import Library, PageRow
from capas.archive.search.search import SearchHit, SearchRequest, WordMatch, open_searcher
from capas.archive.search.snippets import highlighted_words
from capas.archive.web.search_parameters import RequestParameters
from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.core.number_format import format_percent
from capas.page_formats.iiif import CONTEXT, to_manifest
from capas.page_formats.page import bounding_box
from capas.page_formats.unit import ArchivalUnit, Sheet
from capas.web_server.json_responses import json_response

SEARCH_1: Final = "http://iiif.io/api/search/1/"
SEARCH_2: Final = "http://iiif.io/api/search/2/context.json"
PROBABILITY: Final = {"probability": {"@id": "http://www.w3.org/2005/11/its/rdf#taConfidence",
                                      "@type": "http://www.w3.org/2001/XMLSchema#double"}}  # fmt: skip
PER_PAGE: Final = 100
UNDERSTOOD: Final = frozenset({"q", "least", "offset", "lang"})
KIND: Final = f'application/ld+json;profile="{CONTEXT}"'
KIND_2: Final = f'application/ld+json;profile="{SEARCH_2}"'


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnotatedWord:
    """A word of a hit on its canvas.

    Attributes:
        name: The annotation's URI.
        on: The URI of its target: the canvas with the word's box.
        place: The word.
        found: The hit to which it belongs.
    """

    name: str
    on: str
    place: WordMatch
    found: SearchHit

    @property
    def around(self) -> tuple[str, str]:
        """The text before and after the word; empty where the line's best reading has another word."""
        before, word, behind = self.found.text.partition(self.place.word)
        return (before, behind) if word else ("", "")


def unit_key(unit: str) -> str:
    """Return the key of a unit in URLs, the same at every start."""
    return content_hash(unit.encode())[:16]


def unit_by_key(library: Library, key: str) -> str:
    """Return the unit with this key. Raises CapasError ``bad_request``."""
    for unit, _ in library.units():
        if unit_key(unit) == key:
            return unit
    raise CapasError("bad_request", received=key)


def unit_manifest(library: Library, unit: str, base: str) -> Response:
    """Return the unit's manifest: its pages with their image services, and its two search services."""
    root = f"{base}/iiif/unit/{unit_key(unit)}"
    pages = _pages(library, unit)
    sheets = tuple(
        Sheet(label=page.label, image=f"{base}/iiif/image/{page.id}/full/max/0/default.jpg", width=page.width,
              height=page.height)
        for page in pages
    )  # fmt: skip
    title = " · ".join(part for part in (library.fact("title"), unit) if part)
    written = to_manifest(
        ArchivalUnit(id=unit or title, title=title, sheets=sheets), f"{root}/manifest.json", archive_provenance(library)
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
    return json_response(tree, media_type=KIND)


def content_search_2(library: Library, unit: str, request: RequestParameters) -> Response:
    """Return an annotation page with the hits in a unit, the most probable first."""
    words, count = _marked(library, unit, request)
    address, following = _address(request), _next(request, count)
    page: dict[str, object] = {
        # What is not IIIF's stands before it: the last one wins.
        "@context": [PROBABILITY, CONTEXT, SEARCH_2], "id": address, "type": "AnnotationPage",
        "partOf": {"id": _address(request, offset=0), "type": "AnnotationCollection", "total": count,
                   "first": {"id": _address(request, offset=0), "type": "AnnotationPage"}},
        "startIndex": _offset(request), "items": [_annotation_2(one) for one in words],
        "annotations": [{"type": "AnnotationPage", "items": [_context_2(one) for one in words]}],
    }  # fmt: skip
    if ignored := sorted(set(request.params) - UNDERSTOOD):
        page["ignored"] = ignored
    if following:
        page["next"] = {"id": following, "type": "AnnotationPage"}
    if _offset(request):
        page["prev"] = {"id": _address(request, max(0, _offset(request) - PER_PAGE)), "type": "AnnotationPage"}
    return json_response(page, media_type=KIND_2)


def content_search_1(library: Library, unit: str, request: RequestParameters) -> Response:
    """Return an annotation list with the hits in a unit, the most probable first."""
    words, count = _marked(library, unit, request)
    following = _next(request, count)
    answer: dict[str, object] = {
        "@context": ["http://iiif.io/api/presentation/2/context.json", f"{SEARCH_1}context.json", PROBABILITY],
        "@id": _address(request), "@type": "sc:AnnotationList",
        "within": {"@type": "sc:Layer", "total": count, "first": _address(request, offset=0),
                   "ignored": sorted(set(request.params) - UNDERSTOOD)},
        "startIndex": _offset(request), "resources": [_resource_1(one) for one in words],
        "hits": [_hit_1(one) for one in words],
    }  # fmt: skip
    if following:
        answer["next"] = following
    return json_response(answer, media_type="application/ld+json")


def _marked(library: Library, unit: str, request: RequestParameters) -> tuple[list[AnnotatedWord], int]:
    """Return the marked words of the requested hits, and the number of all hits."""
    ask = SearchRequest(query=request.text("q").strip(), min_probability=request.number("least", 0.1, 0, 1), unit=unit,
                 offset=_offset(request), limit=PER_PAGE)  # fmt: skip
    if not ask.query:
        return [], 0
    root = f"{request.base}/iiif/unit/{unit_key(unit)}"
    order = {page.id: number for number, page in enumerate(_pages(library, unit), 1)}
    with open_searcher(library) as find:
        findings = find.search(replace(ask, unit=unit))
    words = list[AnnotatedWord]()
    for one in findings.hits:
        if one.page.id not in order:  # of a unit below this one, which has a manifest of its own
            continue
        for place in highlighted_words(one):
            box = bounding_box(place.outline)
            left, top = max(0, round(box.left)), max(0, round(box.top))
            spot = f"{left},{top},{round(box.right) - left},{round(box.bottom) - top}"
            name = f"{root}/annotation/{one.page.id}-{place.line}-{spot.replace(',', '-')}"
            words.append(
                AnnotatedWord(name=name, on=f"{root}/canvas/{order[one.page.id]}#xywh={spot}", place=place, found=one)
            )
    return words, findings.count


def _annotation_2(one: AnnotatedWord) -> Mapping[str, object]:
    return {
        "id": one.name, "type": "Annotation", "motivation": "supplementing", "target": one.on,
        "body": {"type": "TextualBody", "value": one.place.word, "format": "text/plain"},
        "probability": round(one.found.probability, 6),
    }  # fmt: skip


def _context_2(one: AnnotatedWord) -> Mapping[str, object]:
    before, behind = one.around
    selector = {"type": "TextQuoteSelector", "prefix": before, "exact": one.place.word, "suffix": behind}
    return {
        "id": f"{one.name}/match", "type": "Annotation", "motivation": "contextualizing",
        "target": {"type": "SpecificResource", "source": one.name, "selector": [selector]},
    }  # fmt: skip


def _resource_1(one: AnnotatedWord) -> Mapping[str, object]:
    chance = one.found.probability
    return {
        "@id": one.name, "@type": "oa:Annotation", "motivation": "sc:painting", "on": one.on,
        "resource": {"@type": "cnt:ContentAsText", "chars": f"{one.place.word} ({format_percent(chance, 0)})"},
        "probability": round(chance, 6),
    }  # fmt: skip


def _hit_1(one: AnnotatedWord) -> Mapping[str, object]:
    before, behind = one.around
    return {"@type": "search:Hit", "annotations": [one.name], "before": before, "match": one.place.word,
            "after": behind, "probability": round(one.found.probability, 6)}  # fmt: skip


def _pages(library: Library, unit: str) -> list[PageRow]:
    return [page for page in library.pages(unit) if page.unit == unit]


def _offset(request: RequestParameters) -> int:
    return request.integer("offset", 0, 0, 10**9)


def _next(request: RequestParameters, count: int) -> str:
    """Return the URL of the next hits, "" where there are none."""
    following = _offset(request) + PER_PAGE
    return _address(request, offset=following) if following < count else ""


def _address(request: RequestParameters, offset: int | None = None) -> str:
    """Return the URL of this search, with another ``offset`` where one is given."""
    params = {name: value for name, value in request.params.items() if name in UNDERSTOOD}
    if offset is not None:
        params["offset"] = str(offset)
    return f"{request.base}{request.path}?{urlencode(params)}"
