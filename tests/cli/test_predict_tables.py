"""``capas predict`` on tables, from the command line to the file that is written."""

from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from capas.data.tabular.io import read_table
from tests.data.drawing import class_folders
from tests.data.tabular.workbooks import write_workbook
from tests.harness import Answer, capas_here

Capture = pytest.CaptureFixture[str]


def refused(said: Answer, word: str) -> None:
    assert said.code == 2 and word in said.err and "Traceback" not in said.err


@pytest.fixture
def table(tmp_path: Path) -> Path:
    class_folders(tmp_path, cats=3)
    rows = [["photo", "prediction", "weight"], ["0.png", "=1+1", 1.5], ["none.png", "no", 2], ["2.png", None, None]]
    return write_workbook(tmp_path / "t.xlsx", {"animals": rows, "notes": [["read me"]]})


def test_a_workbook_comes_back_with_its_answers(finished_run: Path, table: Path, capsys: Capture) -> None:
    said = capas_here(capsys, "predict", finished_run, table, "--out", "answers.xlsx")
    assert said.code == 0 and "3 answers in answers.xlsx" in said.err and "1 of 3" in said.err
    assert "prediction → prediction_capas" in said.err and "animals" in said.err
    head, first, missing, last = CalamineWorkbook.from_path("answers.xlsx").get_sheet_by_index(0).to_python()
    assert head[:6] == ["photo", "prediction", "weight", "prediction_capas", "probability", "refused"]
    assert first[:3] == ["0.png", "=1+1", 1.5] and first[3] in ("circle", "square", "triangle") and first[5] == ""
    assert missing[:3] == ["none.png", "no", 2.0] and missing[3] == "" and missing[5]
    assert last[:3] == ["2.png", "", ""] and isinstance(last[4], float)


@pytest.mark.parametrize(("options", "start"), [((), "photo;"), (("--csv-format", "standard"), "photo,")])
def test_csv_in_spanish(finished_run: Path, table: Path, capsys: Capture, options: tuple[str, ...], start: str) -> None:
    said = capas_here(capsys, "--lang", "es", "predict", finished_run, table, "--out", "a.csv", *options)
    assert said.code == 0 and Path("a.csv").read_text(encoding="utf-8-sig").startswith(start)
    back = read_table(Path("a.csv"))
    assert list(back.columns["weight"]) == [1.5, 2.0, None]
    assert back.columns["probability"][1] is None and 0 < float(str(back.columns["probability"][0])) <= 1


def test_what_cannot_be_asked_for(finished_run: Path, table: Path, capsys: Capture) -> None:
    refused(capas_here(capsys, "predict", finished_run, table, "--sheet", "Animals"), "animals, notes")
    refused(capas_here(capsys, "predict", finished_run, table.parent, "--sheet", "animals"), "no workbook")
    refused(capas_here(capsys, "predict", finished_run, table, "--out", "a.ods"), ".xlsx")
