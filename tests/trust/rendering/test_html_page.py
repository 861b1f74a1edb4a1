"""The page of a report: every theme where its link leads, marked as it came out, and what was not tested once."""

from capas.core.i18n import choose_language
from capas.trust.rendering.blocks import Sentence
from capas.trust.rendering.html_page import MARKS, ReportPage, report_page_html
from capas.trust.theme import Finding, Theme
from tests.html_pages import Parsed, parsed

THEMES = (
    Theme(name="quality", blocks=(Sentence(text="a block"),), untested=("elsewhere",)),
    Theme(name="ood", findings=(Finding(key="k", gravity="attention", text="a finding"),), untested=("elsewhere",)),
    Theme(name="attacks", findings=(Finding(key="k", gravity="problem", text="a problem"),), untested=("in depth",)),
    Theme(name="labels", not_computed_because="there are too few"),
)


def page(verdict: tuple[Sentence, ...] = (Sentence(text="first", tone="problem"), Sentence(text="second"))) -> Parsed:
    facts = (("Network", "compact"),)
    shown = ReportPage(title="How far", subtitle="today", verdict=verdict, facts=facts, themes=THEMES)
    return parsed(report_page_html(shown))


def test_links_lead_to_their_themes_in_order() -> None:
    found = page()
    links = [value for name, value in found.attributes if name == "href"]
    anchors = [value for name, value in found.attributes if name == "id"]
    assert links == ["#quality", "#ood", "#attacks", "#labels"] and anchors == [
        *(link[1:] for link in links),
        "untested",
    ]


def test_each_theme_is_marked_in_the_overview_and_at_its_place() -> None:
    assert [text for text in page().texts if text in MARKS.values()] == ["✓", "!", "✗", "–"] * 2


def test_a_theme_shows_its_blocks_and_findings_or_why_there_are_none() -> None:
    texts = page().texts
    for text in ("a block", "a finding", "a problem"):
        assert texts.count(text) == 1
    assert texts.count("Not computed, because there are too few") == 1


def test_what_was_not_tested_stands_there_once() -> None:
    texts = page().texts
    assert texts.count("elsewhere") == texts.count("in depth") == 1
    assert texts.count("Are the labels right?: there are too few") == 1
    assert texts.index("elsewhere") < texts.index("in depth") < texts.index("Are the labels right?: there are too few")


def test_the_verdict_comes_first_and_one_sentence_needs_no_list() -> None:
    found = page()
    assert found.texts.index("first") < found.texts.index("second") < found.texts.index("a block")
    assert ("class", "first problem") in found.attributes
    assert len([tag for tag in page((Sentence(text="first"),)).tags if tag == "ul"]) == found.tags.count("ul") - 1


def test_its_own_words_follow_the_language() -> None:
    assert "Verdict" in [value for _, value in page().attributes] and ("lang", "en") in page().attributes
    choose_language("es")
    assert ("lang", "es") in page().attributes and "Verdict" not in [value for _, value in page().attributes]
