"""Groups as the report tells them: in percent or decibels, and only those that are worse are found."""

import pytest
import torch

from capas.trust.subgroups.per_example_metrics import PerExampleMetric
from capas.trust.subgroups.subgroup_metrics import (
    ratio_metric_json,
    subgroup_metric_findings,
    subgroup_metric_grid,
    subgroup_metric_json,
)
from capas.trust.subgroups.subgroup_ratios import SubgroupRatio


def metric(name: str, unit: str | None = None) -> PerExampleMetric:
    return PerExampleMetric(name=name, positions=(), numerator=torch.zeros(0, dtype=torch.float64),
                            denominator=torch.zeros(0, dtype=torch.float64), unit=unit)  # fmt: skip


def group(name: str, value: float, others: float, differs: bool | None = True) -> SubgroupRatio:
    gap = value - others
    return SubgroupRatio(name=name, n=40, value=value, interval=(value - 0.1, value + 0.1), others=others, gap=gap,
                         gap_interval=(gap - 0.02, gap + 0.02), differs=differs)  # fmt: skip


def test_facts_are_those_of_the_group() -> None:
    assert subgroup_metric_json(group("left", 0.6, 0.8), metric("mean_iou")) == {
        "name": "left",
        "figure": {"value": 0.6, "n": 40, "interval": [0.5, 0.7]},
        "others": 0.8,
        "gap": -0.2,
        "gap_interval": [-0.22, -0.18],
        "differs": True,
    }
    assert ratio_metric_json(group("a", 30.0, 28.0), metric("psnr", "dB"))["unit"] == "dB"


def test_shares_are_told_in_percent_and_decibels_as_they_are() -> None:
    shares = subgroup_metric_grid("hand", [group("left", 0.6, 0.8), group("right", 0.8, 0.6, None)], metric("mean_iou"))
    assert shares.heads[:2] == ["hand", "n"]
    assert shares.rows[0] == ["left", "40", "60.0 % (50.0–70.0)", "-20.0 (-22.0–-18.0)", "differs"]
    assert shares.rows[1][3:] == ["20.0 (18.0–22.0)", "too few (n = 40) to judge"]
    decibels = subgroup_metric_grid("lens", [group("wide", 30.0, 28.0, False)], metric("psnr", "dB"))
    assert decibels.rows[0][2:] == ["30.00 dB (29.90–30.10)", "2.00 (1.98–2.02)", ""]


@pytest.mark.parametrize(
    ("name", "unit", "value", "others", "differs", "found"),
    [
        ("mean_iou", None, 0.70, 0.80, True, True),
        ("mean_iou", None, 0.76, 0.80, True, False),  # too little to matter
        ("mean_iou", None, 0.90, 0.80, True, False),  # better
        ("mean_iou", None, 0.50, 0.80, False, False),  # perhaps by chance
        ("mean_iou", None, 0.50, 0.80, None, False),  # too few
        ("cer", None, 0.30, 0.20, True, True),  # less is better
        ("cer", None, 0.10, 0.20, True, False),
        ("psnr", "dB", 28.5, 30.0, True, True),
        ("psnr", "dB", 29.5, 30.0, True, False),
    ],
)
def test_only_a_large_proven_loss_is_a_finding(
    name: str, unit: str | None, value: float, others: float, differs: bool | None, found: bool
) -> None:
    told = subgroup_metric_findings("hand", [group("left", value, others, differs)], metric(name, unit))
    assert [one.key for one in told] == ["group_gap"] * found
    assert all("“hand” is “left”" in one.text and one.gravity == "attention" for one in told)
