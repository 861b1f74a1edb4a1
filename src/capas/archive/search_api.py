"""Searching and reviewing for the search page: hits with their pictures, or as a table; verdicts and corrections."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from capas.archive.asked import Answer, Asked, as_json
from capas.archive.finding import Findings, Found, Wanted, finder
from capas.archive.hits_csv import hits_csv
from capas.archive.hits_page import shown_size, svg_points
from capas.archive.library import Library
from capas.archive.review import Review, correct, judge, reviews
from capas.archive.snippets import marked, said_words, snippet_crop, widened
from capas.archive.summary import figures
from capas.core.errors import CapasError
from capas.core.figures import decimal, percent
from capas.core.messages import say

MOST_SHOWN: Final = 200
MOST_IN_TABLE: Final = 100_000
LONGEST_LINE: Final = 2000
LONGEST_NAME: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a reviewer sends: of a ``page`` and a ``line`` (its id), by whom, and their words."""

    page: int
    line: str
    reviewer: str
    words: str


def wanted(asked: Asked) -> Wanted:
    """What the page asks for. Raises CapasError ``bad_request``."""
    within = asked.text("within", "line")
    if within not in ("line", "page"):
        raise CapasError("bad_request", received=f"within={within}")
    return Wanted(
        query=asked.text("q").strip(), least=asked.number("least", 0.1, 0, 1),
        within="page" if within == "page" else "line", folds=asked.text("folds", "1") != "0",
        unit=asked.text("unit"), offset=asked.whole("offset", 0, 0, 10**9),
        limit=asked.whole("limit", 24, 1, MOST_SHOWN),
    )  # fmt: skip


def found_json(library: Library, asked: Asked) -> Answer:
    """The hits asked for with all that the page shows of them, in words of the language in force."""
    ask = wanted(asked)
    with finder(library) as find:
        findings = find.find(ask)
        # The facets go on showing the other units when one is chosen.
        units = find.find(replace(ask, unit="", offset=0, limit=0)).units if ask.unit else findings.units
    said = reviews(library)
    last = ask.offset + len(findings.found)
    shown = say("archive.serve.shown", first=decimal(ask.offset + 1, 0), last=decimal(last, 0),
                count=decimal(findings.count, 0))  # fmt: skip
    return as_json({
        **findings.as_json(), "found": [_hit(library, one, ask.query, said) for one in findings.found],
        "figures": [{"value": one.value, "name": one.name, "note": one.note}
                    for one in figures(findings, ask.query, said)],
        "shown": shown if findings.found else "", "units": [[unit, count] for unit, count in units],
    })  # fmt: skip


def found_csv(library: Library, asked: Asked) -> Answer:
    """All hits as a table; of the files only their names, not where they lie on the server."""
    with finder(library) as find:
        findings = find.find(replace(wanted(asked), offset=0, limit=MOST_IN_TABLE))
    named = tuple(replace(one, page=replace(one.page, source=Path(one.page.source).name)) for one in findings.found)
    content = hits_csv(Findings(found=named, count=findings.count, expected=findings.expected,
                                precision=findings.precision, units=findings.units))  # fmt: skip
    return Answer(body=content, kind="text/csv; charset=utf-8",
                  headers=(("Content-Disposition", 'attachment; filename="hits.csv"'),))  # fmt: skip


def keep_verdict(library: Library, asked: Asked) -> Answer:
    """Keep whether a hit is right: the reviewed word is the query, as the hit may have been read otherwise."""
    said = _said(asked, "word")
    verdict = asked.content().get("verdict", "")
    if verdict not in ("right", "wrong"):
        raise CapasError("wrong_verdict", received=verdict)
    judge(library, said.page, said.line, said.words, "right" if verdict == "right" else "wrong", said.reviewer)
    return as_json({"verdict": verdict})


def keep_correction(library: Library, asked: Asked) -> Answer:
    """Keep what a line says; refused where somebody else has changed it since ``seen``."""
    said = _said(asked, "text")
    if len(said.words) > LONGEST_LINE:
        raise CapasError("line_too_long", received=len(said.words), most=LONGEST_LINE)
    text = " ".join(said.words.split())
    correct(library, said.page, said.line, text, said.reviewer, seen=asked.content().get("seen"))
    return as_json({"text": text})


def _said(asked: Asked, words: str) -> Said:
    content = asked.content()
    reviewer = content.get("reviewer", "").strip()[:LONGEST_NAME]
    if not reviewer:
        raise CapasError("no_reviewer")
    if not (page := content.get("page", "")).isdecimal() or len(page) > 18:
        raise CapasError("bad_request", received="page")
    return Said(page=int(page), line=content.get("line", ""), reviewer=reviewer, words=content.get(words, ""))


def _hit(library: Library, found: Found, query: str, said: Sequence[Review]) -> dict[str, object]:
    page, crop, places = found.page, snippet_crop(found), marked(found)
    row = library.lines(page.id)[found.places[0].line]
    width, height = shown_size(crop)
    words = said_words(places)
    judged = [one for one in said if (one.page, one.line, one.word) == (page.id, row.line.id, query)]
    verdicts = [one.verdict for one in judged if one.verdict != "corrected"]
    image = f"/iiif/image/{page.id}"
    region = f"{crop.left},{crop.top},{crop.width},{crop.height}"
    return {
        "page": page.id, "line": row.line.id, "probability": round(found.probability, 6),
        "sure": percent(found.probability, 1), "words": words, "text": found.text, "unit": page.unit,
        "label": page.label, "place": say("archive.serve.place", line=row.number + 1),
        "by_people": row.truth is not None, "verdict": verdicts[-1] if verdicts else "",
        "box": [crop.left, crop.top, crop.width, crop.height],
        "outlines": [svg_points(widened(one.outline)) for one in places],
        "image": f"{image}/{region}/{width},{height}/0/default.jpg?v={page.hash[:8]}",
        "whole": f"{image}/full/max/0/default.jpg?v={page.hash[:8]}",
        "alt": say("archive.serve.picture", words=words, text=found.text),
    }  # fmt: skip
