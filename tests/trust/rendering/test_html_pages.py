"""The pages of the report: whatever a name, a label or a text holds, it is shown and not obeyed."""

import numpy as np
import pytest

from capas.engine.recipe import Prediction
from capas.trust.explanations.cross_attention import SegmentCrossAttention, TargetWordAttention, TranslationExplanation
from capas.trust.rendering.block_html import block_html
from capas.trust.rendering.blocks import (
    Bar,
    Bars,
    Block,
    CaptionedImage,
    ConfusionTable,
    Folded,
    Grid,
    ImageGallery,
    Plot,
    PlotSeries,
    Sentence,
    WordHeatmap,
)
from capas.trust.rendering.cross_attention_page import cross_attention_html
from capas.trust.rendering.html_page import ReportPage, report_page_html
from capas.trust.theme import Finding, Theme
from capas.trust.verdict import Verdict, VerdictBox
from tests.html_pages import HOSTILE, assert_inert, parsed

IMAGE = np.zeros((4, 4), dtype=np.uint8)
LINES = (PlotSeries(name=HOSTILE, xs=(0, 1), ys=(0, 1)), PlotSeries(name="b", xs=(0, 1), ys=(1, 0), dashed=True))
BLOCKS: list[tuple[Block, int, int]] = [  # how often the value stands in texts, and in attributes
    (Sentence(text=HOSTILE), 1, 0),
    (Grid(title=HOSTILE, heads=(HOSTILE, "n"), rows=((HOSTILE, "1"),), right=(1,), note=HOSTILE), 4, 0),
    (Bars(title=HOSTILE, bars=(Bar(label=HOSTILE, value=0.5, value_text=HOSTILE),), note=HOSTILE), 4, 0),
    (ConfusionTable(title=HOSTILE, names=(HOSTILE, "b"), counts=((1, 0), (0, 1)), corner=HOSTILE, note=HOSTILE), 5, 2),
    (Folded(title=HOSTILE, blocks=(Sentence(text=HOSTILE),)), 2, 0),
    (Plot(title=HOSTILE, x=HOSTILE, y=HOSTILE, lines=LINES, description=HOSTILE, note=HOSTILE), 7, 0),
    (ImageGallery(title=HOSTILE, images=(CaptionedImage(image=IMAGE, caption=HOSTILE),), note=HOSTILE), 3, 1),
    (WordHeatmap(words=(HOSTILE, HOSTILE), weights=(0.9, 0.0), caption=HOSTILE), 3, 0),
]


@pytest.mark.parametrize(("block", "texts", "attributes"), BLOCKS, ids=lambda value: type(value).__name__)
def test_a_block_shows_what_it_is_given(block: Block, texts: int, attributes: int) -> None:
    assert_inert(block_html(block), texts=texts, attributes=attributes)


def test_a_report_shows_what_it_is_given() -> None:
    themes = (
        Theme(name="quality", findings=(Finding(key="k", gravity="problem", text=HOSTILE),), untested=(HOSTILE,) * 2),
        Theme(name="labels", not_computed_because=HOSTILE),
    )  # fmt: skip
    verdict = Verdict(
        headline=Sentence(text=HOSTILE),
        boxes=(VerdictBox(heading=HOSTILE, text=HOSTILE),),
        more=(Sentence(text=HOSTILE),),
        notes=(HOSTILE,),
    )
    page = ReportPage(title=HOSTILE, subtitle=HOSTILE, verdict=verdict, facts=((HOSTILE, HOSTILE),), themes=themes,
                      data_problems=(Sentence(text=HOSTILE),))  # fmt: skip
    # Title twice, subtitle, verdict five times, finding, reason twice (in its theme and below), untested once, a fact
    # twice, what was found before training.
    assert_inert(report_page_html(page), texts=15)


def test_a_translation_shows_what_it_is_given() -> None:
    written = (TargetWordAttention(word=HOSTILE, weights=(1.0,)),)
    segments = (SegmentCrossAttention(source_words=(HOSTILE,), target_words=written),)
    found = TranslationExplanation(prediction=Prediction(input=HOSTILE, prediction=HOSTILE), segments=segments)
    assert_inert(cross_attention_html(found), texts=4)


def test_words_of_a_heatmap_are_apart_by_one_space() -> None:
    page = parsed(block_html(WordHeatmap(words=("a", "b", "c"), weights=(0.9, 0.0, -0.5), caption="")))
    assert "".join(page.texts).strip() == "a b c"
