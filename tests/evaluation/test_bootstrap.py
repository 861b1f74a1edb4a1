"""Intervals and differences: against what they must be in cases that can be worked out."""

import pytest
import torch

from capas.evaluation.bootstrap import SystemMeasurements, from_sums, metric_differences, metrics_with_intervals


def measured(right: list[int], name: str = "accuracy") -> SystemMeasurements:
    stats = torch.tensor([[r, 1] for r in right]).double()
    units = tuple(map(str, range(len(right))))
    return SystemMeasurements(
        names=(name,), units=units, sizes=stats[:, 1], of=from_sums(stats, lambda s: s[:, :1] / s[:, 1:])
    )


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    (figure,) = metrics_with_intervals(measured([1] * 80 + [0] * 20))
    half = 1.96 * (0.8 * 0.2 / 100) ** 0.5
    assert figure.value == pytest.approx(0.8) and figure.n == 100 and figure.interval is not None
    assert figure.interval == pytest.approx((0.8 - half, 0.8 + half), abs=0.015)


def test_of_one_unit_there_is_no_interval_and_of_a_part_only_the_part_counts() -> None:
    one = torch.tensor([False, True, False])
    (figure,) = metrics_with_intervals(measured([0, 1, 0]), chosen=one)
    assert figure.value == 1 and figure.interval is None and figure.n == figure.units == 1
    assert "interval" not in figure.as_json()


def test_the_same_system_does_not_differ_from_itself_and_a_clear_winner_does() -> None:
    mixed = measured([1, 0] * 30)
    (same,) = metric_differences(mixed, mixed)
    assert same.value == 0 and same.p == 1 and not same.shown and same.interval == (0, 0)
    (better,) = metric_differences(measured([1] * 60), mixed)
    assert better.shown and better.first_is_better and better.p is not None and 0 < better.p < 0.01
    (worse,) = metric_differences(mixed, measured([1] * 60))
    assert worse.value == -better.value and not worse.first_is_better
    (errors,) = metric_differences(measured([0] * 60, "wer"), measured([1, 0] * 30, "wer"))
    assert errors.first_is_better


def test_pairing_finds_a_small_difference_that_intervals_hide() -> None:
    first = [1, 0] * 50
    second = [r if i % 10 else 0 for i, r in enumerate(first)]
    (difference,) = metric_differences(measured(first), measured(second))
    a, b = metrics_with_intervals(measured(first))[0], metrics_with_intervals(measured(second))[0]
    assert a.interval and b.interval and b.interval[1] > a.interval[0] and difference.shown


def test_p_is_uniform_enough_where_nothing_differs() -> None:
    rng = torch.Generator().manual_seed(3)
    shown = 0
    for trial in range(60):
        pair = torch.randint(2, (2, 60), generator=rng).tolist()
        shown += metric_differences(measured(pair[0]), measured(pair[1]), seed=trial)[0].shown
    assert shown <= 8


def test_other_units_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="different units"):
        metric_differences(measured([1]), measured([1, 0]))


def test_p_counts_both_sides() -> None:
    # 12 units better and 4 worse of 100: z = 2.04, two-sided p = 0.041 and a little more for ties with zero.
    first = [1] * 12 + [0] * 4 + [1] * 84
    second = [0] * 12 + [1] * 4 + [1] * 84
    p = metric_differences(measured(first), measured(second))[0].p
    assert p is not None and 0.035 < p < 0.075
