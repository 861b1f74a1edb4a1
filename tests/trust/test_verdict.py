"""The verdict: one sentence, one cause, one next step, three boxes at most, and what was not tested."""

import re
from pathlib import Path

import pytest

import capas
from capas.core.i18n import catalogue, say
from capas.trust.rendering.blocks import Sentence
from capas.trust.theme import THEMES, Finding, Gravity, Theme
from capas.trust.theme_context import Level, ThemeContext
from capas.trust.verdict import MAX_BOXES, Verdict, next_step, ranked_findings, verdict
from tests.trust.made_models import made_context, texts_of

ACCURACY = {"metrics": {"accuracy": {"value": 0.9, "n": 50, "interval": [0.8, 0.95]}}, "baseline": {}}


def finding(key: str, gravity: Gravity = "attention") -> Finding:
    return Finding(key=key, gravity=gravity, text=f"found {key}")


def said(*themes: Theme, before: tuple[Finding, ...] = (), level: Level = "standard") -> Verdict:
    run_context = made_context(texts_of(["a"] * 50), [0] * 50, ["test"] * 50, kind="text", classes=("a", "b"),
                               metrics=ACCURACY)  # fmt: skip
    return verdict(ThemeContext(run_context=run_context, subject=None, level=level), themes, before)


def test_the_cause_and_its_next_step_come_first() -> None:
    found = said(
        Theme(name="quality", findings=[finding("often_wrong", "problem"), finding("imbalance")]),
        Theme(name="leakage", findings=[finding("leaked_test", "problem")]),
        Theme(name="attacks", findings=[finding("fragile")]),
    )
    assert [box.text for box in found.boxes] == [
        "found leaked_test",
        say("trust.next.leaked_test"),
        "found often_wrong",
    ]
    assert [box.tone for box in found.boxes] == ["problem", "plain", "problem"] and len(found.boxes) == MAX_BOXES
    assert [sentence.text for sentence in found.more] == ["found imbalance", "found fragile"]
    assert found.headline.tone == "problem" and "45 of 50" in found.headline.text
    for text in ("45 of 50", "found leaked_test", "found fragile"):
        assert text in found.text


def test_one_finding_needs_two_boxes_and_nothing_folded() -> None:
    found = said(Theme(name="attacks", findings=[finding("fragile")]))
    assert len(found.boxes) == 2 and found.more == [] and found.headline.tone == "plain"


def test_where_nothing_is_found_the_next_step_is_to_try_elsewhere() -> None:
    found = said(Theme(name="quality"), Theme(name="labels", not_computed_because="few"))
    assert found.boxes[0].tone == "good" and "1 of 2" in found.boxes[0].text
    assert "capas test" in found.boxes[1].text and found.headline == Sentence(text=found.headline.text, tone="plain")


def test_what_was_found_in_the_data_counts() -> None:
    found = said(Theme(name="quality"), before=(finding("data_duplicate_conflict"),))
    assert found.boxes[0].text == "found data_duplicate_conflict" and found.boxes[1].text == say("trust.next.data")


def test_a_finding_without_a_step_of_its_own_has_that_of_its_theme() -> None:
    themes = [Theme(name="stickers", findings=[finding("sticker_centre")])]
    assert next_step(themes[0].findings[0], themes) == say("trust.next.stickers")
    assert next_step(finding("fragile"), themes) == say("trust.next.fragile")


def test_what_was_not_or_only_partly_tested_is_said() -> None:
    notes = said(
        Theme(name="calibration", not_computed_because="there are few"),
        Theme(name="ood", partly_tested=["few"]),
        Theme(name="attacks", not_computed_because="late", out_of_time=True),
        level="quick",
    ).notes
    assert len(notes) == 4 and "there are few" in notes[0] and "know?" in notes[1]
    assert "fool it?" in notes[2] and "--time" in notes[2] and "--level standard" in notes[3]
    assert said(Theme(name="quality"), Theme(name="calibration")).notes == []
    late = said(Theme(name="calibration", not_computed_because="late", out_of_time=True)).notes
    assert len(late) == 1 and "--time" in late[0]


def test_findings_are_ranked_by_gravity_then_by_what_explains_others() -> None:
    themes = [
        Theme(name="quality", findings=[finding("often_wrong"), finding("constant_answer")]),
        Theme(name="groups", findings=[finding("class_gap"), finding("group_gap", "problem")]),
    ]
    assert [one.key for one in ranked_findings(themes)] == ["group_gap", "constant_answer", "often_wrong", "class_gap"]


@pytest.mark.parametrize("kind", ["en", "es"])
def test_no_next_step_is_for_a_finding_that_no_theme_makes(kind: str) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (Path(capas.__file__).parent / "trust").rglob("*.py")]
    made = {key for text in sources for key in re.findall(r'"([a-z_]+)"', text)} | {*THEMES, "data", "nothing"}
    steps = {key.removeprefix("trust.next.") for key in catalogue(kind) if key.startswith("trust.next.")}
    assert steps <= made, steps - made
