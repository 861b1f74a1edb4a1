"""Groups in the names of files: told before training, and kept together when asked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.core.errors import CapasError
from capas.data.inspect.name_groups import asked_part, groups_in_names, part_of_names
from capas.data.inspect.report import inspect_dataset

SPEAKERS = ("ann", "bob", "cleo", "dan", "eva", "fay")


def names(pattern: str) -> list[str]:
    """Two classes, six people, four files of each."""
    return [
        pattern.format(digit=digit, who=who, patient=f"{k:03d}", take=take, number=24 * digit + 4 * k + take)
        for digit in (0, 1)
        for k, who in enumerate(SPEAKERS)
        for take in range(4)
    ]


LABELS = [0] * 24 + [1] * 24


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("{digit}/{digit}_{who}_{take}.wav", 2),
        ("{digit}/{who}-{number}.png", 1),
        ("{digit}/P{patient}_{take}.png", 2),
        ("{digit}/scan_{patient}_{take}.png", 2),
        ("{digit}/{number}.png", None),
        ("{digit}/img_{number:04d}.png", None),
        ("{digit}/{take}.png", None),
        ("{digit}/class{digit}_{number}.png", None),
    ],
)
def test_the_part_that_names_somebody_is_found(pattern: str, part: int | None) -> None:
    found = groups_in_names(names(pattern), LABELS)
    assert (found and found[0]) == part


def test_two_sides_and_two_years_are_no_groups() -> None:
    for one, other in (("left", "right"), ("2023", "2024")):
        assert groups_in_names([f"x{i}_{one if i % 4 < 2 else other}.png" for i in range(48)], LABELS) is None


def test_a_part_that_is_the_class_is_no_group() -> None:
    assert groups_in_names([f"{'cat' if label else 'dog'}_{i}.png" for i, label in enumerate(LABELS)], LABELS) is None


def test_parts_are_asked_for_by_number() -> None:
    assert (asked_part("name:2"), asked_part("name:0"), asked_part("speaker"), asked_part("name:x")) == (2, *[None] * 3)
    assert part_of_names(["a/0_ann_1.wav", "b/7.wav"], 2) == ["ann", ""]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = np.random.default_rng(0)
    for name, label in zip(names("{digit}_{who}_{take}.png"), LABELS, strict=True):
        (tmp_path / str(label)).mkdir(exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (12, 12), dtype=np.uint8)).save(tmp_path / str(label) / name)
    return tmp_path


def test_look_tells_of_them_and_a_split_by_name_keeps_them_together(folder: Path) -> None:
    report = inspect_dataset(folder)
    told = [problem for problem in report.problems if problem.kind == "groups_in_names"]
    assert len(told) == 1 and told[0].values["number"] == 2 and set(told[0].examples) <= set(SPEAKERS)
    report = inspect_dataset(folder, group="name:2")
    sides = {who: {side for i, side in enumerate(report.split) if who in report.inputs.name(i)} for who in SPEAKERS}
    assert all(len(found) == 1 for found in sides.values()) and set().union(*sides.values()) == {
        "train", "validation", "test"
    }  # fmt: skip
    assert "groups_in_names" not in {problem.kind for problem in report.problems}


def test_a_part_that_no_name_has_is_refused_with_those_there_are(folder: Path) -> None:
    with pytest.raises(CapasError) as caught:
        inspect_dataset(folder, group="name:9")
    assert caught.value.key == "no_such_group" and "name:2" in str(caught.value)
