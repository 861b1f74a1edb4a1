"""Tables that are written: two forms of CSV, and workbooks."""

import datetime
import errno
import math
from pathlib import Path
from typing import Literal

import pytest
from python_calamine import CalamineWorkbook

from capas.core.errors import CapasError
from capas.core.i18n import choose_language
from capas.data.tabular import write
from capas.data.tabular.io import read_table
from capas.data.tabular.write import OutputColumn, default_csv_format, write_table

DAY = datetime.date(2024, 5, 31)
COLUMNS = (
    OutputColumn(name="texto", cells=["=1+1", 'dice "sí"; no', "línea\ndos"]),
    OutputColumn(name="number", cells=[1234.5, 3.0, math.nan]),
    OutputColumn(name="p", cells=[0.25, 1.0, None], decimals=6),
    OutputColumn(name="day", cells=[DAY, datetime.datetime(2024, 5, 31, 10, 30), datetime.date(1850, 1, 2)]),
    OutputColumn(name="other", cells=[True, ["a", "b"], {"k": 1}]),
)


def test_standard_csv(tmp_path: Path) -> None:
    assert write_table(tmp_path / "a.csv", COLUMNS, "standard") == 0
    assert (tmp_path / "a.csv").read_bytes().decode() == (
        "texto,number,p,day,other\n'=1+1,1234.5,0.250000,2024-05-31,true\n"
        '"dice ""sí""; no",3,1.000000,'
        '2024-05-31 10:30:00,a;b\n"línea\ndos",,,1850-01-02,"{""k"": 1}"\n'
    )
    write_table(tmp_path / "a.tsv", COLUMNS[1:3], "excel-es")
    assert (tmp_path / "a.tsv").read_text() == "number\tp\n1234.5\t0.250000\n3\t1.000000\n\t\n"


def test_csv_for_a_spanish_excel(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", COLUMNS, "excel-es")
    content = (tmp_path / "a.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbftexto;number;p;day;other\r\n'=1+1;1234,5;0,250000;2024-05-31;true\r\n")


@pytest.mark.parametrize("form", ["standard", "excel-es"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".xlsx"])
def test_what_is_written_is_read_back(tmp_path: Path, form: Literal["standard", "excel-es"], suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_table(path, [
        OutputColumn(name="año", cells=["ñ", "=x", "007"]), OutputColumn(name="n", cells=[0.125, 1234.5, None]),
        OutputColumn(name="p", cells=[0.123, 0.456, 0.789], decimals=3), OutputColumn(name="d", cells=[DAY] * 3),
    ], form)  # fmt: skip
    table = read_table(path)
    assert {name: list(column) for name, column in table.columns.items()} == {
        # A spreadsheet computes what begins with "=" in a text file, not in a cell of a workbook that is a text.
        "año": ["ñ", "=x" if suffix == ".xlsx" else "'=x", "007"],
        "n": [0.125, 1234.5, None], "p": [0.123, 0.456, 0.789], "d": ["2024-05-31"] * 3,
    }  # fmt: skip


def test_a_workbook_holds_texts_and_no_formulas(tmp_path: Path) -> None:
    assert write_table(tmp_path / "a.xlsx", COLUMNS, "standard") == 0
    rows = CalamineWorkbook.from_path(tmp_path / "a.xlsx").get_sheet_by_index(0).to_python()
    assert rows[1] == ["=1+1", 1234.5, 0.25, DAY, True]
    assert rows[2] == ['dice "sí"; no', 3.0, 1.0, datetime.datetime(2024, 5, 31, 10, 30), "a;b"]
    assert rows[3] == ["línea\ndos", "", "", "1850-01-02", '{"k": 1}']


def test_what_a_workbook_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_table(tmp_path / "a.xlsx", [OutputColumn(name="t", cells=["x" * 40_000, "y"])], "standard") == 1
    monkeypatch.setattr(write, "_MAX_ROWS", 3)
    with pytest.raises(CapasError, match=r"\.csv"):
        write_table(tmp_path / "b.xlsx", [OutputColumn(name="t", cells=[1, 2, 3])], "standard")
    with pytest.raises(CapasError, match=r"\.ods"):
        write_table(tmp_path / "b.ods", COLUMNS, "standard")
    assert not (tmp_path / "b.xlsx").exists()


def test_the_form_follows_the_language() -> None:
    try:
        choose_language("es")
        assert default_csv_format() == "excel-es"
        choose_language("en")
        assert default_csv_format() == "standard"
    finally:
        choose_language(None)


def test_no_room_for_the_rows_that_are_written_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **named: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("xlsxwriter.worksheet.tempfile.mkstemp", full)
    with pytest.raises(CapasError) as refused:
        write_table(tmp_path / "a.xlsx", [OutputColumn(name="a", cells=["x"])], "standard")
    assert refused.value.key == "disk_full" and not list(tmp_path.iterdir())
