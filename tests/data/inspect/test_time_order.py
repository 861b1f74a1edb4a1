"""Rows in the order of their dates: the last ones are the test."""

import datetime
import random
from pathlib import Path

import pytest

from capas.data.inspect.report import inspect_dataset
from capas.data.inspect.time_order import split_by_time
from capas.data.tabular.columns import column_from_cells

DAYS = [(datetime.date(2024, 1, 1) + datetime.timedelta(days=i // 2)).isoformat() for i in range(200)]


def columns(days: list[str]) -> dict[str, object]:
    return {"sold": column_from_cells([float(i * 7 % 31) for i in range(len(days))]), "day": column_from_cells(days)}


def test_the_last_rows_are_the_test_and_those_before_validate() -> None:
    found = split_by_time(columns(DAYS), validation=0.15, test=0.15)  # type: ignore[arg-type]
    assert found is not None and found.column == "day"
    assert found.splits == ("train",) * 140 + ("validation",) * 30 + ("test",) * 30
    assert found.since.isoformat() == DAYS[170]


def test_newest_first_is_an_order_too_and_rows_of_a_day_stay_together() -> None:
    found = split_by_time(columns(DAYS[::-1]), validation=0.15, test=0.155)  # type: ignore[arg-type]
    assert found is not None
    assert found.splits[:32] == ("test",) * 32 and found.splits[32] == "validation"  # 31 asked for; two rows a day


@pytest.mark.parametrize("kind", ["shuffled", "few days", "few rows"])
def test_other_rows_are_drawn(kind: str) -> None:
    days = {"shuffled": random.Random(0).sample(DAYS, 200), "few days": [DAYS[i // 20] for i in range(200)],
            "few rows": DAYS[:40:2]}[kind]  # fmt: skip
    assert split_by_time(columns(days), validation=0.15, test=0.15) is None  # type: ignore[arg-type]


def test_a_row_without_a_date_is_drawn_and_a_few_late_entries_change_nothing() -> None:
    days: list[str | None] = list(DAYS)
    days[3], days[100] = None, DAYS[10]
    found = split_by_time(columns(days), validation=0.1, test=0.1)  # type: ignore[arg-type]
    assert found is not None and found.splits[3] is None and found.splits[100] == "train"


def test_the_report_says_it_and_a_split_of_ones_own_wins(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    rows = [f"{day},{i * 7 % 31},{i * 7 % 31 * 2 + i % 3}" for i, day in enumerate(DAYS)]
    path.write_text("day,seen,sold\n" + "\n".join(rows), encoding="utf-8")
    report = inspect_dataset(path, target="sold")
    assert list(report.split)[-30:] == ["test"] * 30 and "test" not in list(report.split)[:-30]
    (said,) = [problem for problem in report.problems if problem.kind == "split_by_time"]
    assert said.severity == "note" and said.values == {"column": "day", "since": DAYS[170]}
    path.write_text("split,day,seen,sold\n" + "\n".join(f"{'test' if i % 5 == 0 else 'train'},{row}" for i, row in
                                                        enumerate(rows)), encoding="utf-8")  # fmt: skip
    assert inspect_dataset(path, target="sold").split[0] == "test"
