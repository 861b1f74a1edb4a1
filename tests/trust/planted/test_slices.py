"""Slices that no column names, intervals that hold less in one quarter, a test unlike the validation; clean twins."""

import pytest
import torch

from capas.core.spec import Field
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.metrics.conformal_regression import SplitConformal
from capas.trust.subgroups.significance import binomial_tail
from capas.trust.subgroups.slices import (
    clusters,
    most_shifted,
    quarters,
    uncovered_slices,
    worse_slices,
)
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding
from capas.trust.themes.calibration import calibration_theme
from capas.trust.themes.groups import groups_theme
from capas.trust.themes.quality import quality_theme
from tests.trust.made_models import asked, made_context, made_subject, rows_reader, table_rows

N = 400


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(
    x: torch.Tensor, other: torch.Tensor, labels: torch.Tensor, *, test: int = N, validation: int = 0
) -> ModelUnderTest:
    """A classifier by the sign of x."""
    table = table_rows({"x": x.tolist(), "other": other.tolist()})
    splits = ["train"] * (len(x) - test - validation) + ["validation"] * validation + ["test"] * test
    context = made_context(table, labels.tolist(), splits, classes=("no", "yes"))  # type: ignore[arg-type]
    return made_subject(context, rows_reader({"x": 1.0, "other": 0.0}), ClassHead(context.classes))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("flawed", [True, False])
def test_a_quarter_of_a_column_in_which_it_fails_is_named(flawed: bool, seed: int) -> None:
    x, other = torch.randn(N + 40, generator=rng(seed)), torch.rand(N + 40, generator=rng(seed + 9))
    noise = torch.rand(N + 40, generator=rng(seed + 19))
    wrong = noise < torch.where((other > 0.75) & torch.tensor(flawed), 0.5, 0.1)
    found = groups_theme(asked(rows(x, other, ((x > 0) ^ wrong).long())))
    keys = [one.key for one in found.findings]
    assert keys[:1] == ["slice_gap"] * flawed and all("other" in one.text for one in found.findings[:1])


def test_clusters_find_what_no_property_names_and_equal_ones_are_silent() -> None:
    place = torch.arange(300) % 3
    features = torch.nn.functional.one_hot(place, 3) * 8.0 + torch.randn(300, 3, generator=rng())
    named = clusters(features, 3)
    assert len(set(zip(named, place.tolist(), strict=True))) == 3
    right = torch.rand(300, generator=rng(1)) < torch.where(place == 2, 0.6, 0.95)
    (worst,) = worse_slices(right, {"cluster": named}, min_gap=0.1)
    assert worst.group.name == named[2]
    assert not worse_slices(torch.rand(300, generator=rng(2)) < 0.9, {"cluster": named}, min_gap=0.1)


def estimates(*, noisy: bool, seed: int) -> list[Finding]:
    """Estimates of x with an interval of ±1.645: the noise is 1, or grows with x (``noisy``)."""
    x = torch.rand(N, generator=rng(seed)) * 4
    spread = 0.25 + 0.45 * x if noisy else torch.ones(N)
    true = (x + spread * torch.randn(N, generator=rng(seed + 9))).tolist()
    held = {"coverage": {"value": 0.9, "n": N, "interval": [0.87, 0.93]}, "interval_width": {"value": 3.3, "n": N,
            "unit": ""}}  # fmt: skip
    metrics = {"metrics": {"mae": {"value": 1.0, "n": N, "interval": [0.9, 1.1], "unit": ""}, **held}, "baseline": {}}
    context = made_context(table_rows({"x": x.tolist()}), [(t,) for t in true], ["test"] * N, task="regress",
                           metrics=metrics)  # fmt: skip
    head = NumbersHead([Field(name="target", kind="number")])
    head.fit(torch.tensor([[-1.0], [1.0]]))
    head.conformal = (SplitConformal(level=0.9, quantile=1.645, n=N),)
    reader = rows_reader({"x": 1.0})
    reader.network.output = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        reader.network.output.weight.fill_(1 / head.scales[0].deviation)
    return list(calibration_theme(asked(made_subject(context, reader, head))).findings)


@pytest.mark.parametrize("seed", range(3))
def test_intervals_that_hold_less_where_it_is_noisy_are_told(seed: int) -> None:
    (noisy,) = estimates(noisy=True, seed=seed)
    assert noisy.key == "intervals_uneven" and "90 %" in noisy.text
    assert estimates(noisy=False, seed=seed) == []


@pytest.mark.parametrize(("n", "told"), [(8, False), (14, False), (140, True)])
def test_a_slice_that_may_be_short_by_chance_is_not_uncovered(n: int, told: bool) -> None:
    """Of n about 72 % are inside; 10 of 14 are too few by themselves (p = 0.044), but not for one slice of two."""
    inside = torch.cat([torch.arange(n) < round(0.72 * n), torch.arange(400) < 360])
    found = uncovered_slices(inside, {"x": ["short"] * n + ["–"] * 400}, 0.9, min_gap=0.08)
    assert [one.name for one in found] == ["short"] * told
    assert n != 14 or binomial_tail(10, n, 0.9) < 0.05


@pytest.mark.parametrize(
    ("flaw", "told"), [("", ""), ("shift", "differs most in other"), ("labels", "labels of the test")]
)
def test_a_test_unlike_the_validation_says_whether_inputs_or_labels(flaw: str, told: str) -> None:
    x, other = torch.randn(400, generator=rng()), torch.randn(400, generator=rng(1))
    of_test = torch.arange(400) >= 200
    wrong = torch.rand(400, generator=rng(2)) < torch.where(of_test & torch.tensor(bool(flaw)), 0.4, 0.05)
    other = other + 3.0 * (of_test & torch.tensor(flaw == "shift"))
    found = quality_theme(asked(rows(x, other, ((x > 0) ^ wrong).long(), test=200, validation=200)))
    (text,) = [one.text for one in found.findings if one.key == "test_unlike_validation"] or [""]
    assert told in text and bool(text) == bool(told)


def test_quarters_tails_and_shifts_are_what_tables_say() -> None:
    assert quarters(torch.ones(100)) is None and quarters(torch.arange(10.0)) is None
    names = quarters(torch.cat([torch.arange(100.0), torch.tensor([torch.nan])]))
    assert (
        names is not None and names[-1] == "–" and [names.count(one) for one in dict.fromkeys(names[:-1])] == [25] * 4
    )
    assert binomial_tail(2, 4, 0.5) == pytest.approx(11 / 16) and binomial_tail(4, 4, 0.5) == pytest.approx(1.0)
    a, b = torch.randn(200, generator=rng(1)), torch.randn(200, generator=rng(2))
    assert most_shifted({"a": a, "b": a}, {"a": b, "b": b}) is None
    found = most_shifted({"a": a, "b": a}, {"a": b, "b": b + 1})
    assert found is not None and found[0] == "b" and found[1] < 1e-6
