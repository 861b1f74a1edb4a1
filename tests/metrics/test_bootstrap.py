"""Percentile intervals: as wide as theory says, and none where there is too little to draw from."""

import math

import pytest
import torch

from capas.metrics.bootstrap import MIN_UNITS, mean_with_interval, percentile_interval


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(3))
    found = mean_with_interval(values, draws=4000)
    half = 1.96 * float(values.std()) / math.sqrt(400)
    assert found.value == pytest.approx(float(values.mean()))
    assert found.interval == pytest.approx((found.value - half, found.value + half), abs=0.1 * half)


@pytest.mark.parametrize("units", [1, 2, MIN_UNITS - 1])
def test_few_units_have_no_interval(units: int) -> None:
    found = mean_with_interval(torch.full((units,), 0.72))
    assert all(map(math.isnan, found.interval))
    assert found.as_json() == {"value": 0.72, "n": units}


def test_draws_without_a_figure_are_left_out() -> None:
    drawn = torch.tensor([0.5, math.nan, 0.5, 0.5])
    assert percentile_interval(drawn, MIN_UNITS) == (0.5, 0.5)
    assert all(map(math.isnan, percentile_interval(torch.full((3,), math.nan), MIN_UNITS)))
