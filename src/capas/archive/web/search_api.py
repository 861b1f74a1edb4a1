"""The JSON API of the search page: hits with their images, or as CSV; verdicts and corrections."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from starlette.responses import Response

from capas.archive.library.database import Library
from capas.archive.review import Review, record_correction, record_verdict, reviews
from capas.archive.search.hits_csv import search_hits_csv
from capas.archive.search.hits_page import snippet_size, svg_points
from capas.archive.search.search import SearchHit, SearchRequest, SearchResults, open_searcher
from capas.archive.search.snippets import distinct_words, highlighted_words, snippet_crop, widened_outline
from capas.archive.search.summary import search_summary
from capas.archive.web.search_parameters import RequestParameters
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_percent
from capas.web_server.json_responses import json_response

MOST_SHOWN: Final = 200
MOST_IN_TABLE: Final = 100_000
LONGEST_LINE: Final = 2000
LONGEST_NAME: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewInput:
    """What a reviewer sends.

    Attributes:
        page: Id of the page.
        line: Id of the line.
        reviewer: Name of the reviewer.
        words: The judged word, or the corrected text.
    """

    page: int
    line: str
    reviewer: str
    words: str


def search_request(request: RequestParameters) -> SearchRequest:
    """Return the search that the parameters describe. Raises CapasError ``bad_request``."""
    within = request.text("within", "line")
    if within not in ("line", "page"):
        raise CapasError("bad_request", received=f"within={within}")
    return SearchRequest(
        query=request.text("q").strip(), min_probability=request.number("least", 0.1, 0, 1),
        within="page" if within == "page" else "line", folds=request.text("folds", "1") != "0",
        unit=request.text("unit"), offset=request.integer("offset", 0, 0, 10**9),
        limit=request.integer("limit", 24, 1, MOST_SHOWN),
    )  # fmt: skip


def hits_response(library: Library, request: RequestParameters) -> Response:
    """Return the requested hits with all that the page shows of them, in the current language."""
    ask = search_request(request)
    with library.snapshot(), open_searcher(library) as find:
        findings = find.search(ask)
        # The facets go on showing the other units when one is chosen.
        units = find.search(replace(ask, unit="", offset=0, limit=0)).units if ask.unit else findings.units
        said = reviews(library)
    last = ask.offset + len(findings.hits)
    shown = say("archive.serve.shown", first=format_decimal(ask.offset + 1, 0), last=format_decimal(last, 0),
                count=format_decimal(findings.count, 0))  # fmt: skip
    return json_response({
        **findings.counts_json(), "found": [_hit(one, ask.query, said) for one in findings.hits],
        "figures": [{"value": one.value, "name": one.name, "note": one.note}
                    for one in search_summary(findings, ask.query, said)],
        "shown": shown if findings.hits else "", "units": [[unit, count] for unit, count in units],
    })  # fmt: skip


def hits_csv_response(library: Library, request: RequestParameters) -> Response:
    """Return all hits as CSV; of the files only their names, not where they lie on the server."""
    with open_searcher(library) as find:
        findings = find.search(replace(search_request(request), offset=0, limit=MOST_IN_TABLE))
    named = tuple(replace(one, page=replace(one.page, source=Path(one.page.source).name)) for one in findings.hits)
    content = search_hits_csv(SearchResults(hits=named, count=findings.count, expected=findings.expected,
                                precision=findings.precision, units=findings.units))  # fmt: skip
    headers = {"Content-Disposition": 'attachment; filename="hits.csv"'}
    return Response(content, media_type="text/csv", headers=headers)


def verdict_response(library: Library, request: RequestParameters) -> Response:
    """Record whether a hit is right: the reviewed word is the query, as the hit may have been read otherwise."""
    said = _said(request, "word")
    verdict = request.content().get("verdict", "")
    if verdict not in ("right", "wrong"):
        raise CapasError("wrong_verdict", received=verdict)
    record_verdict(library, said.page, said.line, said.words, "right" if verdict == "right" else "wrong", said.reviewer)
    return json_response({"verdict": verdict})


def correction_response(library: Library, request: RequestParameters) -> Response:
    """Record the corrected text of a line; refused where somebody else has changed it since ``seen``."""
    said = _said(request, "text")
    if len(said.words) > LONGEST_LINE:
        raise CapasError("line_too_long", received=len(said.words), most=LONGEST_LINE)
    text = " ".join(said.words.split())
    record_correction(library, said.page, said.line, text, said.reviewer, text_before=request.content().get("seen"))
    return json_response({"text": text})


def _said(request: RequestParameters, words: str) -> ReviewInput:
    content = request.content()
    reviewer = content.get("reviewer", "").strip()[:LONGEST_NAME]
    if not reviewer:
        raise CapasError("no_reviewer")
    if not (page := content.get("page", "")).isdecimal() or len(page) > 18:
        raise CapasError("bad_request", received="page")
    return ReviewInput(page=int(page), line=content.get("line", ""), reviewer=reviewer, words=content.get(words, ""))


def _hit(found: SearchHit, query: str, said: Sequence[Review]) -> dict[str, object]:
    page, places = found.page, highlighted_words(found)
    crop = snippet_crop(page, places)
    row = found.row
    width, height = snippet_size(crop)
    words = distinct_words(places)
    judged = [one for one in said if (one.page, one.line, one.word) == (page.id, row.line.id, query)]
    verdicts = [one.verdict for one in judged if one.verdict != "corrected"]
    image = f"/iiif/image/{page.id}"
    region = f"{crop.left},{crop.top},{crop.width},{crop.height}"
    return {
        "page": page.id, "line": row.line.id, "probability": round(found.probability, 6),
        "sure": format_percent(found.probability, 1), "words": words, "text": found.text, "unit": page.unit,
        "label": page.label, "place": say("archive.serve.place", line=row.number + 1),
        "by_people": row.target is not None, "verdict": verdicts[-1] if verdicts else "",
        "box": [crop.left, crop.top, crop.width, crop.height],
        "outlines": [svg_points(widened_outline(one.outline)) for one in places],
        "image": f"{image}/{region}/{width},{height}/0/default.jpg?v={page.hash[:8]}",
        "whole": f"{image}/full/max/0/default.jpg?v={page.hash[:8]}",
        "alt": say("archive.serve.picture", words=words, text=found.text),
    }  # fmt: skip
