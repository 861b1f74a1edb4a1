"""HTML of the blocks of which a theme's report is made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.html import Markup, render_html
from capas.trust.rendering.blocks import Bars, Block, ConfusionTable, WordHeatmap
from capas.trust.rendering.image_uri import image_uri
from capas.trust.rendering.svg_plots import legend_key, plot_svg

TEMPLATE: Final = Path(__file__).with_name("blocks.html")
MIN_SHARE: Final = 3  # percent: a fainter colour cannot be told from none


@dataclass(frozen=True, kw_only=True, slots=True)
class BarRow:
    """A bar as it is drawn, in percent of the track.

    Attributes:
        label: Its label.
        tone: The CSS class of its colour.
        value_text: Its value as text.
        length: Length of the bar.
        low: Where its interval begins.
        interval: Length of its interval; negative where it has none.
    """

    label: str
    tone: str
    value_text: str
    length: float
    low: float
    interval: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfusionCell:
    """A cell of a confusion matrix.

    Attributes:
        count: Number of examples.
        share: Percent of its row, whole.
        side: The CSS class of its colour: ``right`` on the diagonal, else ``wrong``.
    """

    count: int
    share: int
    side: str


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
        "kind": type(block).__name__, "block": block, "bar_rows": bar_rows, "plot_svg": plot_svg,
        "legend_key": legend_key, "image_uri": image_uri, "shaded_words": shaded_words,
        "confusion_rows": confusion_rows, "block_html": block_html,
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


def confusion_rows(table: ConfusionTable) -> list[list[ConfusionCell]]:
    """Return the cells of a confusion matrix with their colours, by their share of the row."""
    return [
        [
            ConfusionCell(count=count, share=round(100 * count / max(1, sum(row))), side="right" if i == j else "wrong")
            for j, count in enumerate(row)
        ]
        for i, row in enumerate(table.counts)
    ]


def bar_rows(bars: Bars) -> list[BarRow]:
    """Return the bars with their lengths in percent of ``bars.largest``."""

    def percent(value: float) -> float:
        return round(100 * min(1.0, max(0.0, value) / (bars.largest or 1.0)), 2)

    return [
        BarRow(
            label=bar.label,
            tone=bar.tone,
            value_text=bar.value_text,
            length=percent(bar.value),
            low=0.0 if bar.low is None else percent(bar.low),
            interval=-1.0 if bar.low is None or bar.high is None else round(percent(bar.high) - percent(bar.low), 2),
        )
        for bar in bars.bars
    ]
