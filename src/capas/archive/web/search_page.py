"""The search page in the language in force: ``search_page.html`` with its words filled in."""

import json
import re
from html import escape
from pathlib import Path
from typing import Final

from capas.archive.library.database import Library
from capas.archive.web.iiif_search import unit_key
from capas.core.i18n import LANGUAGES, language, say
from capas.core.number_format import format_decimal

TEMPLATE: Final = (Path(__file__).parent / "search_page.html").read_text(encoding="utf-8")
# The words that stand in the page, and those that its script needs.
WORDS: Final = ("box", "placeholder", "go", "least", "least_number", "within", "in_line", "in_page", "folds",
                "folds_about", "units", "results", "csv", "your_name", "previous", "next", "about", "language",
                "title")  # fmt: skip
SCRIPT_WORDS: Final = ("all_units", "no_unit", "manifest", "name_needed", "right", "wrong", "verdict", "correct",
                       "line_says", "save", "saved", "whole_page", "failed", "no_picture", "by_people", "sure_about",
                       "nothing")  # fmt: skip


def search_page_html(library: Library, *, token: str, read_only: bool) -> str:
    """The whole page. With ``read_only`` it offers no verdicts and corrections, and holds no token."""
    pages = library.pages()
    read = sum(bool(page.model) for page in pages)
    held = say("archive.serve.pages_held", pages=format_decimal(len(pages), 0), read=format_decimal(read, 0))
    facts = {
        "words": {name: say(f"archive.serve.{name}") for name in SCRIPT_WORDS},
        "manifests": {unit: f"/iiif/unit/{unit_key(unit)}/manifest.json" for unit, _ in library.units()},
        "language": language(), "readOnly": read_only, "token": "" if read_only else token,
    }  # fmt: skip
    values = {name: escape(say(f"archive.serve.{name}"), quote=True) for name in WORDS} | {
        "examples": _examples(),
        "lang": language(),
        "archive": escape(library.fact("title")),
        "tongues": _tongues(),
        "held": escape(held),
        "unread": escape(say("archive.serve.unread" if pages else "archive.serve.no_pages")),
        "searchable": "hidden" if read else "",
        "only": escape(say("archive.serve.read_only") if read_only else ""),
        "readonly": "hidden" if read_only else "",
        # A closing tag inside would end the script.
        "facts": json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], TEMPLATE)


def _examples() -> str:
    """The query language, one example a row."""
    rows = (one.strip().rpartition(": ") for one in say("archive.serve.examples").split(";"))
    return "".join(f"<dt><code>{escape(query)}</code></dt><dd>{escape(what)}</dd>" for query, _, what in rows)


def _tongues() -> str:
    """A link to the page in every language."""
    current = ' aria-current="true"'
    return "".join(
        f'<a href="?lang={one}" lang="{one}" hreflang="{one}"{current if one == language() else ""}>{one.upper()}</a>'
        for one in LANGUAGES
    )
