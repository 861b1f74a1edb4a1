"""HTML page of a translation's cross-attention: for each target word the source, coloured by its weights."""

from pathlib import Path
from typing import Final

from capas.core.html import Markup, render_html
from capas.trust.explanations.cross_attention import SegmentCrossAttention, TranslationExplanation
from capas.trust.rendering.block_html import block_html
from capas.trust.rendering.blocks import WordHeatmap
from capas.trust.rendering.style import STYLE

TEMPLATE: Final = Path(__file__).with_suffix(".html")


def cross_attention_html(found: TranslationExplanation) -> Markup:
    """Return the page; it opens offline."""
    return render_html(TEMPLATE, {
        "title": found.prediction.input, "style": STYLE, "translation": str(found.prediction.prediction),
        "segments": [_heatmaps(segment) for segment in found.segments], "block_html": block_html,
    })  # fmt: skip


def _heatmaps(segment: SegmentCrossAttention) -> list[WordHeatmap]:
    return [
        WordHeatmap(words=segment.source_words, weights=one.weights, caption=one.word) for one in segment.target_words
    ]
