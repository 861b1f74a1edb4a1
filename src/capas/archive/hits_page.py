"""The hits of a search as one HTML file with their pictures: opens offline, prints, and is read aloud in order."""

import base64
import datetime
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from capas.archive.finding import Findings, Found, Wanted
from capas.archive.library import Library
from capas.archive.making import Making, kept_making
from capas.archive.review import reviews
from capas.archive.snippets import Crop, Pictures, marked, said_words, snippet_crop, widened
from capas.archive.summary import Figure, figures
from capas.core.errors import CapasError
from capas.core.figures import decimal, percent
from capas.core.files import write_atomic
from capas.core.messages import language, say
from capas.pages.page import Points
from capas.version import __version__

STYLE: Final = (Path(__file__).parent / "serve_page.css").read_text(encoding="utf-8")
TALLEST: Final = 240  # pixels of a snippet: twice what it is shown with


def write_page(path: Path, library: Library, wanted: Wanted, findings: Findings) -> None:
    """Write the hits of ``findings`` to ``path``; a page whose picture is gone has a sentence in its place. Raises
    CapasError where the file cannot be written."""
    pictures = Pictures()
    items = "".join(_item(found, pictures) for found in findings.found)
    first = wanted.offset + 1
    shown = say("archive.serve.shown", first=decimal(first, 0), last=decimal(wanted.offset + len(findings.found), 0),
                count=decimal(findings.count, 0))  # fmt: skip
    listed = (
        f'<h2>{escape(say("archive.serve.results"))} <span class="soft">{escape(shown)}</span></h2>\n'
        f'<ol class="hits" start="{first}">{items}</ol>'
    )
    nothing = f"<p>{escape(say('archive.serve.nothing'))}</p>"
    content = (
        f"{_head(library.fact('title'), wanted)}{_figures(figures(findings, wanted.query, reviews(library)))}"
        f"{listed if items else nothing}{_made(kept_making(library))}"
    )
    write_atomic(path, _whole(f"{wanted.query} · {library.fact('title')}", content))


def shown_size(crop: Crop, tallest: int = TALLEST) -> tuple[int, int]:
    """The width and height in pixels to which a snippet is reduced; it is never enlarged."""
    by = min(1.0, tallest / crop.height)
    return max(1, round(crop.width * by)), max(1, round(crop.height * by))


def svg_points(outline: Points) -> str:
    """An outline as SVG wants it.

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


def _head(title: str, wanted: Wanted) -> str:
    searched = say("archive.serve.searched", query=wanted.query, least=percent(wanted.least, 0))
    unit = f" · {wanted.unit}" if wanted.unit else ""
    return (
        f'<header class="top"><h1>{escape(searched)}</h1></header>\n<main><p class="over">{escape(title + unit)}</p>\n'
    )


def _figures(shown: Sequence[Figure]) -> str:
    parts = "".join(
        f'<div><dt>{escape(one.name)}</dt><dd class="value">{escape(one.value)}</dd>'
        f'<dd class="note">{escape(one.note)}</dd></div>'
        for one in shown
    )
    return f'<dl class="figures">{parts}</dl>\n'


def _item(found: Found, pictures: Pictures) -> str:
    words = said_words(marked(found))
    line = found.places[0].line
    where = [found.page.unit, found.page.label, say("archive.serve.place", line=line + 1)]
    sure, about = percent(found.probability, 1), escape(say("archive.serve.sure_about"), quote=True)
    return (
        f'<li class="hit">{_picture(found, words, pictures)}<div class="says">'
        f'<div class="sure"><strong title="{about}">{escape(sure)}</strong>'
        f'<meter value="{found.probability:.4f}" aria-hidden="true"></meter>'
        f'<span class="word">{escape(words)}</span></div><p class="reading">{escape(found.text)}</p>'
        f'<p class="where">{escape(" · ".join(part for part in where if part))}</p></div></li>\n'
    )


def _picture(found: Found, words: str, pictures: Pictures) -> str:
    """The snippet with its words outlined; where the page cannot be seen, a sentence."""
    crop = snippet_crop(found)
    try:
        data = pictures.jpeg(found.page, crop, *shown_size(crop))
    except (CapasError, ValueError):
        return f'<div class="picture"><p>{escape(say("archive.serve.no_picture"))}</p></div>'
    said = escape(say("archive.serve.picture", words=words, text=found.text), quote=True)
    outlines = "".join(f'<polygon points="{svg_points(widened(one.outline))}"/>' for one in marked(found))
    return (
        f'<div class="picture"><svg viewBox="{crop.left} {crop.top} {crop.width} {crop.height}" role="img" '
        f'aria-label="{said}"><image x="{crop.left}" y="{crop.top}" width="{crop.width}" height="{crop.height}" '
        f'href="data:image/jpeg;base64,{base64.b64encode(data).decode()}"/>{outlines}</svg></div>'
    )


def _made(making: Making) -> str:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    made = say("archive.serve.made", version=__version__, date=today, model=making.model,
               epsilon=decimal(making.least, 4).rstrip("0"))  # fmt: skip
    return f"<footer>{escape(made)}</footer>"
