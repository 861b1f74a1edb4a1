"""The search page in the current language, from ``search_page.html``."""

from pathlib import Path
from typing import Final

from capas.archive.library.database import Library
from capas.archive.web.iiif_search import unit_key
from capas.core.html import Markup, render_html
from capas.core.i18n import LANGUAGES, language, say
from capas.core.number_format import format_decimal

TEMPLATE: Final = Path(__file__).with_suffix(".html")
# The words that its script needs.
SCRIPT_WORDS: Final = ("all_units", "no_unit", "manifest", "name_needed", "right", "wrong", "verdict", "correct",
                       "line_says", "save", "saved", "whole_page", "failed", "no_picture", "by_people", "sure_about",
                       "nothing")  # fmt: skip


def search_page_html(library: Library, *, token: str, read_only: bool) -> Markup:
    """Return the whole page.

    Args:
        library: The archive.
        token: What the page sends along with verdicts and corrections.
        read_only: Whether it offers none of these; it then holds no token.
    """
    pages = library.pages()
    read = sum(bool(page.model) for page in pages)
    title = library.fact("title")
    facts = {
        "words": {name: say(f"archive.serve.{name}") for name in SCRIPT_WORDS},
        "manifests": {unit: f"/iiif/unit/{unit_key(unit)}/manifest.json" for unit, _ in library.units()},
        "language": language(), "readOnly": read_only, "token": "" if read_only else token,
    }  # fmt: skip
    return render_html(TEMPLATE, {
        "title": f"{title} · {say('archive.serve.title')}", "archive": title, "languages": LANGUAGES, "facts": facts,
        "held": say("archive.serve.pages_held", pages=format_decimal(len(pages), 0), read=format_decimal(read, 0)),
        "pages": pages, "searchable": read > 0, "read_only": read_only, "examples": _query_examples(),
    })  # fmt: skip


def _query_examples() -> list[tuple[str, str]]:
    """Return examples of the query language with their meanings."""
    examples = (one.strip().rpartition(": ") for one in say("archive.serve.examples").split(";"))
    return [(query, meaning) for query, _, meaning in examples]
