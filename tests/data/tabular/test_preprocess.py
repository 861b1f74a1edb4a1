"""Rows as tensors: fitted to the training rows alone, a row the same alone and among others, nothing guessed."""

import datetime
import json

import pytest
import torch

from capas.core.errors import CapasError
from capas.data.tabular.columns import Cell, column_from_cells
from capas.data.tabular.preprocess import TabularPreprocessing, one_hot_columns

CELLS: dict[str, tuple[Cell, ...]] = {
    "weight": (1.5, 2.5, 4.0, None, 8.25, 3.0),
    "same": (7.25,) * 6,
    "bought": ("2024-05-31", "2023-01-01 10:15", None, "31/12/2020", "2022-02-28", "2024-02-29"),
    "colour": ("red", "blue", None, "red", "green", "red"),
}
ROWS: list[dict[str, Cell]] = [{name: cells[i] for name, cells in CELLS.items()} for i in range(6)]
COLUMNS = {name: column_from_cells(cells) for name, cells in CELLS.items()}
FITTED = TabularPreprocessing.fit(COLUMNS)


def test_training_numbers_have_mean_zero_and_deviation_one_whatever_is_missing() -> None:
    numbers = FITTED.encode(ROWS).numbers
    assert numbers.shape == (6, FITTED.numbers) == (6, 5)  # weight, same, and three of the date
    for column in (0, 2, 3, 4):
        there = numbers[:, column][~numbers[:, column].isnan()]
        assert there.numel() == 5
        torch.testing.assert_close(there.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
        torch.testing.assert_close(there.std(correction=0), torch.tensor(1.0))
    assert numbers[:, 1].tolist() == [0.0] * 6  # a column that never varies says nothing
    assert numbers.isnan().nonzero().tolist() == [[2, 2], [2, 3], [2, 4], [3, 0]]


def test_a_row_is_the_same_alone_and_among_others() -> None:
    together = FITTED.encode(ROWS)
    for i, row in enumerate(ROWS):
        alone = FITTED.encode([row])
        torch.testing.assert_close(alone.numbers[0], together.numbers[i], equal_nan=True, atol=0, rtol=0)
        assert torch.equal(alone.categories[0], together.categories[i])


def test_columns_are_encoded_as_their_rows_are() -> None:
    together, by_row = FITTED.encode_columns(COLUMNS, 6), FITTED.encode(ROWS)
    torch.testing.assert_close(together.numbers, by_row.numbers, equal_nan=True, atol=0, rtol=0)
    assert together.numbers.dtype == torch.float32 and torch.equal(together.categories, by_row.categories)
    words = {**COLUMNS, "weight": column_from_cells(["2,5", None, "3 kg"] * 2)}
    rows: list[dict[str, Cell]] = [{**row, "weight": cell} for row, cell in zip(ROWS, words["weight"], strict=True)]
    torch.testing.assert_close(
        FITTED.encode_columns(words, 6).numbers, FITTED.encode(rows).numbers, equal_nan=True, atol=0, rtol=0
    )
    dates_first = TabularPreprocessing(columns=FITTED.columns[::-1])
    far = {**COLUMNS, "weight": column_from_cells([1e30, -1e30, None, 1.0, 2.0, 3.0])}
    rows = [{**row, "weight": cell} for row, cell in zip(ROWS, far["weight"], strict=True)]
    torch.testing.assert_close(
        dates_first.encode_columns(far, 6).numbers, dates_first.encode(rows).numbers, equal_nan=True, atol=0, rtol=0
    )
    none = FITTED.encode_columns({name: column.take([]) for name, column in COLUMNS.items()}, 0)
    assert none.numbers.shape == (0, 5) and none.categories.shape == (0, 1)


def test_of_equally_frequent_categories_the_first_one_comes_first() -> None:
    cells = column_from_cells(["c", "b", "a", "b", "c", "d", "d"])
    (encoding,) = TabularPreprocessing.fit({"x": cells}).columns
    assert encoding.values == ("c", "b", "d", "a")
    (encoding,) = TabularPreprocessing.fit({"x": cells.take([6, 2, 1, 5, 3])}).columns
    assert encoding.values == ("d", "b", "a")


def test_a_date_is_days_since_1970_day_of_the_year_and_day_of_the_week() -> None:
    (code,) = [column for column in FITTED.columns if column.name == "bought"]
    assert code.kind == "date"
    raw = FITTED.encode([ROWS[0]]).numbers[0, 2:] * torch.tensor(code.std) + torch.tensor(code.mean)
    day = datetime.date(2024, 5, 31)
    expected = [(day - datetime.date(1970, 1, 1)).days, 152, 4]  # a Friday in a leap year
    assert raw.round().int().tolist() == expected


def test_categories_are_numbered_from_one_and_what_is_unknown_is_zero() -> None:
    assert FITTED.categories == (4,)
    codes = FITTED.encode(ROWS).categories[:, 0].tolist()
    assert codes[0] == codes[3] == codes[5] == 1 and codes[2] == 0 and {codes[1], codes[4]} == {2, 3}
    assert FITTED.encode([{"colour": "mauve"}, {"colour": None}, {}]).categories[:, 0].tolist() == [0, 0, 0]


def test_a_row_that_lacks_columns_has_them_missing() -> None:
    assert FITTED.encode([{"weight": 2.0}]).numbers[0].isnan().tolist() == [False, True, True, True, True]
    assert FITTED.encode([]).numbers.shape == (0, 5)


@pytest.mark.parametrize("cell", ["2.5", "2,5", " 2.5 ", 2.5])
def test_numbers_that_come_as_words_are_read(cell: Cell) -> None:
    expected = FITTED.encode([{"weight": 2.5}]).numbers[0, 0]
    assert FITTED.encode([{"weight": cell}]).numbers[0, 0] == expected


def test_words_where_a_number_belongs_are_refused_with_their_column() -> None:
    with pytest.raises(CapasError) as caught:
        FITTED.encode([{"weight": "heavy"}])
    assert (caught.value.key, caught.value.where, caught.value.values["received"]) == (
        "cell_no_number", "weight", "heavy",
    )  # fmt: skip


def test_what_is_infinite_is_missing_and_what_is_far_is_only_far() -> None:
    numbers = FITTED.encode([{"weight": w} for w in (float("inf"), float("nan"), 1e30, -1e30)]).numbers[:, 0]
    assert numbers[:2].isnan().all() and numbers[2:].tolist() == [6.0, -6.0]


def test_a_linear_model_sees_what_is_missing_and_one_column_for_every_category() -> None:
    shown = one_hot_columns(FITTED.encode([*ROWS, {"colour": "mauve"}]), FITTED)
    assert shown.shape == (7, 5 + 5 + 3) and not shown.isnan().any()
    assert shown[3, 0] == 0 and shown[3, 5] == 1 and shown[0, 5] == 0
    assert shown[:, 10:].sum(1).tolist() == [1, 1, 0, 1, 1, 1, 0]


def test_it_reads_back_as_it_was_and_nonsense_is_refused() -> None:
    again = TabularPreprocessing.from_json(json.loads(json.dumps(FITTED.as_json())))
    assert again == FITTED
    for tree in ({}, {"columns": [{"name": "a", "kind": "colour"}]}, {"columns": 3}):
        with pytest.raises(CapasError) as caught:
            TabularPreprocessing.from_json(tree, where="preparation.json")
        assert caught.value.key == "bundle_incomplete" and caught.value.where == "preparation.json"
