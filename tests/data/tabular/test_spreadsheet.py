"""Workbooks: which sheet, where the table is, what its cells are, and workbooks that cannot be read."""

import datetime
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.sources.source import open_source
from capas.data.tabular.columns import NumberColumn, Table, TextColumn
from capas.data.tabular.io import read_table
from tests.data.tabular.workbooks import write_ods, write_workbook, write_xls


def kinds(table: Table) -> dict[str, tuple[str, ...]]:
    return {problem.kind: problem.examples for problem in table.problems}


def refused(path: Path, sheet: str | None = None) -> CapasError:
    with pytest.raises(CapasError) as caught:
        read_table(path, sheet)
    return caught.value


def test_cells_keep_their_types(tmp_path: Path) -> None:
    rows = [
        ["name", "weight", "count", "born", "well", "code", "price"],
        ["Ana", 61.234, 3, datetime.date(2001, 5, 31), True, "007", "1,5 €"],
        ["Luz", None, 4, datetime.datetime(2002, 1, 2, 10, 30), False, "012", "2,25 €"],
        [None, "#N/A", 5, datetime.date(2003, 1, 2), None, "013", "3 €"],
    ]
    table = read_table(write_workbook(tmp_path / "people.xlsx", {"Sheet1": rows}, errors=True))
    assert list(table.columns["name"]) == ["Ana", "Luz", None]
    assert list(table.columns["weight"]) == [61.234, None, None]
    assert isinstance(table.columns["weight"], NumberColumn)
    assert list(table.columns["count"]) == [3.0, 4.0, 5.0]
    assert list(table.columns["born"]) == ["2001-05-31", "2002-01-02 10:30:00", "2003-01-02"]
    assert list(table.columns["well"]) == ["true", "false", None]
    assert list(table.columns["code"]) == ["007", "012", "013"]
    assert list(table.columns["price"]) == [1.5, 2.25, 3.0]
    assert table.units == {"price": "€"}
    assert table.problems == ()


def test_a_number_with_three_decimals_is_no_thousand(tmp_path: Path) -> None:
    rows = [["a", "b"], *([1.234, "2,5"], [5.678, "3,5"]), ["?", "4,5"]]
    table = read_table(write_workbook(tmp_path / "t.xlsx", {"s": rows}))
    assert list(table.columns["a"]) == [1.234, 5.678, None]
    assert list(table.columns["b"]) == [2.5, 3.5, 4.5]


def test_what_stands_around_the_table_is_left_out_and_told(tmp_path: Path) -> None:
    rows = [
        ["Sales of 2024"],
        [],
        [None, "shop", None, "sold", "returned"],
        [None, "north", None, 1, 5],
        [],
        [None, "south", None, 2, 6],
        [],
        [None, "Source: our own"],
    ]
    table = read_table(write_workbook(tmp_path / "t.xlsx", {"Sales": rows}))
    assert {name: list(column) for name, column in table.columns.items()} == {
        "shop": ["north", "south"], "sold": [1.0, 2.0], "returned": [5.0, 6.0],
    }  # fmt: skip
    assert kinds(table) == {"sheet_area": ("Sales of 2024", "Source: our own")}
    assert "B3:E6" in table.problems[0].sentence()


def test_a_column_without_a_name_is_called_by_its_letter(tmp_path: Path) -> None:
    table = read_table(write_workbook(tmp_path / "t.xlsx", {"s": [[None, "x"], [0, 5], [1, 6]]}))
    assert list(table.columns) == ["A", "x"]
    assert kinds(table) == {"nameless_column": ("A",)}


def test_a_merged_header_gives_names_of_two_parts(tmp_path: Path) -> None:
    merged = [(0, 0, 1, 0, "shop"), (0, 1, 0, 2, "2023"), (0, 3, 0, 4, "2024")]
    rows = [[], [None, "Q1", "Q2", "Q1", "Q2"], ["north", 1, 2, 3, 4], ["south", 5, 6, 7, 8]]
    table = read_table(write_workbook(tmp_path / "t.xlsx", {"s": rows}, merged=merged))
    assert list(table.columns) == ["shop", "2023 Q1", "2023 Q2", "2024 Q1", "2024 Q2"]
    assert list(table.columns["2024 Q1"]) == [3.0, 7.0]
    wide = [(0, i, 1, i, name) for i, name in enumerate("abcd")] + [(0, 4, 0, 5, "2023")]
    rows = [[], [None] * 4 + ["Q1", "Q2"], [1, 2, 3, 4, 5, 6]]
    table = read_table(write_workbook(tmp_path / "w.xlsx", {"s": rows}, merged=wide))
    assert list(table.columns) == ["a", "b", "c", "d", "2023 Q1", "2023 Q2"]


