"""The measure of cBAD, by hand."""

import numpy as np
import pytest

from capas.evaluation.baseline_detection import (
    Floats,
    PageBaselineMetrics,
    baseline_detection_metrics,
    covered_share,
    line_tolerances,
    page_baseline_metrics,
    resample_polyline,
)


def level(y: float, start: float = 0, stop: float = 100) -> Floats:
    return np.array([[start, y], [stop, y]], dtype=np.float64)


PAGE = [level(100), level(140), level(180)]  # 40 apart: a tolerance of 10


def test_what_is_true_is_whole() -> None:
    assert baseline_detection_metrics([page_baseline_metrics(PAGE, PAGE)]).f == 1


@pytest.mark.parametrize(("off", "covered"), [(0, 1.0), (10, 1.0), (20, 0.5), (25, 0.25), (30, 0.0), (50, 0.0)])
def test_coverage_falls_from_one_tolerance_to_three(off: float, covered: float) -> None:
    assert covered_share(resample_polyline(level(off)), resample_polyline(level(0)), 10) == pytest.approx(covered)


def test_coverage_equals_brute_force() -> None:
    chance = np.random.default_rng(0)
    points, line = chance.uniform(0, 60, (700, 2)), chance.uniform(0, 60, (40, 2))
    by_hand = [max(0, min(1, (9 - min(np.hypot(*(p - q)) for q in line)) / 6)) for p in points]
    assert covered_share(points, line, 3) == pytest.approx(np.mean(by_hand))


def test_the_tolerance_is_a_quarter_of_the_distance_to_the_nearest_line_of_the_same_column() -> None:
    beside = level(110, 200, 300)
    assert line_tolerances([resample_polyline(line) for line in (*PAGE, beside)]) == pytest.approx([10, 10, 10, 10])
    assert line_tolerances([resample_polyline(level(5))]) == [20]


def test_half_a_line_costs_recall_and_not_precision() -> None:
    found = page_baseline_metrics(PAGE, [level(100, 0, 50), *PAGE[1:]])
    assert found.precisions == (1, 1, 1)
    # The 51 points of the found half, 10 more within the tolerance, 20 that fall to nothing.
    assert found.recalls[0] == pytest.approx((51 + 10 + sum(1 - k / 20 for k in range(1, 20))) / 101)


def test_a_line_in_two_pieces_costs_precision_and_not_recall() -> None:
    found = page_baseline_metrics(PAGE, [level(100, 0, 60), level(100, 61, 100), *PAGE[1:]])
    assert sorted(found.precisions) == [0, 1, 1, 1] and found.recalls == (1, 1, 1)


def test_two_lines_found_as_one_are_one() -> None:
    beside = [level(100, 0, 40), level(100, 160, 200)]
    found = page_baseline_metrics([*beside, *PAGE[1:]], [level(100, 0, 200), *PAGE[1:]])
    assert found.recalls == (1, 1, 1, 1)
    # One of the two pieces takes it: 41 points of 201, ten that still count whole, and the falling ones.
    assert found.precisions[0] == pytest.approx((41 + 10 + sum(1 - k / 20 for k in range(1, 20))) / 201)


def test_nothing_found_and_nothing_to_find() -> None:
    missed, empty, invented = (
        page_baseline_metrics(PAGE, []),
        page_baseline_metrics([], []),
        page_baseline_metrics([], PAGE),
    )
    assert baseline_detection_metrics([missed]).recall == 0 and baseline_detection_metrics([missed]).f == 0
    assert baseline_detection_metrics([empty]).f == 1
    assert baseline_detection_metrics([invented]).precision == 0


def test_every_page_counts_alike() -> None:
    pages = [
        PageBaselineMetrics(precisions=(1.0, 0.0), recalls=(1.0,)),
        PageBaselineMetrics(precisions=(1.0,), recalls=(0.5,)),
    ]
    found = baseline_detection_metrics(pages)
    assert (found.precision, found.recall, found.f) == (0.75, 0.75, 0.75)
    with pytest.raises(ValueError, match="no pages"):
        baseline_detection_metrics([])
