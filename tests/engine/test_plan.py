"""What a plan decides that no recipe does: how deep the trust report of few examples goes."""

from pathlib import Path

import pytest

from capas.engine.plan import SMALL_DATASET, STANDARD_REPORT_S, config_for_data, make_plan
from tests.data.drawing import class_folders
from tests.engine.made_problems import rows_table


@pytest.mark.parametrize(("wanted", "level"), [({}, "quick"), ({"trust.report": "standard"}, "standard")])
def test_few_pictures_get_the_quick_report_unless_another_is_asked_for(
    tmp_path: Path, wanted: dict[str, object], level: str
) -> None:
    data = class_folders(tmp_path / "data", cats=12, dogs=12)
    plan = make_plan(config_for_data(str(data), wanted))
    assert plan.config.trust.report == level
    assert any("trust report" in reason for reason in plan.resolved.reasons) == (not wanted)


def test_many_examples_and_rows_get_the_standard_report(tmp_path: Path) -> None:
    many = make_plan(config_for_data("sample:shapes", {}))
    assert sum(many.look.usable) >= SMALL_DATASET and many.config.trust.report == "standard"
    rows = make_plan(config_for_data(str(rows_table(tmp_path / "t.csv", 60)), {"trust.time_s": 20.0}))
    assert rows.config.trust.report == "standard"


@pytest.mark.parametrize(("seconds", "level"), [(STANDARD_REPORT_S - 1, "quick"), (STANDARD_REPORT_S, "standard")])
def test_a_report_in_little_time_is_the_quick_one(seconds: float, level: str) -> None:
    plan = make_plan(config_for_data("sample:shapes", {"trust.time_s": seconds}))
    assert plan.config.trust.report == level
    assert any(f"only {seconds:.0f} s" in reason for reason in plan.resolved.reasons) == (level == "quick")
