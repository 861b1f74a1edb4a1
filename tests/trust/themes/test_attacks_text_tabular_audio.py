"""Typos, nudges and faint noise against models of which it is known what they rest on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from capas.core.spec import TaskName
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Theme
from capas.trust.themes.attacks_text_tabular_audio import NUDGES, input_perturbation_attacks_theme
from tests.trust.made_models import (
    asked,
    made_context,
    made_subject,
    rows_reader,
    sounds_reader,
    table_rows,
    texts_of,
    tone,
    words_reader,
    write_sounds,
)

N = 30
CLASSES = ("no", "yes")


def right(theme: Theme, way: str) -> list[float]:
    after = cast(Mapping[str, Sequence[Mapping[str, float]]], theme.facts["right_after"])
    return [one["value"] for one in after[way]]


def ask(subject: ModelUnderTest) -> Theme:
    return input_perturbation_attacks_theme(asked(subject), subject)


def texts(said: Sequence[str], weights: Mapping[str, float]) -> ModelUnderTest:
    context = made_context(texts_of(said), [1] * len(said), ["test"] * len(said), kind="text", classes=CLASSES)
    return made_subject(context, words_reader(weights))


def test_the_word_that_decides_is_misspelt_first() -> None:
    found = ask(texts([f"seven harbour boats sailed home{i}" for i in range(N)], {"harbour": 2.0}))
    assert right(found, "chosen") == [0.0, 0.0, 0.0]
    # By chance it is one, two or four of five words.
    assert right(found, "noise") == pytest.approx([0.8, 0.6, 0.2], abs=0.25)
    assert found.facts["kind"] == "typos" and found.facts["sizes"] == ["1", "2", "4"] and found.facts["n"] == N
    assert [one.key for one in found.findings] == ["fragile"] and "2 misspelt words" in found.findings[0].text


def test_several_words_that_say_the_same_withstand_one_typo() -> None:
    words = ("harbour", "boats", "sailed")
    found = ask(texts([f"seven {' '.join(words)} {i}" for i in range(N)], dict.fromkeys(words, 1.0)))
    # Two of three may go; with the third nothing speaks for it any more.
    assert right(found, "chosen") == [1.0, 1.0, 0.0] and right(found, "noise")[:2] == [1.0, 1.0]
    assert not found.findings


def test_texts_without_a_long_word_and_wrong_answers_stay_what_they_are() -> None:
    found = ask(texts(["a sea"] * N, {"sea": 2.0}))
    assert right(found, "chosen") == right(found, "noise") == [1.0, 1.0, 1.0]
    wrong = ask(texts(["seven harbour boats"] * N, {"harbour": -2.0}))
    assert right(wrong, "chosen") == right(wrong, "noise") == [0.0, 0.0, 0.0]


def rows(columns: Mapping[str, Sequence[float | None]], task: TaskName = "classify") -> ModelUnderTest:
    context = made_context(table_rows(columns), [1] * N, ["test"] * N, classes=CLASSES, task=task)
    return made_subject(context, rows_reader(dict.fromkeys(columns, 1.0)), ClassHead(CLASSES))


def test_numbers_are_pushed_over_the_border_when_it_is_near_enough() -> None:
    # 0.2 above the border; the second column is moved just as well.
    found = ask(rows({"a": [0.2] * N, "b": [0.0] * N}))
    assert right(found, "chosen") == [1.0, 0.0, 0.0] and found.facts["sizes"] == ["10 %", "25 %", "50 %"]
    # By chance one of two ways is the wrong one.
    assert right(found, "noise") == pytest.approx([1.0, 0.5, 0.5], abs=0.25) and len(NUDGES) == 3
    assert right(ask(rows({"a": [9.0] * N})), "chosen") == [1.0, 1.0, 1.0]


def test_rows_without_numbers_and_other_answers_are_not_attacked() -> None:
    empty = ask(rows({"a": [None] * N}))
    assert empty.status == "not_computed" and "no numbers" in str(empty.not_computed_because)
    tagged = ask(rows({"a": [1.0] * N}, "tag"))
    assert tagged.status == "not_computed" and "only answers that are one class" in str(tagged.not_computed_because)


def test_a_sound_that_lies_near_the_border_is_turned_and_a_clear_one_is_not(tmp_path: Path) -> None:
    """A faint tone of the other side is turned by noise that is as loud; against a loud one noise is nothing."""
    for loudness, expected in ((0.5, 1.0), (0.001, 0.0)):
        waves = [tone(2500 + 5 * i, 0.1, loudness=loudness) for i in range(12)]
        context = made_context(write_sounds(tmp_path, waves), [1] * 12, ["test"] * 12, kind="audio", classes=CLASSES)
        found = ask(made_subject(context, sounds_reader()))
        assert right(found, "chosen")[2] == expected and found.facts["kind"] == "loudness"
        for chosen, noise in zip(right(found, "chosen"), right(found, "noise"), strict=True):
            assert chosen <= noise
