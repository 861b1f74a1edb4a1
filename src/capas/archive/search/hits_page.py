"""Search hits as one HTML file with their snippets: works offline, prints, accessible to screen readers."""

import base64
import datetime
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from capas.archive.library.database import Library
from capas.archive.reading.index_provenance import IndexProvenance, read_index_provenance
from capas.archive.review import reviews
from capas.archive.search.search import SearchHit, SearchRequest, SearchResults
from capas.archive.search.snippets import (
    Crop,
    PageImages,
    distinct_words,
    highlighted_words,
    snippet_crop,
    widened_outline,
)
from capas.archive.search.summary import SummaryFigure, search_summary
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.i18n import language, say
from capas.core.number_format import format_decimal, format_percent
from capas.page_formats.page import Points
from capas.version import __version__

STYLE: Final = (Path(__file__).parents[1] / "web" / "search_page.css").read_text(encoding="utf-8")
TALLEST: Final = 240  # pixels of a snippet: twice what it is shown with


def write_hits_page(path: Path, library: Library, request: SearchRequest, findings: SearchResults) -> None:
    """Write the hits of ``findings`` to ``path``; a sentence replaces the image of a page that is gone.

    Raises:
        CapasError: The file cannot be written.
    """
    pictures = PageImages()
    items = "".join(_item(found, pictures) for found in findings.hits)
    first = request.offset + 1
    shown = say(
        "archive.serve.shown",
        first=format_decimal(first, 0),
        last=format_decimal(request.offset + len(findings.hits), 0),
        count=format_decimal(findings.count, 0),
    )
    listed = (
        f'<h2>{escape(say("archive.serve.results"))} <span class="soft">{escape(shown)}</span></h2>\n'
        f'<ol class="hits" start="{first}">{items}</ol>'
    )
    nothing = f"<p>{escape(say('archive.serve.nothing'))}</p>"
    content = (
        f"{_head(library.fact('title'), request)}{_figures(search_summary(findings, request.query, reviews(library)))}"
        f"{listed if items else nothing}{_made(read_index_provenance(library))}"
    )
    write_atomic(path, _whole(f"{request.query} · {library.fact('title')}", content))


def snippet_size(crop: Crop, tallest: int = TALLEST) -> tuple[int, int]:
    """Return the width and height in pixels to which a snippet is reduced; it is never enlarged."""
    by = min(1.0, tallest / crop.height)
    return max(1, round(crop.width * by)), max(1, round(crop.height * by))


def svg_points(outline: Points) -> str:
    """Return an outline as SVG points.

    >>> svg_points(((1.0, 2.25), (3.0, 4.0)))
    '1.0,2.2 3.0,4.0'
    """
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)


def _whole(title: str, content: str) -> str:
    return (
        f'<!doctype html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{content}</main>\n</body>\n</html>\n"
    )


def _head(title: str, request: SearchRequest) -> str:
    searched = say("archive.serve.searched", query=request.query, least=format_percent(request.min_probability, 0))
    unit = f" · {request.unit}" if request.unit else ""
    return (
        f'<header class="top"><h1>{escape(searched)}</h1></header>\n<main><p class="over">{escape(title + unit)}</p>\n'
    )


def _figures(shown: Sequence[SummaryFigure]) -> str:
    parts = "".join(
        f'<div><dt>{escape(one.name)}</dt><dd class="value">{escape(one.value)}</dd>'
        f'<dd class="note">{escape(one.note)}</dd></div>'
        for one in shown
    )
    return f'<dl class="figures">{parts}</dl>\n'


def _item(found: SearchHit, pictures: PageImages) -> str:
    words = distinct_words(highlighted_words(found))
    line = found.words[0].line
    where = [found.page.unit, found.page.label, say("archive.serve.place", line=line + 1)]
    sure, about = format_percent(found.probability, 1), escape(say("archive.serve.sure_about"), quote=True)
    return (
        f'<li class="hit">{_picture(found, words, pictures)}<div class="says">'
        f'<div class="sure"><strong title="{about}">{escape(sure)}</strong>'
        f'<meter value="{found.probability:.4f}" aria-hidden="true"></meter>'
        f'<span class="word">{escape(words)}</span></div><p class="reading">{escape(found.text)}</p>'
        f'<p class="where">{escape(" · ".join(part for part in where if part))}</p></div></li>\n'
    )


def _picture(found: SearchHit, words: str, pictures: PageImages) -> str:
    """The snippet with its words outlined; where the page cannot be seen, a sentence."""
    crop = snippet_crop(found)
    try:
        data = pictures.jpeg(found.page, crop, *snippet_size(crop))
    except (CapasError, ValueError):
        return f'<div class="picture"><p>{escape(say("archive.serve.no_picture"))}</p></div>'
    said = escape(say("archive.serve.picture", words=words, text=found.text), quote=True)
    outlines = "".join(
        f'<polygon points="{svg_points(widened_outline(one.outline))}"/>' for one in highlighted_words(found)
    )
    return (
        f'<div class="picture"><svg viewBox="{crop.left} {crop.top} {crop.width} {crop.height}" role="img" '
        f'aria-label="{said}"><image x="{crop.left}" y="{crop.top}" width="{crop.width}" height="{crop.height}" '
        f'href="data:image/jpeg;base64,{base64.b64encode(data).decode()}"/>{outlines}</svg></div>'
    )


def _made(making: IndexProvenance) -> str:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    made = say("archive.serve.made", version=__version__, date=today, model=making.model,
               epsilon=format_decimal(making.min_probability, 4).rstrip("0"))  # fmt: skip
    return f"<footer>{escape(made)}</footer>"
