"""Search hits as one HTML file with their snippets: works offline, prints, accessible to screen readers."""

import base64
import datetime
from pathlib import Path
from typing import Final

from capas.archive.library.database import Library
from capas.archive.reading.index_provenance import read_index_provenance
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
from capas.archive.search.summary import search_summary
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.html import Markup, render_html
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_percent
from capas.page_formats.page import Points
from capas.version import __version__

TEMPLATE: Final = Path(__file__).with_suffix(".html")
STYLE: Final = Markup((Path(__file__).parents[1] / "web" / "search_page.css").read_text(encoding="utf-8"))
TALLEST: Final = 240  # pixels of a snippet: twice what it is shown with


def write_hits_page(path: Path, library: Library, request: SearchRequest, findings: SearchResults) -> None:
    """Write the hits of ``findings`` to ``path``; a sentence replaces the image of a page that is gone.

    Raises:
        CapasError: The file cannot be written.
    """
    pictures, provenance = PageImages(), read_index_provenance(library)
    title, first = library.fact("title"), request.offset + 1
    content = render_html(TEMPLATE, {
        "title": f"{request.query} · {title}", "style": STYLE, "first": first,
        "heading": say("archive.serve.searched", query=request.query, least=format_percent(request.min_probability, 0)),
        "archive": f"{title} · {request.unit}" if request.unit else title,
        "figures": search_summary(findings, request.query, reviews(library)),
        "hits": [_hit_values(found, pictures) for found in findings.hits],
        "shown": say("archive.serve.shown", first=format_decimal(first, 0), count=format_decimal(findings.count, 0),
                     last=format_decimal(request.offset + len(findings.hits), 0)),
        "made": say("archive.serve.made", version=__version__, model=provenance.model,
                    date=datetime.datetime.now(datetime.UTC).date().isoformat(),
                    epsilon=format_decimal(provenance.min_probability, 4).rstrip("0")),
    })  # fmt: skip
    write_atomic(path, content)


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


def _hit_values(found: SearchHit, pictures: PageImages) -> dict[str, object]:
    words = distinct_words(highlighted_words(found))
    where = (found.page.unit, found.page.label, say("archive.serve.place", line=found.words[0].line + 1))
    crop = snippet_crop(found.page, highlighted_words(found))
    return {
        "words": words, "text": found.text, "where": " · ".join(part for part in where if part), "crop": crop,
        "probability": f"{found.probability:.4f}", "percent": format_percent(found.probability, 1),
        "snippet": _snippet_uri(found, crop, pictures),
        "outlines": [svg_points(widened_outline(one.outline)) for one in highlighted_words(found)],
    }  # fmt: skip


def _snippet_uri(found: SearchHit, crop: Crop, pictures: PageImages) -> str:
    """Return the snippet as a JPEG data URI; "" where the page's image is gone."""
    try:
        data = pictures.jpeg(found.page, crop, *snippet_size(crop))
    except (CapasError, ValueError):
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
