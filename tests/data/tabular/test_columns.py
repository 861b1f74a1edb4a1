"""Columns as arrays give back the cells they were made of, however they are asked."""

import math
import random
from collections import Counter

import numpy as np
import pytest

from capas.core.files import content_hash
from capas.data.collections import TableRows
from capas.data.tabular.columns import (
    BLOCK_ROWS,
    Cell,
    NumberColumn,
    TextColumn,
    TextColumnBuilder,
    column_from_cells,
    iterate_rows,
    map_cells,
)

LONG = 2 * BLOCK_ROWS + 3
COLUMNS: dict[str, list[Cell]] = {
    "numbers": [1.5, None, -0.0, 0.0, 1.5, None, 3.0],
    "texts": ["b", None, "a", "b", " c", "d", "a"],
    "long numbers": [None if i % 5 == 0 else i % 700 + 0.5 for i in range(LONG)],
    "long texts": [None if i % 7 == 0 else f"w{i % 900}" for i in range(LONG)],
    "missing": [None, None],
    "none": [],
}


@pytest.mark.parametrize("cells", COLUMNS.values(), ids=COLUMNS)
def test_cells_are_plain_whether_indexed_iterated_or_sliced(cells: list[Cell]) -> None:
    column = column_from_cells(cells)
    # repr tells 0.0 from -0.0 and 1.5 from np.float64(1.5): the hashes of rows are made of it.
    expected = [repr(cell) for cell in cells]
    assert len(column) == len(cells)
    assert list(map(repr, column)) == [repr(column[i]) for i in range(len(cells))] == expected
    assert [repr(column[-i]) for i in range(1, len(cells) + 1)] == expected[::-1]
    assert list(map(repr, column[1:-1:2])) == expected[1:-1:2]
    assert column.missing.tolist() == [cell is None for cell in cells]
    with pytest.raises(IndexError):
        column[len(cells)]


@pytest.mark.parametrize("cells", COLUMNS.values(), ids=COLUMNS)
def test_rows_are_taken_in_any_order_and_several_times(cells: list[Cell]) -> None:
    rng = random.Random(0)
    rows = [rng.randrange(len(cells)) for _ in range(9)] if cells else []
    for chosen in (rows, np.array(rows, dtype=np.int64)):
        taken = column_from_cells(cells).take(chosen)
        assert list(map(repr, taken)) == [repr(cells[i]) for i in rows]
        if isinstance(taken, TextColumn):
            assert taken.words == tuple(dict.fromkeys(str(cells[i]) for i in rows if cells[i] is not None))


@pytest.mark.parametrize("cells", COLUMNS.values(), ids=COLUMNS)
def test_different_cells_are_counted_and_read_once(cells: list[Cell]) -> None:
    column = column_from_cells(cells)
    codes, different = column.factorize()
    assert [repr(different[code]) for code in codes.tolist()] == list(map(repr, cells))
    assert len({repr(cell) for cell in different}) == len(different) == len(set(codes.tolist()))
    assert list(column.value_counts().items()) == list(Counter(cell for cell in cells if cell is not None).items())
    asked: list[str] = []

    def read(cell: Cell) -> str:
        asked.append(repr(cell))
        return f"<{cell!r}>"

    assert map_cells(column, read) == [f"<{cell!r}>" for cell in cells]
    assert len(asked) == len({repr(cell) for cell in cells})


def test_numbers_and_texts_are_never_one_column() -> None:
    with pytest.raises(ValueError, match="numbers and texts"):
        column_from_cells(["1", 1.0])
    assert isinstance(column_from_cells([None, 2.0]), NumberColumn)


@pytest.mark.parametrize(
    ("strip", "expected"), [(True, ["a", None, "b", "a", None]), (False, ["a", " ", "b\t", "\u00a0a", None])]
)
def test_a_text_without_characters_is_missing(strip: bool, expected: list[Cell]) -> None:
    builder = TextColumnBuilder(strip=strip)
    builder.add(["a", " ", "b\t"])
    builder.add(["\u00a0a", ""])
    column = builder.column()
    assert list(column) == expected
    assert list(column.words) == [word for word in dict.fromkeys(expected) if word is not None]
    assert column.codes.dtype == np.int32


def test_rows_hash_all_at_once_as_they_do_one_by_one() -> None:
    cells: dict[str, list[Cell]] = {"n": [1.0, None, -0.0], "t": ["ñ", "'", None], "s": ["\ud800", "x", "y"]}
    rows = TableRows({name: column_from_cells(held) for name, held in cells.items()}, ["#1", "#2", "#3"])
    expected = [repr([(name, held[i]) for name, held in cells.items()]) for i in range(3)]
    hashes = [content_hash(text.encode("utf-8", "backslashreplace")) for text in expected]
    assert rows.content_hashes() == [rows.content_hash(i) for i in range(3)] == hashes
    assert rows.take([2, 0]).content_hashes() == [hashes[2], hashes[0]]
    assert rows.take([2, 0]).name(0) == "#3"


def test_a_table_without_columns_has_rows_all_the_same() -> None:
    assert list(iterate_rows({}, 2)) == [{}, {}]
    assert len(set(TableRows({}, ["#1", "#2"]).content_hashes())) == 1


def test_nan_is_missing() -> None:
    column = NumberColumn(values=np.array([math.nan, -math.nan, 1.0]))
    assert list(column) == [None, None, 1.0] and column.value_counts() == {1.0: 1}
    assert map_cells(column, repr) == ["None", "None", "1.0"]
