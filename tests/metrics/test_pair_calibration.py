"""From cosine to probability: the true map is found, it is bounded, and costs choose the cheapest threshold."""

import math

import numpy as np
import pytest

from capas.metrics.pair_calibration import (
    PairCalibration,
    fit_pair_calibration,
    least_probability,
    pair_log_loss,
)
from capas.metrics.verification import ScoredPairs, error_curve


def drawn(genuine: int, impostor: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Scores of N(0.6, 0.1) for genuine and N(0.2, 0.1) for impostor pairs: the log ratio is 40 c − 16 exactly."""
    rng = np.random.default_rng(0)
    same = np.arange(genuine + impostor) < genuine
    return rng.normal(np.where(same, 0.6, 0.2), 0.1), same


def test_the_true_map_is_found_however_many_there_are_of_each_kind() -> None:
    for genuine, impostor in ((4000, 4000), (1000, 8000)):
        fitted = fit_pair_calibration(*drawn(genuine, impostor))
        assert fitted.slope == pytest.approx(40, rel=0.1) and fitted.intercept == pytest.approx(-16, rel=0.1)
        assert fitted.probability(np.array([0.4]))[0] == pytest.approx(0.5, abs=0.05)


def test_evidence_is_bounded_by_the_number_of_pairs() -> None:
    fitted = fit_pair_calibration(np.array([0.9, 0.8, 0.1, 0.2]), np.array([True, True, False, False]))
    assert fitted.max_llr == pytest.approx(math.log(3))
    low, high = fitted.probability(np.array([-1.0, 1.0]))
    assert (low, high) == pytest.approx((0.25, 0.75))


def test_what_says_nothing_gives_the_prior() -> None:
    wrong_way = fit_pair_calibration(np.array([0.1, 0.2, 0.8, 0.9]), np.array([True, True, False, False]))
    assert wrong_way.slope == 0
    assert wrong_way.probability(np.array([0.9]), 0.3)[0] == pytest.approx(0.3)
    assert pair_log_loss(wrong_way.probability(np.array([0.1, 0.9])), np.array([True, False])) == pytest.approx(
        math.log(2)
    )


def test_the_prior_shifts_the_odds() -> None:
    known = PairCalibration(slope=1.0, intercept=0.0, max_llr=5.0)
    at = np.array([math.log(3)])  # a ratio of three to one
    assert known.probability(at)[0] == pytest.approx(0.75)
    assert known.probability(at, 0.25)[0] == pytest.approx(0.5)


def test_the_threshold_has_the_least_expected_cost() -> None:
    scores, same = drawn(20_000, 20_000)
    pairs = ScoredPairs(scores=scores, same=same, first=np.zeros(len(same), int), second=same.astype(int))
    curve, fitted = error_curve(pairs), PairCalibration(slope=40.0, intercept=-16.0, max_llr=8.0)
    for cost_fm, cost_fnm, prior in ((1.0, 1.0, 0.5), (10.0, 1.0, 0.5), (1.0, 1.0, 0.1)):
        threshold = fitted.threshold(least_probability(cost_fm, cost_fnm), prior)
        cost = cost_fm * (1 - prior) * curve.false_match + cost_fnm * prior * curve.false_non_match
        own = cost[np.searchsorted(curve.thresholds, threshold)]
        assert own <= 1.1 * cost.min()
    assert fitted.threshold(0.5) == pytest.approx(0.4)
    # σ(40 t − 16) = 10 / 11, by hand
    assert fitted.threshold(least_probability(10, 1)) == pytest.approx((16 + math.log(10)) / 40)


def test_beyond_all_evidence_the_answer_is_always_the_same() -> None:
    weak = PairCalibration(slope=10.0, intercept=-5.0, max_llr=1.0)
    assert weak.threshold(0.99) == math.inf and weak.threshold(0.01) == -math.inf
    mute = PairCalibration(slope=0.0, intercept=0.0, max_llr=1.0)
    assert mute.threshold(0.6) == math.inf and mute.threshold(0.5) == -math.inf


def test_impossible_values_are_refused() -> None:
    with pytest.raises(ValueError, match="costs"):
        least_probability(0, 1)
    with pytest.raises(ValueError, match="some of both"):
        fit_pair_calibration(np.array([0.1]), np.array([True]))
    with pytest.raises(ValueError, match="slope"):
        PairCalibration(slope=-1.0, intercept=0.0, max_llr=1.0)
