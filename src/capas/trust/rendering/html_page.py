"""The trust report as one HTML file: works offline, prints, light and dark, accessible to screen readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from capas.core.i18n import language, say
from capas.trust.rendering.blocks import Bars, Block, Grid, ImageGallery, Plot, Sentence, WordHeatmap
from capas.trust.rendering.image_html import image_html
from capas.trust.rendering.style import STYLE
from capas.trust.rendering.svg_plots import bars_svg, legend, plot_svg
from capas.trust.theme import Theme

MARKS = {"nothing_found": "✓", "attention": "!", "problem": "✗", "not_computed": "–"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportPage:
    """The contents of the report, texts in the user's language.

    Attributes:
        title: Title.
        subtitle: Line below the title.
        verdict: The first sentences.
        facts: Pairs (name, value) about the run.
        themes: The themes in their order.
    """

    title: str
    subtitle: str
    verdict: Sequence[Sentence]
    facts: Sequence[tuple[str, str]]
    themes: Sequence[Theme]


def report_page_html(page: ReportPage) -> str:
    """Return the whole HTML file."""
    return (
        f'<!doctype html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(page.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{_head(page)}{_overview(page.themes)}{''.join(map(_section, page.themes))}"
        f"{_untested(page.themes)}{_made(page)}"
        "</main>\n</body>\n</html>\n"
    )


def _head(page: ReportPage) -> str:
    first, *others = page.verdict
    more = "".join(f'<li class="{s.tone}">{escape(s.text)}</li>' for s in others)
    listed = f"<ul>{more}</ul>" if more else ""
    return (
        f'<header><p class="over">{escape(page.subtitle)}</p><h1>{escape(page.title)}</h1>\n'
        f'<section class="verdict" aria-label="{escape(say("trust.verdict"))}"><p class="first {first.tone}">'
        f"{escape(first.text)}</p>{listed}</section></header>\n"
    )


def _overview(themes: Sequence[Theme]) -> str:
    cards = "".join(
        f'<li><a class="card {theme.status}" href="#{theme.name}"><span class="mark" aria-hidden="true">'
        f"{MARKS[theme.status]}</span><strong>{escape(say(f'trust.themes.{theme.name}'))}</strong>"
        f"<small>{escape(say(f'trust.status.{theme.status}'))}</small></a></li>"
        for theme in themes
    )
    return f'<nav aria-label="{escape(say("trust.overview"))}"><ol class="cards">{cards}</ol></nav>\n'


def _section(theme: Theme) -> str:
    head = (
        f'<section class="theme" id="{theme.name}"><h2><span class="mark {theme.status}" aria-hidden="true">'
        f"{MARKS[theme.status]}</span>{escape(say(f'trust.themes.{theme.name}'))}</h2>"
        f'<p class="asks">{escape(say(f"trust.asks.{theme.name}"))}</p>'
    )
    if theme.not_computed_because is not None:
        because = say("trust.not_computed", reason=theme.not_computed_because)
        return f'{head}<p class="none">{escape(because)}</p></section>\n'
    findings = "".join(f'<p class="finding {f.gravity}">{escape(f.text)}</p>' for f in theme.findings)
    return f"{head}{findings}{''.join(map(block_html, theme.blocks))}</section>\n"


def block_html(block: Block) -> str:
    """Return the HTML of one block of a theme."""
    match block:
        case Sentence():
            return f'<p class="{block.tone}">{escape(block.text)}</p>'
        case Grid():
            return _grid(block)
        case Bars():
            return f"<figure>{_caption(block.title)}{bars_svg(block)}{_note(block.note)}</figure>"
        case Plot():
            return f"<figure>{_caption(block.title)}{plot_svg(block)}{legend(block.lines)}{_note(block.note)}</figure>"
        case ImageGallery():
            shown = "".join(map(image_html, block.images))
            return f'<figure>{_caption(block.title)}<div class="gallery">{shown}</div>{_note(block.note)}</figure>'
        case WordHeatmap():
            return f'<figure>{_caption(block.caption)}<p class="words">{_words(block)}</p></figure>'


def _caption(text: str) -> str:
    return f"<figcaption>{escape(text)}</figcaption>" if text else ""


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>' if text else ""


def _grid(grid: Grid) -> str:
    def cell(number: int, text: str, tag: str) -> str:
        side = ' class="number"' if number in grid.right else ""
        scope = ' scope="col"' if tag == "th" else ""
        return f"<{tag}{scope}{side}>{escape(text)}</{tag}>"

    heads = "".join(cell(i, head, "th") for i, head in enumerate(grid.heads))
    rows = "".join(f"<tr>{''.join(cell(i, c, 'td') for i, c in enumerate(row))}</tr>" for row in grid.rows)
    caption = f"<caption>{escape(grid.title)}</caption>" if grid.title else ""
    table = f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll">{table}</div>{_note(grid.note)}'


def _words(block: WordHeatmap) -> str:
    parts = []
    for word, weight in zip(block.words, block.weights, strict=True):
        share = round(min(1.0, abs(weight)) * 60)
        side = "for" if weight >= 0 else "against"
        parts.append(
            f'<span class="word {side}" style="--share:{share}%" title="{weight:+.2f}">{escape(word)}</span>'
            if share >= 3
            else escape(word)
        )
    return " ".join(parts)


def _untested(themes: Sequence[Theme]) -> str:
    said = [text for theme in themes for text in theme.untested]
    said += [f"{say(f'trust.themes.{t.name}')}: {t.not_computed_because}" for t in themes if t.not_computed_because]
    items = "".join(f"<li>{escape(text)}</li>" for text in dict.fromkeys(said))
    return f'<section class="theme" id="untested"><h2>{escape(say("trust.untested"))}</h2><ul>{items}</ul></section>\n'


def _made(page: ReportPage) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in page.facts)
    return f"<footer><h2>{escape(say('trust.made'))}</h2><dl>{rows}</dl></footer>\n"
