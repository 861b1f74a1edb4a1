"""Numbers as people write them: every notation gives the same numbers; what is no number stays what it is."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.inspect.report import inspect_dataset
from capas.data.tabular.columns import Cell, Table
from capas.data.tabular.io import read_table
from capas.data.tabular.number_notation import decimal_sign, parse_body, parse_clock
from capas.data.tabular.preprocess import TabularPreprocessing


def table(path: Path, values: list[str], other: str = "0.5", delimiter: str = ",") -> Table:
    """A table with the column ``a`` and another one, whose decimals tell the notation of the table."""
    rows = [f'"{value}"{delimiter}{other}' for value in values]
    (path / "t.csv").write_text("\n".join([f"a{delimiter}b", *rows]), encoding="utf-8")
    return read_table(path / "t.csv")


def column(found: Table) -> list[Cell]:
    return list(found.columns["a"])


@pytest.mark.parametrize(
    ("values", "other", "delimiter", "numbers", "unit"),
    [
        (["45%", "7.5 %"], "0.5", ",", [45.0, 7.5], "%"),
        (["45 %", "7,5 %"], "0,5", ";", [45.0, 7.5], "%"),
        (["$1,234.50", "$7"], "0.5", ",", [1234.5, 7.0], "$"),
        (["$1,234", "$5,678"], "0.5", ",", [1234.0, 5678.0], "$"),
        (["1.234,50 €", "7 €"], "0,5", ";", [1234.5, 7.0], "€"),
        (["EUR 12", "EUR 3.5"], "0.5", ",", [12.0, 3.5], "EUR"),
        (["-$5", "($7)", "$1"], "0.5", ",", [-5.0, -7.0, 1.0], "$"),
        (["1,234", "5,678"], "0.5", ",", [1234.0, 5678.0], ""),
        (["1,234", "5,678"], "0,5", ";", [1.234, 5.678], ""),
        (["1,234,567", "12"], "0.5", ",", [1234567.0, 12.0], ""),
        (["872,06", "1.555,96"], "0,5", ";", [872.06, 1555.96], ""),
        (["-0,256", "1,112"], "0,5", ";", [-0.256, 1.112], ""),
        (["1.234", "999", "2.500"], "0,5", ";", [1234.0, 999.0, 2500.0], ""),
        (["1.234", "2.500"], "0.5", ",", [1.234, 2.5], ""),
        (["1 234,5", "12 345,5"], "0,5", ";", [1234.5, 12345.5], ""),
        (["1\u00a0234", "12"], "0.5", ",", [1234.0, 12.0], ""),
        (["1'234.5", "7"], "0.5", ",", [1234.5, 7.0], ""),
        (["11:30", "7:15"], "0.5", ",", [11.5, 7.25], "h"),
        (["11:30 PM", "12:15 a.m."], "0.5", ",", [23.5, 0.25], "h"),
    ],
)
def test_notations(
    tmp_path: Path, values: list[str], other: str, delimiter: str, numbers: list[float], unit: str
) -> None:
    found = table(tmp_path, values, other, delimiter)
    assert column(found) == numbers and found.units.get("a", "") == unit


@pytest.mark.parametrize("sign", ["?", "-", "—", "n.d.", "#N/A", "N/A", "s/d"])
def test_signs_of_missing_values_are_missing_among_numbers_only(tmp_path: Path, sign: str) -> None:
    found = table(tmp_path, ["1.5", sign, "2"])
    assert column(found) == [1.5, None, 2.0]
    kinds = [problem.kind for problem in found.problems]
    assert kinds == ([] if sign == "N/A" else ["missing_sign"])
    assert column(table(tmp_path, ["x", sign, "y"])) == ["x", sign, "y"]


def test_one_bad_cell_is_missing_and_told_of(tmp_path: Path) -> None:
    values = [f"{i}.5" for i in range(60)]
    found = table(tmp_path, [*values, "4o.5"])
    assert column(found) == [*map(float, values), None]
    (problem,) = found.problems
    assert (problem.kind, problem.count, problem.examples) == ("cell_not_number", 1, ("a: 4o.5",))
    # More than one in twenty, or in a short table, and it is a column of texts.
    assert column(table(tmp_path, [*values, *["4o.5"] * 4]))[0] == "0.5"
    assert column(table(tmp_path, ["1.5", "2.5", "4o.5"]))[0] == "1.5"


@pytest.mark.parametrize(
    "values",
    [
        ["007", *map(str, range(100, 160))],
        ["600 123 456", "611 222 333"],
        ["3a", "4a"],
        ["12 kg", "7 g"],
        ["1-2", "3-4"],
        ["192.168.1.10", "10.0.0.1"],
        [str(2**53 + 1), "x"],
    ],
)
def test_what_stays_text(tmp_path: Path, values: list[str]) -> None:
    assert column(table(tmp_path, values)) == values


def test_classes_are_never_mended(tmp_path: Path) -> None:
    rows = [f"{i}.5,{'-' if i % 2 else '1'}" for i in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["x,label", *rows]))
    assert set(read_table(tmp_path / "t.csv").columns["label"]) == {"-", "1"}


def test_the_signs_that_numbers_tell() -> None:
    assert decimal_sign(["1.234.567", "1,5"]) == "," and decimal_sign(["1,234,567"]) == "."
    assert decimal_sign(["1,234", "1.234"]) is None and decimal_sign(["0,123"]) == ","
    assert parse_body("1,23,456", ".") is None and parse_body("1.5.", ".") is None
    assert parse_clock("24:00") is None and parse_clock("13:00 pm") is None


@pytest.mark.parametrize(
    ("dates", "same"),
    [
        (["31-12-2021", "01-02-2021"], ["2021-12-31", "2021-02-01"]),
        (["31/12/21", "01/02/21"], ["2021-12-31", "2021-02-01"]),
        (["12/31/2021", "02/01/2021"], ["2021-12-31", "2021-02-01"]),
        (["31 Dec 2021", "1 February 2021"], ["2021-12-31", "2021-02-01"]),
        (["December 31, 2021", "Feb 1, 2021"], ["2021-12-31", "2021-02-01"]),
        (["31 de diciembre de 2021", "1 feb 2021"], ["2021-12-31", "2021-02-01"]),
        (["2021/12/31", "2021/2/1 10:30"], ["2021-12-31", "2021-02-01"]),
    ],
)
def test_dates_in_every_order_are_the_same_days(tmp_path: Path, dates: list[str], same: list[str]) -> None:
    columns = [table(tmp_path, values * 15).columns["a"] for values in (dates, same)]
    ours, iso = (TabularPreprocessing.fit({"a": one}) for one in columns)
    assert ours.columns[0].kind == "date" and ours.columns[0].mean == iso.columns[0].mean
    assert ours.columns[0].month_first == (dates[0] == "12/31/2021")
    assert ours.encode([{"a": dates[1]}]).numbers.tolist() == iso.encode([{"a": same[1]}]).numbers.tolist()
    assert TabularPreprocessing.from_json(ours.as_json()) == ours


def test_a_cell_of_a_new_row_is_read_as_the_training_table_was() -> None:
    (encoding,) = TabularPreprocessing.fit({"a": _numbers()}).columns
    prepared = TabularPreprocessing(columns=(encoding,))
    for text, number in (("$1,234.50", 1234.5), ("7:30", 7.5), ("1.234,5 €", 1234.5), ("?", None), ("-3", -3.0)):
        first = prepared.encode([{"a": text}]).numbers
        same = prepared.encode([{"a": number}]).numbers
        assert first.isnan().tolist() == same.isnan().tolist() and first.nan_to_num().equal(same.nan_to_num())
    with pytest.raises(CapasError):
        prepared.encode([{"a": "4o"}])


def _numbers():  # type: ignore[no-untyped-def]
    from capas.data.tabular.type_inference import parse_column

    return parse_column([str(i * 100) for i in range(50)])


@pytest.mark.parametrize("odd", ["?", "31-12-2021", "12:30", "1,234", "45%", "Ana Maria Lopez", "x9"])
def test_no_odd_column_drops_the_numbers_beside_it(tmp_path: Path, odd: str) -> None:
    rows = [f'"{odd if i % 60 == 0 or len(odd) > 9 else f"{i}.25"}{i if len(odd) > 11 else ""}",{i % 7}.5,{"ab"[i % 2]}'
            for i in range(120)]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(["odd,x,label", *rows]))
    spec = inspect_dataset(tmp_path / "t.csv").detection.spec
    assert "x" in [field.name for field in spec.inputs] and spec.medium == "table"


def test_long_texts_are_learnt_from_and_the_numbers_beside_them_named(tmp_path: Path) -> None:
    rows = [f"this film number {i} was as long as it could be,{i}.5,{'ab'[i % 2]}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["text,stars,label", *rows]))
    seen = inspect_dataset(tmp_path / "t.csv")
    assert [field.name for field in seen.detection.spec.inputs] == ["text"]
    assert {problem.kind: problem.examples for problem in seen.problems}["columns_beside_text"] == ("stars",)
