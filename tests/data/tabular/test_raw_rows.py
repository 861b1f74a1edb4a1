"""Rows as their file has them, also those that cannot be read."""

import datetime
from pathlib import Path

from capas.data.tabular.raw_rows import read_raw_table
from tests.data.tabular.workbooks import write_workbook


def test_rows_of_csv_stay_as_they_are_and_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("code;weight;price\n007;1,50;3 €\nx\n008;?;4 €\n\n009;2,25;5 €\n")
    raw = read_raw_table(path)
    assert raw.names == ("code", "weight", "price") and raw.rows[1] == ("x",)
    assert list(raw.unread) == [1] and "1" in raw.unread[1] and raw.readable == [0, 2, 3] and raw.table.rows == 3
    assert raw.columns() == {
        "code": ["007", "x", "008", "009"], "weight": [1.5, None, "?", 2.25], "price": ["3 €", None, "4 €", "5 €"],
    }  # fmt: skip


def test_a_plain_number_can_stay_a_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1.50,"1,5"\n2.00,"2,25"\n')
    assert read_raw_table(path).columns(plain_numbers=True) == {"a": ["1.50", "2.00"], "b": [1.5, 2.25]}


def test_stray_quotes_move_no_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + 'x,"open\n' + "".join(f"y,{i}\n" for i in range(8)))
    raw = read_raw_table(path)
    assert len(raw.rows) == raw.table.rows == 9


def test_rows_of_other_tables(tmp_path: Path) -> None:
    day = datetime.date(2024, 5, 31)
    raw = read_raw_table(write_workbook(tmp_path / "t.xlsx", {"s": [["Title"], ["d", "n"], [day, 1.5], [None, 2]]}))
    assert raw.names == ("d", "n") and raw.rows == ((day, 1.5), (None, 2.0)) and not raw.unread
    (tmp_path / "t.jsonl").write_text('{"a": 1, "b": ["x"]}\nnot\n{"a": 2}\n')
    raw = read_raw_table(tmp_path / "t.jsonl")
    assert raw.rows == ((1, ["x"]), (None, None), (2, None)) and list(raw.unread) == [1] and raw.table.rows == 2
