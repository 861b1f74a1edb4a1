"""Checks of attributions from curves that are drawn by hand."""

import pytest
import torch
from torch import Tensor

from capas.metrics.rate import rate
from capas.trust.explanations.feature_ablation import AblationFeatures, FeatureAttributions
from capas.trust.themes.explanations_ablation_checks import (
    SHARES,
    AblatedExample,
    AblationCheck,
    ablation_checks_table,
    ablation_deletion_plot,
    check_ablation_method,
    curve_areas,
)

X = torch.tensor(SHARES)
FALLING, RISING, FLAT = 1 - X, X, torch.ones(len(SHARES))


def example(
    deletion: Tensor, random: Tensor = FLAT, *, score: float = 1.0, alike: float | None = None
) -> AblatedExample:
    """One method, "leave_one_out", and the control."""
    return AblatedExample(
        position=0, features=AblationFeatures(names=["a", "b"], keep=lambda mask: None),
        attributions=FeatureAttributions(names=["a", "b"], weights=torch.zeros(2), score=score),
        weights={"leave_one_out": torch.zeros(2)},
        randomization_correlations={} if alike is None else {"leave_one_out": torch.tensor([alike, alike])},
        deletion={"leave_one_out": deletion, "random": random},
        insertion={"leave_one_out": 1 - deletion, "random": 1 - random},
    )  # fmt: skip


def test_areas_are_the_means_over_the_examples_whatever_the_steps() -> None:
    # The shares are uneven: a straight line has its mean all the same.
    assert curve_areas([example(FALLING)], "leave_one_out") == pytest.approx((0.5, 0.5))
    assert curve_areas([example(FALLING), example(0 * X)], "leave_one_out") == pytest.approx((0.25, 0.75))
    assert curve_areas([example(FALLING)], "random") == pytest.approx((1.0, 0.0))


def test_a_method_is_better_where_the_score_moves_further_up_or_down() -> None:
    better, worse = example(FALLING), example(FLAT, FALLING)
    upwards = example(1 + X)  # a number may grow
    assert check_ablation_method([better, upwards, worse], "leave_one_out").better_than_random == rate(2, 3)
    # Moved from the score of the whole, not from one.
    shifted = example(FALLING + 4, FLAT + 4, score=5.0)
    assert check_ablation_method([shifted], "leave_one_out").better_than_random == rate(1, 1)
    assert check_ablation_method([example(FLAT, FLAT)], "leave_one_out").better_than_random == rate(0, 1)


def test_the_correlation_is_the_mean_of_those_that_were_measured() -> None:
    found = [example(FALLING, alike=0.5), example(FALLING, alike=0.1), example(FALLING)]
    assert check_ablation_method(found, "leave_one_out").randomization_correlation == pytest.approx(0.3)
    assert check_ablation_method([example(FALLING)], "leave_one_out").randomization_correlation is None


def check(won: int, alike: float | None) -> AblationCheck:
    return AblationCheck(name="leave_one_out", deletion=0.2, insertion=0.8, better_than_random=rate(won, 20),
                         randomization_correlation=alike)  # fmt: skip


@pytest.mark.parametrize(
    ("won", "alike", "reliable"),
    [(20, None, True), (20, 0.3, True), (20, 0.31, False), (15, None, True), (13, None, False), (13, 0.0, False)],
)
def test_reliable_is_what_beats_chance_and_depends_on_the_weights(
    won: int, alike: float | None, reliable: bool
) -> None:
    assert check(won, alike).reliable is reliable and check(won, alike).as_json()["reliable"] is reliable
    assert check(won, alike).as_json()["random_weights_correlation"] == alike


def test_the_table_ends_with_the_control() -> None:
    found = ablation_checks_table([check(20, 0.25), check(13, None)], (0.7, 0.4))
    assert [row[1:4] for row in found.rows] == [
        ["0.200", "0.800", "0.25"], ["0.200", "0.800", "–"], ["0.700", "0.400", "–"]]  # fmt: skip
    assert [row[4] for row in found.rows] == ["reliable", "not reliable", "control"]


def test_the_plot_is_of_mean_curves_in_percent_where_all_are_shares() -> None:
    found = ablation_deletion_plot([example(FALLING), example(FLAT)])
    own, random = found.lines
    assert own.ys == pytest.approx((1 - X / 2).tolist()) and (own.dashed, random.dashed) == (False, True)
    assert own.xs == SHARES and found.percent_x and found.percent_y
    assert not ablation_deletion_plot([example(3 * FALLING)]).percent_y
