"""HTML page of a translation's cross-attention: for each target word the source, coloured by its weights."""

from html import escape

from capas.core.i18n import language, say
from capas.trust.explanations.cross_attention import SegmentCrossAttention, TranslationExplanation
from capas.trust.rendering.blocks import WordHeatmap
from capas.trust.rendering.html_page import block_html
from capas.trust.rendering.style import STYLE


def cross_attention_html(found: TranslationExplanation) -> str:
    """Return the page; it opens offline."""
    title, text = escape(found.prediction.input), escape(str(found.prediction.prediction))
    return (
        f'<!doctype html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<header><p class="over">{escape(say("trust.why.looked_at"))}</p><h1>{text}</h1></header>\n'
        f'<p class="note">{escape(say("trust.why.looked_note"))}</p>\n'
        f"{''.join(map(_section, found.segments))}</main>\n</body>\n</html>\n"
    )


def _section(piece: SegmentCrossAttention) -> str:
    shown = (WordHeatmap(words=piece.source_words, weights=one.weights, caption=one.word) for one in piece.target_words)
    return f'<section class="theme">{"".join(map(block_html, shown))}</section>\n'
