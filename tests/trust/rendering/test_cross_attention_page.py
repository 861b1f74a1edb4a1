"""Of every word that was written one line: the source, darker where it was looked at."""

from capas.engine.recipe import Prediction
from capas.trust.explanations.cross_attention import SegmentCrossAttention, TargetWordAttention, TranslationExplanation
from capas.trust.rendering.cross_attention_page import cross_attention_html
from tests.html_pages import parsed

SEGMENTS = (
    SegmentCrossAttention(
        source_words=("three", "boats"),
        target_words=(
            TargetWordAttention(word="tres", weights=(0.9, 0.0)),
            TargetWordAttention(word="barcos", weights=(0.1, 0.5)),
        ),
    ),
    SegmentCrossAttention(source_words=("far",), target_words=(TargetWordAttention(word="lejos", weights=(1.0,)),)),
)


def test_each_written_word_has_its_own_line_over_the_source() -> None:
    prediction = Prediction(input="t.txt", prediction="tres barcos lejos")
    found = parsed(cross_attention_html(TranslationExplanation(prediction=prediction, segments=SEGMENTS)))
    assert found.tags.count("figcaption") == 3 and found.tags.count("section") == 2
    captions = [text for text in found.texts if text in ("tres", "barcos", "lejos")]
    assert captions == ["tres", "barcos", "lejos"] and "tres barcos lejos" in found.texts
    # Three fifths of the weight in percent; none for 0.
    shares = [value for name, value in found.attributes if name == "style"]
    assert shares == ["--share:54%", "--share:6%", "--share:30%", "--share:60%"]
    assert [value for name, value in found.attributes if name == "title"] == ["+0.90", "+0.10", "+0.50", "+1.00"]
    assert " ".join("".join(found.texts).split()).count("three boats") == 2


def test_it_opens_offline() -> None:
    found = parsed(cross_attention_html(TranslationExplanation(prediction=Prediction(input="t"), segments=())))
    assert not {name for name, _ in found.attributes} & {"src", "href"} and "script" not in found.tags
    assert found.tags.count("section") == 0
