"""The page of a report: every theme where its link leads, marked as it came out, and what was not tested once."""

from capas.core.i18n import choose_language
from capas.trust.rendering.blocks import Sentence, Tone
from capas.trust.rendering.html_page import MARKS, ReportPage, report_page_html
from capas.trust.theme import Finding, Theme
from capas.trust.verdict import Verdict, VerdictBox
from tests.html_pages import Parsed, parsed

THEMES = (
    Theme(name="quality", blocks=(Sentence(text="a block"),), untested=("elsewhere",)),
    Theme(name="ood", findings=(Finding(key="k", gravity="attention", text="a finding"),), untested=("elsewhere",)),
    Theme(name="attacks", findings=(Finding(key="k", gravity="problem", text="a problem"),), untested=("in depth",)),
    Theme(name="labels", not_computed_because="there are too few"),
)


def verdict(*boxes: str, more: tuple[str, ...] = (), notes: tuple[str, ...] = (), tone: Tone = "problem") -> Verdict:
    return Verdict(
        headline=Sentence(text="first", tone=tone),
        boxes=[VerdictBox(heading=f"about {text}", text=text, tone="attention") for text in boxes],
        more=[Sentence(text=text) for text in more],
        notes=notes,
    )


def page(said: Verdict | None = None, data: tuple[str, ...] = ()) -> Parsed:
    facts = (("Network", "compact"),)
    shown = ReportPage(title="How far", subtitle="today", verdict=said or verdict("second"), facts=facts, themes=THEMES,
                       data_problems=[Sentence(text=text) for text in data])  # fmt: skip
    return parsed(report_page_html(shown))


def test_links_lead_to_their_themes_in_order() -> None:
    found = page()
    links = [value for name, value in found.attributes if name == "href"]
    anchors = [value for name, value in found.attributes if name == "id"]
    assert links == ["#quality", "#ood", "#attacks", "#labels"]
    assert anchors == [*(link[1:] for link in links), "data", "untested", "made"]


def test_each_theme_is_marked_in_the_overview_and_at_its_place() -> None:
    assert [text for text in page().texts if text in MARKS.values()] == ["✓", "!", "✗", "–"] * 2


def test_all_but_the_quality_is_folded() -> None:
    opened = [name for name, value in page().attributes if name == "open"]
    assert len(opened) == 1 and page().tags.count("details") == len(THEMES) + 3
    html = report_page_html(ReportPage(title="", subtitle="", verdict=verdict("second"), facts=(), themes=THEMES))
    assert '<details class="theme nothing_found" open>' in html


def test_more_findings_are_folded_and_counted() -> None:
    texts = page(verdict("second", more=("third", "fourth"), notes=("a note",))).texts
    assert "2 more findings" in texts and texts.index("second") < texts.index("2 more findings") < texts.index("third")
    assert "1 more finding" in page(verdict("second", more=("third",))).texts and "a note" in texts
    assert not any("more finding" in text for text in page().texts)


def test_what_was_found_before_training_has_its_place() -> None:
    assert "a copy in two classes" in page(data=("a copy in two classes",)).texts
    assert any("before training" in text and "Nothing" in text for text in page().texts)


def test_no_line_ends_between_a_number_and_its_sign() -> None:
    assert "98.5\u00a0% of it" in page(verdict("98.5 % of it")).texts


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


def test_the_verdict_comes_first() -> None:
    found = page()
    assert found.texts.index("first") < found.texts.index("about second") < found.texts.index("second")
    assert found.texts.index("second") < found.texts.index("a block")
    assert ("class", "first problem") in found.attributes and ("class", "box attention") in found.attributes


def test_its_own_words_follow_the_language() -> None:
    assert "Verdict" in [value for _, value in page().attributes] and ("lang", "en") in page().attributes
    choose_language("es")
    assert ("lang", "es") in page().attributes and "Verdict" not in [value for _, value in page().attributes]
