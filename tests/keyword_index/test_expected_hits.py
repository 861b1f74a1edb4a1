"""Expected hits and precision against every outcome, and against drawn ones."""

from collections import Counter
from itertools import product
from math import prod

import numpy as np
import pytest

from capas.keyword_index.expected_hits import expected_hits, expected_precision


def by_definition(probabilities: list[float]) -> list[float]:
    """P(k right) over all outcomes."""
    chances = [0.0] * (len(probabilities) + 1)
    for outcome in product((0, 1), repeat=len(probabilities)):
        chances[sum(outcome)] += prod(p if right else 1 - p for p, right in zip(probabilities, outcome, strict=True))
    return chances


@pytest.mark.parametrize("seed", range(6))
def test_the_interval_holds_the_middle_95_of_100_outcomes(seed: int) -> None:
    probabilities = np.random.default_rng(seed).beta(0.5, 0.7, 10).tolist()
    figure, below = expected_hits(Counter(probabilities)), np.cumsum(by_definition(probabilities))
    low, high = map(int, figure.interval)
    assert figure.value == pytest.approx(sum(probabilities)) and figure.n == 10
    assert low == 0 or below[low - 1] <= 0.025 < below[low]
    assert below[high] >= 0.975 and (high == 0 or below[high - 1] < 0.975)


def test_what_is_certain_has_no_width() -> None:
    assert expected_hits({1.0: 2, 0.0: 1}).interval == (2, 2)
    assert expected_hits({}).interval == (0, 0) and expected_precision({}) is None


def test_many_hits_are_as_drawn_and_the_two_ways_meet() -> None:
    chance = np.random.default_rng(0)
    for count in (2000, 2100):
        p = chance.beta(0.5, 0.7, count)
        low, high = expected_hits(Counter(p.tolist())).interval
        right = (chance.random((4000, count)) < p).sum(axis=1)
        assert np.mean((right >= low) & (right <= high)) == pytest.approx(0.95, abs=0.015)


def test_precision_is_a_share() -> None:
    figure = expected_precision({0.9: 1, 0.5: 2, 0.1: 1})
    assert figure is not None
    assert figure.as_json() == {"value": 0.5, "n": 4, "interval": [0.25, 0.75]}