def test_a_merged_title_is_no_part_of_the_names(tmp_path: Path) -> None:
    rows = [[], ["a", "b", "c"], [1, 2, 3]]
    table = read_table(write_workbook(tmp_path / "t.xlsx", {"s": rows}, merged=[(0, 0, 0, 1, "Sales")]))
    assert list(table.columns) == ["a", "b", "c"]


def test_the_sheet_with_most_of_a_table_is_read_and_told(tmp_path: Path) -> None:
    notes, data = [["Read me first"], ["and this"]], [["a", "b"], [1, 2], [3, 4]]
    large = [["x", "y"], *([i, i] for i in range(9))]
    path = write_workbook(tmp_path / "t.xlsx", {"notes": notes, "data": data, "old": large}, hidden=["old"])
    table = read_table(path)
    assert list(table.columns) == ["a", "b"]
    assert kinds(table) == {"sheet_chosen": ("notes",)}
    assert list(read_table(path, "old").columns) == ["x", "y"]
    alone = write_workbook(tmp_path / "one.xlsx", {"empty": [], "data": data})
    assert read_table(alone).problems == ()


def test_a_sheet_that_is_not_there(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", {"data": [["a", "b"], [1, 2]], "empty": []})
    error = refused(path, "Data")
    assert (error.key, error.values["known"]) == ("no_such_sheet", "data, empty")
    assert refused(path, "empty").key == "table_empty"
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CapasError, match="no workbook"):
        open_source(tmp_path / "t.csv", sheet="data")


def test_a_sheet_can_be_chosen_in_a_folder(tmp_path: Path) -> None:
    large = [["p", "q"], *([i, i] for i in range(9))]
    write_workbook(tmp_path / "t.xlsx", {"one": [["a", "b"], [1, 2], [2, 3]], "two": large})
    assert list(open_source(tmp_path).columns) == ["p", "q"]
    assert list(open_source(tmp_path, sheet="one").columns) == ["a", "b"]


def test_headers_that_are_none(tmp_path: Path) -> None:
    assert refused(write_workbook(tmp_path / "n.xlsx", {"s": [[1, 2], [3, 4]]})).key == "table_no_header"
    assert refused(write_workbook(tmp_path / "d.xlsx", {"s": [["a", "a"], [3, 4]]})).key == "table_header"
    assert refused(write_workbook(tmp_path / "e.xlsx", {"s": []})).key == "table_empty"
    assert refused(write_workbook(tmp_path / "h.xlsx", {"s": [["a", "b"]]})).key == "table_empty"


def test_open_document(tmp_path: Path) -> None:
    rows = [["class", "size"], ["cat", 1.5], ["dog", 2.5]]
    table = read_table(write_ods(tmp_path / "t.ods", "Hoja1", rows))
    assert isinstance(table.columns["class"], TextColumn)
    assert list(table.columns["size"]) == [1.5, 2.5]


def test_the_format_of_excel_97(tmp_path: Path) -> None:
    rows = [["clase", "tamaño"], ["gato", 1.5], ["perro", 2.5]]
    table = read_table(write_xls(tmp_path / "t.xls", "Hoja1", rows))
    assert list(table.columns["clase"]) == ["gato", "perro"] and list(table.columns["tamaño"]) == [1.5, 2.5]


def test_workbooks_that_cannot_be_read(tmp_path: Path) -> None:
    for name, content in {
        "a.xlsx": b"", "b.xlsx": b"PK\3\4 cut", "c.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "d.xls": b"<html><table></table></html>", "e.ods": b"PK\3\4", "f.xlsb": b"a;b\n1;2\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert refused(tmp_path / name).key == "spreadsheet_broken", name
    whole = write_workbook(tmp_path / "whole.xlsx", {"s": [["a", "b"], [1, 2]]}).read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path / "cut.xlsx").key == "spreadsheet_broken"


def test_a_workbook_with_a_password(tmp_path: Path) -> None:
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + "EncryptedPackage".encode("utf-16-le") + bytes(500)
    (tmp_path / "secret.xlsx").write_bytes(content)
    assert refused(tmp_path / "secret.xlsx").key == "spreadsheet_password"


def test_only_workbooks_need_the_libraries_that_read_and_write_them() -> None:
    code = (
        "import sys\nimport capas.data.tabular.raw_rows, capas.data.tabular.write\n"
        "assert not {'python_calamine', 'xlsxwriter'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_workbook_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capas.data.tabular.spreadsheet._MAX_UNPACKED", 100)
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(1000))
    assert refused(path).key == "table_too_large"
