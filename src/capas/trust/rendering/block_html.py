"""HTML of the blocks of which a theme's report is made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.html import Markup, render_html
from capas.trust.rendering.blocks import Block, WordHeatmap
from capas.trust.rendering.image_uri import image_uri
from capas.trust.rendering.svg_plots import bars_svg, legend_key, plot_svg

TEMPLATE: Final = Path(__file__).with_name("blocks.html")
MIN_SHARE: Final = 3  # percent: a fainter colour cannot be told from none


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadedWord:
    """A word of a heatmap.

    Attributes:
        word: The word.
        side: The CSS class of its colour: ``for`` or ``against``.
        share: Percent of that colour; 0 for none.
        weight: Its weight as text.
    """

    word: str
    side: str
    share: int
    weight: str


def block_html(block: Block) -> Markup:
    """Return the HTML of one block."""
    return render_html(TEMPLATE, {
        "kind": type(block).__name__, "block": block, "bars_svg": bars_svg, "plot_svg": plot_svg,
        "legend_key": legend_key, "image_uri": image_uri, "shaded_words": shaded_words,
    })  # fmt: skip


def shaded_words(heatmap: WordHeatmap) -> list[ShadedWord]:
    """Return the words of a heatmap with their colours, at most 60 % of them so that the text stays legible."""
    words = []
    for word, weight in zip(heatmap.words, heatmap.weights, strict=True):
        share, side = round(min(1.0, abs(weight)) * 60), "for" if weight >= 0 else "against"
        words.append(
            ShadedWord(word=word, side=side, share=share if share >= MIN_SHARE else 0, weight=f"{weight:+.2f}")
        )
    return words
