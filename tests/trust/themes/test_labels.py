"""Wrong labels of a table whose classes are easily told: they are found, listed, and their share is estimated."""

from collections.abc import Mapping, Sequence
from typing import cast

import pytest
import torch

from capas.core.i18n import say
from capas.core.spec import TaskName
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.trust.theme import Theme
from capas.trust.themes.labels import LISTED, REVIEW, labels_theme
from tests.trust.made_models import (
    asked,
    grid,
    halves_subject,
    made_context,
    made_subject,
    rows_reader,
    table_rows,
)


def theme(wrong: Sequence[int], *, n: int = 400, noise: float = 0.4, task: TaskName = "classify") -> Theme:
    true = [i % 2 for i in range(n)]
    labels = [1 - label if i in wrong else label for i, label in enumerate(true)]
    numbers = 2.0 * torch.tensor(true) - 1 + noise * torch.randn(n, generator=torch.Generator().manual_seed(0))
    context = made_context(table_rows({"x": numbers.tolist()}), labels, ["train"] * n, task=task, classes=("no", "yes"))
    return labels_theme(asked(made_subject(context, rows_reader({"x": 1.0}), ClassHead(context.classes))))


WRONG = [3, 20, 51, 88, 120, 133, 171, 202, 240, 277, 301, 338, 350, 390]


def test_wrong_labels_are_listed_with_what_they_probably_are() -> None:
    found = theme(WRONG)
    first = cast(Sequence[Mapping[str, str]], found.facts["first"])
    assert len(first) == LISTED and {one["example"] for one in first} <= {f"t.csv:{i}" for i in WRONG}
    assert all(one["label"] != one["probably"] for one in first)
    assert cast(Mapping[str, float], found.facts["agreement"])["value"] == pytest.approx(386 / 400, abs=0.01)
    assert cast(float, found.facts["expected_precision"]) > 0.9
    assert [one.key for one in found.findings] == ["labels_probably_wrong"] and "of 400" in found.findings[0].text
    table = grid(found.blocks, say("trust.labels.worst"))
    assert [row[0] for row in table.rows] == [one["example"] for one in first]


def test_the_file_to_review_lists_the_least_believed_first() -> None:
    lines = theme(WRONG).files[REVIEW].decode().splitlines()
    assert lines[0] == "example,label,probably,probability_of_label" and 13 <= len(lines) <= 15
    believed = [float(line.rpartition(",")[2]) for line in lines[1:]]
    assert believed == sorted(believed) and max(believed) < 0.5


def test_right_labels_raise_no_finding_and_no_file() -> None:
    found = theme([])
    assert found.status == "nothing_found" and found.files == {} and found.facts["first"] == []
    # Two of 400 are no more than the overlap of classes may explain.
    assert theme([3, 20]).findings == []


def test_a_quick_model_that_is_often_wrong_accuses_no_one() -> None:
    found = theme([], noise=30.0)
    assert found.status == "not_computed" and found.not_computed_because is not None
    assert "too few to accuse a label" in found.not_computed_because


@pytest.mark.parametrize(
    ("n", "task", "reason"),
    [
        (99, "classify", "there are too few training examples (n = 99)"),
        (120, "tag", "it is asked only where there is one class per example"),
    ],
)
def test_few_examples_and_other_answers_are_not_asked(n: int, task: TaskName, reason: str) -> None:
    assert theme([], n=n, task=task).not_computed_because == reason


def test_the_quick_report_asks_for_the_labels_of_pictures_too() -> None:
    seen = [i % 2 for i in range(100)]
    given = [1 - k if i in (7, 30, 51, 84) else k for i, k in enumerate(seen)]
    found = labels_theme(asked(halves_subject(given, ["train"] * 100, seen=seen), "quick"))
    assert found.not_computed_because is None
    first = cast(Sequence[Mapping[str, str]], found.facts["first"])
    assert {one["example"] for one in first} == {f"pictures/{i:05d}" for i in (7, 30, 51, 84)}
