"""The trust report as one HTML file: works offline, prints, light and dark, accessible to screen readers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.html import Markup, render_html
from capas.core.i18n import say
from capas.trust.rendering.block_html import block_html
from capas.trust.rendering.blocks import Sentence
from capas.trust.rendering.style import STYLE
from capas.trust.theme import Theme
from capas.trust.verdict import Verdict

TEMPLATE: Final = Path(__file__).with_suffix(".html")
OPENED = ("quality",)
# No line ends between a number and its sign, nor within an interval.
_PERCENT: Final = re.compile(r"(\d) %")
_RANGE: Final = re.compile(r"(?<=\d)–(?=\d)")
MARKS = {"nothing_found": "✓", "partly_tested": "◐", "attention": "!", "problem": "✗", "not_computed": "–"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportPage:
    """The contents of the report, texts in the user's language.

    Attributes:
        title: Title.
        subtitle: Line below the title.
        verdict: What it says first.
        facts: Pairs (name, value) about the run.
        themes: The themes in their order.
        data_problems: What was found in the data before training.
    """

    title: str
    subtitle: str
    verdict: Verdict
    facts: Sequence[tuple[str, str]]
    themes: Sequence[Theme]
    data_problems: Sequence[Sentence] = ()


def report_page_html(page: ReportPage) -> Markup:
    """Return the whole HTML file."""
    html = render_html(TEMPLATE, {
        "title": page.title, "style": STYLE, "page": page, "marks": MARKS, "untested": _untested(page.themes),
        "opened": OPENED, "block_html": block_html,
    })  # fmt: skip
    return Markup(_RANGE.sub("\u2060–\u2060", _PERCENT.sub("\\1\u00a0%", html)))


def _untested(themes: Sequence[Theme]) -> list[str]:
    """Return what was not tested, each once."""
    texts = [text for theme in themes for text in theme.untested]
    texts += [f"{say(f'trust.themes.{t.name}')}: {t.not_computed_because}" for t in themes if t.not_computed_because]
    return list(dict.fromkeys(texts))
