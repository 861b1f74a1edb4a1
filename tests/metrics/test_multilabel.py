"""Figures of tags against scikit-learn's, recorded (tests/fixtures/texts/record.py), their intervals, the baseline."""

import json

import pytest
import torch
from torch import Tensor

from capas.baselines.constant_tags import ConstantTags
from capas.metrics.multilabel import MultilabelMetrics, multilabel_metrics
from capas.metrics.rate import rate
from tests.harness import FIXTURES

RECORDED = json.loads((FIXTURES / "texts" / "tags.json").read_text(encoding="utf-8"))
TRUTH, CALLED = (torch.tensor(RECORDED[key], dtype=torch.bool) for key in ("truth", "called"))


def figures(called: Tensor, truth: Tensor) -> MultilabelMetrics:
    names = [f"tag {k}" for k in range(truth.shape[1])]
    return multilabel_metrics(called, truth, names, torch.Generator().manual_seed(0))


def test_all_figures_are_scikit_learns() -> None:
    found = figures(CALLED, TRUTH)
    for average, name in ((found.micro, "micro"), (found.macro, "macro")):
        values = [average.precision.value, average.recall.value, average.f1.value]
        assert values == pytest.approx(RECORDED[name])
    assert found.subset_accuracy.value == pytest.approx(RECORDED["subset_accuracy"])
    for tag, *values in zip(found.per_tag, *RECORDED["per_tag"], strict=True):
        assert [tag.precision.value, tag.recall.value, tag.f1.value] == pytest.approx(values)


def test_counts_and_intervals_of_a_tag() -> None:
    tag = figures(CALLED, TRUTH).per_tag[1]
    right, called, present = ((CALLED & TRUTH)[:, 1].sum(), CALLED[:, 1].sum(), TRUTH[:, 1].sum())
    assert tag.recall == rate(int(right), int(present)) and tag.precision == rate(int(right), int(called))
    assert tag.f1.interval[0] < tag.f1.value < tag.f1.interval[1] and tag.f1.n == int(present)


def test_intervals_hold_the_value_and_shrink_with_more_examples() -> None:
    few, many = figures(CALLED, TRUTH), figures(CALLED.repeat(25, 1), TRUTH.repeat(25, 1))
    for name in ("micro", "macro"):
        small, large = (getattr(one, name).f1 for one in (few, many))
        assert small.interval[0] < small.value < small.interval[1]
        assert large.value == pytest.approx(small.value)
        width, before = (one.interval[1] - one.interval[0] for one in (large, small))
        assert width == pytest.approx(before / 5, rel=0.25)
    assert figures(CALLED, TRUTH) == few


def test_rare_tags_do_not_pull_the_interval_below_the_value() -> None:
    """Each of 40 tags holds once and is found: the macro F1 is 1, whatever the draw leaves out."""
    truth = torch.eye(40, dtype=torch.bool)
    assert figures(truth, truth).macro.f1.interval == (1.0, 1.0)


def test_the_interval_of_micro_f1_covers_the_truth_as_often_as_it_says() -> None:
    """Of 200 samples of 60 examples, about 190 intervals hold the F1 of the whole they were drawn from."""
    rng = torch.Generator().manual_seed(5)
    truth = torch.rand(20_000, 4, generator=rng) < 0.3
    called = truth ^ (torch.rand(20_000, 4, generator=rng) < 0.15)
    true = float(2 * (called & truth).sum() / (called.sum() + truth.sum()))
    held = 0
    for start in range(0, 12_000, 60):
        part = slice(start, start + 60)
        found = multilabel_metrics(called[part], truth[part], list("abcd"), rng, resamples=200).micro.f1
        held += found.interval[0] <= true <= found.interval[1]
    assert 178 <= held <= 198


def test_json_has_all_figures() -> None:
    found = figures(CALLED, TRUTH)
    assert set(found.metrics_json()) == {"micro", "macro", "subset_accuracy"}
    assert found.metrics_json()["micro"] == found.micro.as_json() and len(found.per_tag_json()) == 6


def test_the_baseline_says_the_set_of_commonest_tags_that_does_best() -> None:
    tags = torch.zeros(10, 3, dtype=torch.bool)
    tags[:9, 1] = tags[:5, 2] = tags[:1, 0] = True
    # One tag: 2·9/(10+15) = 0.72; two: 2·14/(20+15) = 0.80; three: 2·15/(30+15) = 0.67.
    assert ConstantTags.fit(tags).predict(2).tolist() == [[False, True, True]] * 2


def test_what_has_no_name_or_no_example_is_refused() -> None:
    for truth, names in ((TRUTH, ["a"]), (TRUTH[:0], list("abcdef"))):
        with pytest.raises(ValueError, match="expected one name"):
            multilabel_metrics(truth, truth, names, torch.Generator())
