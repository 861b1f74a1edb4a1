"""Tables called train and test are parts of one."""

from pathlib import Path

import pytest

from capas.data.inspect.report import inspect_dataset
from capas.data.sources.source import open_source


def lay_out(folder: Path, **tables: str) -> Path:
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def rows(start: int, n: int) -> str:
    lines = [f"{i * 1.5},{'yes' if i % 3 else 'no'}" for i in range(start, start + n)]
    return "weight,churn\n" + "\n".join(lines) + "\n"


def test_rows_keep_the_split_of_their_file_and_validation_comes_from_training(tmp_path: Path) -> None:
    report = inspect_dataset(str(lay_out(tmp_path, train=rows(0, 60), test=rows(60, 20))))
    assert len(report.labels) == 80 and list(report.split)[60:] == ["test"] * 20
    assert "test" not in list(report.split)[:60] and "validation" in report.split
    assert any("test.csv" in line and "train.csv" in line for line in report.detection.evidence)


def test_columns_may_come_in_another_order_and_with_more_beside(tmp_path: Path) -> None:
    other = "extra,churn,weight\n1,yes,900.5\n2,no,901.5\n"
    source = open_source(str(lay_out(tmp_path, train=rows(0, 40), test=other)))
    assert list(source.columns) == ["weight", "churn"] and list(source.columns["weight"])[-2:] == [900.5, 901.5]
    assert source.fixed_split[-2:] == ("test", "test")


def test_numbers_beside_texts_stay_as_they_were_written(tmp_path: Path) -> None:
    train = "code,churn\n" + "\n".join(f"{i},yes" for i in [*range(29), 1234567890123456]) + "\n"
    source = open_source(str(lay_out(tmp_path, train=train, valid="code,churn\n7b,no\n8c,yes\n")))
    assert list(source.columns["code"])[:3] == ["0", "1", "2"]
    assert list(source.columns["code"])[-3:] == ["1234567890123456", "7b", "8c"]


def test_a_test_table_without_the_target_is_left_out_and_said(tmp_path: Path) -> None:
    report = inspect_dataset(str(lay_out(tmp_path, train=rows(0, 60), test="weight\n1.5\n2.5\n")))
    assert len(report.labels) == 60 and "test" in report.split
    assert any("test.csv" in line and "churn" in line for line in report.detection.evidence)


@pytest.mark.parametrize("names", [("train",), ("train", "notes"), ("january", "test")])
def test_other_names_are_tables_of_their_own(tmp_path: Path, names: tuple[str, ...]) -> None:
    source = open_source(str(lay_out(tmp_path, **{name: rows(0, 40) for name in names})))
    assert len(source.columns["weight"]) == 40 and set(source.fixed_split) == {None}
