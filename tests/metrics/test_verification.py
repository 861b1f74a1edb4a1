"""Error rates of pairs: known cases, scikit-learn as oracle, intervals over identities."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from capas.metrics.verification import (
    ScoredPairs,
    area_under_roc,
    balanced_calibration_error,
    equal_error_rate,
    error_curve,
    honest_interval,
    identity_draws,
    interval_over_identities,
    rates_at,
    true_match_rate,
)


def pairs_of(genuine: list[float], impostor: list[float]) -> ScoredPairs:
    """Genuine pairs of identity 0, 1, …; impostor pairs of 0 and another one."""
    same = np.array([True] * len(genuine) + [False] * len(impostor))
    first = np.r_[np.arange(len(genuine)), np.zeros(len(impostor), int)]
    second = np.r_[np.arange(len(genuine)), 1 + np.arange(len(impostor))]
    return ScoredPairs(scores=np.array(genuine + impostor), same=same, first=first, second=second)


def drawn_pairs(count: int = 2000, identities: int = 20) -> ScoredPairs:
    rng = np.random.default_rng(0)
    first = rng.integers(0, identities, count)
    same = rng.random(count) < 0.4
    second = np.where(same, first, (first + rng.integers(1, identities, count)) % identities)
    return ScoredPairs(scores=rng.normal(1.5 * same, 1.0).round(2), same=same, first=first, second=second)


@pytest.mark.parametrize(
    ("genuine", "impostor", "expected"),
    [
        ([0.8, 0.9], [0.1, 0.2], 0.0),
        ([0.5, 0.5], [0.5, 0.5], 0.5),  # every pair alike: guessing
        ([0.1, 0.2], [0.8, 0.9], 1.0),
        ([0.9, 0.8, 0.7, 0.3], [0.6, 0.2, 0.1, 0.0], 0.25),  # at 0.6: one of four of each kind is wrong
        # At 0.5: FMR 1/3, FNMR 0; above it: 0 and 1/2. On the line between, both are 1/5.
        ([0.9, 0.5], [0.5, 0.2, 0.1], 0.2),
    ],
)
def test_equal_error_rate_of_known_scores(genuine: list[float], impostor: list[float], expected: float) -> None:
    assert equal_error_rate(error_curve(pairs_of(genuine, impostor)))[0] == pytest.approx(expected)


def test_curve_area_and_rates_agree_with_scikit_learn() -> None:
    pairs = drawn_pairs()
    curve = error_curve(pairs)
    false, true, thresholds = roc_curve(pairs.same, pairs.scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_match[::-1], false)
    np.testing.assert_allclose(1 - curve.false_non_match[::-1], true)
    assert area_under_roc(curve) == pytest.approx(roc_auc_score(pairs.same, pairs.scores))
    assert true_match_rate(curve, 0.01) == pytest.approx(true[false <= 0.01].max())
    eer, threshold = equal_error_rate(curve)
    closest = np.argmin(np.abs(false - (1 - true)))
    assert eer == pytest.approx(false[closest], abs=0.01)
    assert rates_at(curve, threshold) == pytest.approx((eer, eer), abs=0.01)
    for place in (1, len(thresholds) // 2):
        assert rates_at(curve, thresholds[place]) == pytest.approx((false[place], 1 - true[place]))
    assert rates_at(curve, 99.0) == (0.0, 1.0) and rates_at(curve, -99.0) == (1.0, 0.0)


def test_weights_count_as_copies_would() -> None:
    pairs = pairs_of([0.9, 0.4], [0.5, 0.1])
    twice = pairs_of([0.9, 0.4, 0.4], [0.5, 0.1])
    weighted = error_curve(pairs, np.array([1.0, 2.0, 1.0, 1.0]))
    np.testing.assert_allclose(weighted.false_non_match, error_curve(twice).false_non_match)


def test_an_identity_that_is_drawn_twice_brings_its_pairs_twice() -> None:
    pairs = pairs_of([0.9, 0.4], [0.5])
    for weights in identity_draws(pairs, draws=20):
        zero, one, _ = weights
        assert weights[2] == zero * one and zero + one == 2


def test_intervals_are_over_identities_and_wider_than_over_pairs() -> None:
    pairs = drawn_pairs()
    # Identity 0 is never known again: that is one odd identity, not many odd pairs.
    odd = ScoredPairs(
        scores=np.where((pairs.first == 0) & pairs.same, -3.0, pairs.scores), same=pairs.same, first=pairs.first,
        second=pairs.second,
    )  # fmt: skip

    def figure(weights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return equal_error_rate(error_curve(odd, weights))[0]

    value = figure(np.ones(len(odd.scores)))
    low, high = interval_over_identities(odd, identity_draws(odd, draws=100), figure)
    assert low < value < high
    assert high - low > 2 * 2 * 1.96 * np.sqrt(value * (1 - value) / len(odd.scores)) / 2
    few = pairs_of([0.9, 0.4], [0.5])
    assert np.isnan(interval_over_identities(few, identity_draws(few, draws=5), lambda weights: 0.0)).all()


def test_calibration_error_weighs_both_kinds_alike() -> None:
    same = np.array([True] + [False] * 9)
    honest = np.full(10, 0.5)  # as many of one kind as of the other: one half is right, though 1 in 10 is genuine
    assert balanced_calibration_error(honest, same, np.ones(10)) == pytest.approx(0.0)
    assert balanced_calibration_error(np.full(10, 0.9), same, np.ones(10)) == pytest.approx(0.4)


def test_no_error_among_few_identities_is_no_certainty() -> None:
    assert honest_interval(0.0, (0.0, 0.0), 30) == pytest.approx((0.0, 0.1135), abs=1e-4)  # Wilson, 0 of 30
    assert honest_interval(1.0, (1.0, 1.0), 30) == pytest.approx((0.8865, 1.0), abs=1e-4)
    assert honest_interval(0.2, (0.1, 0.3), 30) == (0.1, 0.3)
    assert np.isnan(honest_interval(0.0, (np.nan, np.nan), 3)).all()


def test_pairs_of_one_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="one kind"):
        pairs_of([0.9], [])
