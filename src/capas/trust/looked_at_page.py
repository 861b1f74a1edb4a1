"""A translation as a page: for each word that was written, the source with the words that it looked at in colour."""

from html import escape

from capas.core.messages import language, say
from capas.trust.blocks import Words
from capas.trust.looked_at import ExplainedTranslation, LookedAt
from capas.trust.page import block_html
from capas.trust.style import STYLE


def looked_at_html(found: ExplainedTranslation) -> str:
    """The whole file; it opens offline."""
    title, text = escape(found.answer.input), escape(str(found.answer.prediction))
    return (
        f'<!doctype html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<header><p class="over">{escape(say("trust.why.looked_at"))}</p><h1>{text}</h1></header>\n'
        f'<p class="note">{escape(say("trust.why.looked_note"))}</p>\n'
        f"{''.join(map(_section, found.pieces))}</main>\n</body>\n</html>\n"
    )


def _section(piece: LookedAt) -> str:
    shown = (Words(words=piece.source, weights=one.weights, caption=one.word) for one in piece.written)
    return f'<section class="theme">{"".join(map(block_html, shown))}</section>\n'
