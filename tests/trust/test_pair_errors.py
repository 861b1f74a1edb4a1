"""What the report shows of pairs: both curves, calibration, and groups whose errors differ."""

from collections.abc import Mapping

import pytest

from capas.trust.pair_errors import compares_pairs, curve_plots, pair_calibration_theme, pair_groups_theme
from capas.trust.rendering.blocks import Plot


def rate(value: float, low: float, high: float) -> dict[str, object]:
    return {"value": value, "n": 100, "interval": [low, high]}


def metrics(error: Mapping[str, object] | None = None, **further: object) -> dict[str, object]:
    return {
        "metrics": {
            "eer": rate(0.1, 0.05, 0.15), "auc": rate(0.96, 0.9, 0.99), "tar_at_far_1": rate(0.7, 0.6, 0.8),
            "expected_calibration_error": error or rate(0.02, 0.01, 0.03),
        },
        "verification": {"curve": {"threshold": [0.0, 0.5, 1.0], "false_match": [1.0, 0.01, 0.0],
                                   "false_non_match": [0.0, 0.5, 1.0]}},
        **further,
    }  # fmt: skip


def group(false_match: Mapping[str, object], *, few: bool = False) -> dict[str, object]:
    counts = {"n_genuine": 100, "n_impostor": 100, "identities": 10, "too_few": few}
    return counts if few else {**counts, "false_match": false_match, "false_non_match": rate(0.1, 0.05, 0.15)}


def test_roc_and_det_are_drawn_of_pairs_alone() -> None:
    roc, det = curve_plots(metrics())
    assert isinstance(roc, Plot) and isinstance(det, Plot)
    assert list(roc.lines[0].ys) == [1.0, 0.5, 0.0] and list(roc.lines[0].xs) == [1.0, 0.01, 0.0]
    assert det.lines[0].xs[1] == pytest.approx(-2.326, abs=1e-3)  # the normal deviate of 1 %
    assert det.lines[0].ys[1] == pytest.approx(0.0)
    assert curve_plots({"metrics": {}}) == [] and not compares_pairs({"metrics": {}})


def test_probabilities_that_are_clearly_off_are_a_finding() -> None:
    assert not pair_calibration_theme(metrics()).findings
    (finding,) = pair_calibration_theme(metrics(rate(0.2, 0.1, 0.3))).findings
    assert finding.key == "miscalibrated" and "20.0 %" in finding.text


def test_groups_whose_errors_differ_clearly_are_a_finding() -> None:
    columns = {"sex": {"f": group(rate(0.3, 0.2, 0.4)), "m": group(rate(0.05, 0.01, 0.1)), "x": group({}, few=True)}}
    theme = pair_groups_theme(metrics(per_group=columns))
    (finding,) = theme.findings
    assert "“f”" in finding.text and "30.0 %" in finding.text and len(theme.partly_tested) == 1
    touching = {"sex": {"f": group(rate(0.3, 0.05, 0.6)), "m": group(rate(0.05, 0.01, 0.1))}}
    assert not pair_groups_theme(metrics(per_group=touching)).findings
    assert pair_groups_theme(metrics()).not_computed_because is not None
