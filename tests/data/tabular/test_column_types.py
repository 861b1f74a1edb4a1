"""What a column holds: dates, tags, and what only looks like them."""

import datetime
from collections.abc import Sequence

import pytest

from capas.data.tabular import column_types
from capas.data.tabular.column_types import class_label, parse_date, split_tags
from capas.data.tabular.columns import Cell, column_from_cells


def kind(name: str, cells: Sequence[Cell]) -> column_types.ColumnKind:
    return column_types.describe_column(name, column_from_cells(cells)).kind


def separator_of(cells: Sequence[Cell]) -> str:
    return column_types.detect_tag_separator(column_from_cells(cells))


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
    assert kind("bought", days) == "date"
    assert kind("bought", [*days, "unknown", None]) == "date"
    assert kind("bought", [*days, *["unknown"] * 5]) != "date"


@pytest.mark.parametrize("separator", [";", "|"])
def test_lists_that_repeat_their_parts_are_tags(separator: str) -> None:
    cells: list[Cell] = [
        separator.join(parts) for parts in (("a", "b"), ("b",), ("a", "c"), ("c",), ("a",), ("b", "c"))
    ] * 3
    assert kind("topics", cells) == "tags"
    assert separator_of(cells) == separator


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["red", "blue", "red"] * 4, "category"),
        ([f"a sentence; of its own, number {i}" for i in range(12)], "text"),
        ([f"x{i};y{i}" for i in range(12)], "identifier"),
        ([1.0, 2.0, 1.5] * 4, "number"),
    ],
)
def test_what_only_looks_like_tags_is_none(cells: Sequence[Cell], expected: str) -> None:
    assert kind("column", cells) == expected


def test_tags_are_trimmed_and_counted_once() -> None:
    assert split_tags(" b ; a;b;; ", ";") == ("b", "a")
    assert split_tags("a;b", "") == ("a;b",)
    assert separator_of(["a;b|c", "d|e", "f"]) == "|"
    assert separator_of(["a;b", "c;d", *["e|f"] * 3]) == "|"  # cells are counted, not the different ones
    assert separator_of(["a", "b"]) == separator_of([1.0]) == ""
    assert column_types.sorted_tag_names(column_from_cells(["b;a10", "a9", None, "b"])) == ("a9", "a10", "b")


def test_classes_are_words_and_whole_numbers_without_a_point() -> None:
    assert [class_label(cell) for cell in (3.0, 2.5, "x", None)] == ["3", "2.5", "x", None]
    assert column_types.sorted_class_names(column_from_cells(["p10", "p9", None, "p9"])) == ("p9", "p10")


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("x", [None, None], ("empty", 0, 0)),
        ("x", [], ("empty", 0, 0)),
        ("user_id", ["b", None, "a"], ("identifier", 2, 2)),
        ("x", [0.0, -0.0, 1.0, 1.0], ("few_numbers", 2, 4)),  # zero has one value, whatever its sign
        ("x", [1.0, 2.0], ("number", 2, 2)),
        ("x", [3.0, 1.0, None, 2.0], ("identifier", 3, 3)),
        ("x", [3.0, 1.0, 4.0], ("number", 3, 3)),
        ("x", ["a", "b", "a", None], ("category", 2, 3)),
        ("x", ["a" * 41, "b"], ("text", 2, 2)),
    ],
)
def test_a_column_is_counted_without_its_missing_cells(
    name: str, cells: list[Cell], expected: tuple[str, int, int]
) -> None:
    found = column_types.describe_column(name, column_from_cells(cells))
    assert (found.kind, found.distinct, found.filled) == expected
