"""What a column holds: dates, tags, and what only looks like them."""

import datetime
from collections.abc import Sequence

import pytest

from capas.data.tabular.column_types import (
    class_label,
    describe_column,
    detect_tag_separator,
    parse_date,
    sorted_class_names,
    split_tags,
)
from capas.data.tabular.io import Cell


@pytest.mark.parametrize(
    "cell", ["2024-05-31", "2024-05-31 10:15", "2024-05-31T10:15:00Z", "31/05/2024", "31.5.2024", " 31/5/2024 08:00 "]
)
def test_dates_as_people_write_them(cell: str) -> None:
    assert parse_date(cell) == datetime.date(2024, 5, 31)


@pytest.mark.parametrize(
    "cell", ["2024-02-30", "31/31/2024", "2024", "2024-05", "5/31/24", "20240531", "2024-05-31x", "", None, 20240531.0]
)
def test_what_is_no_date(cell: Cell) -> None:
    assert parse_date(cell) is None


def test_a_column_of_dates_may_hold_a_few_that_are_none() -> None:
    days: list[Cell] = [f"2024-01-{1 + i % 28:02d}" for i in range(40)]
    assert describe_column("bought", days).kind == "date"
    assert describe_column("bought", [*days, "unknown", None]).kind == "date"
    assert describe_column("bought", [*days, *["unknown"] * 5]).kind != "date"


@pytest.mark.parametrize("separator", [";", "|"])
def test_lists_that_repeat_their_parts_are_tags(separator: str) -> None:
    cells: list[Cell] = [
        separator.join(parts) for parts in (("a", "b"), ("b",), ("a", "c"), ("c",), ("a",), ("b", "c"))
    ] * 3
    assert describe_column("topics", cells).kind == "tags"
    assert detect_tag_separator([str(cell) for cell in cells]) == separator


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["red", "blue", "red"] * 4, "category"),
        ([f"a sentence; of its own, number {i}" for i in range(12)], "text"),
        ([f"x{i};y{i}" for i in range(12)], "identifier"),
        ([1.0, 2.0, 1.5] * 4, "number"),
    ],
)
def test_what_only_looks_like_tags_is_none(cells: Sequence[Cell], kind: str) -> None:
    assert describe_column("column", cells).kind == kind


def test_tags_are_trimmed_and_counted_once() -> None:
    assert split_tags(" b ; a;b;; ", ";") == ("b", "a")
    assert split_tags("a;b", "") == ("a;b",)
    assert detect_tag_separator(["a;b|c", "d|e", "f"]) == "|"
    assert detect_tag_separator(["a", "b"]) == ""


def test_classes_are_words_and_whole_numbers_without_a_point() -> None:
    assert [class_label(cell) for cell in (3.0, 2.5, "x", None)] == ["3", "2.5", "x", None]
    assert sorted_class_names(["p10", "p9", None, "p9"]) == ("p9", "p10")
