"""A number per example: losses, figures, intervals that cover what they promise, baselines."""

import math
from dataclasses import dataclass

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from capas.baselines import ridge
from capas.baselines.mean_median import MeanMedianBaseline
from capas.baselines.ridge import PENALTIES, fit_ridge
from capas.metrics.conformal_regression import SplitConformal, interval_coverage
from capas.metrics.regression import regression_metrics
from capas.objectives.regression import Regression, TargetScale
from tests.harness import FIXTURES, step_context

RECORDED = load_file(FIXTURES / "measures" / "boosting.safetensors")


@dataclass
class Batch:
    inputs: Tensor
    targets: Tensor


def test_scale_standardises_and_restores_in_double_precision() -> None:
    targets = torch.randn(1000, dtype=torch.float64) * 0.5 + 1e6  # float32 alone would keep one digit of these
    scale = TargetScale.fit(targets)
    standard = scale.standardise(targets)
    assert abs(float(standard.mean())) < 1e-4 and abs(float(standard.std()) - 1) < 1e-2
    torch.testing.assert_close(scale.restore(standard.double()), targets, rtol=0, atol=1e-5)
    assert TargetScale.fit(torch.full((5,), 3.0)).deviation == 1.0


@pytest.mark.parametrize(("loss", "expected"), [("mse", (0.5 * 0.25 + 0.5 * 9) / 2), ("huber", (0.125 + 2.5) / 2)])
def test_losses_by_hand_in_standard_deviations(loss: str, expected: float) -> None:
    objective = Regression(nn.Identity(), [TargetScale(mean=10.0, deviation=2.0)], loss=loss)
    batch = Batch(inputs=torch.tensor([[0.5], [-2.0]]), targets=torch.tensor([[10.0], [12.0]]))
    (phase,) = objective.phases
    assert float(objective.losses(batch, phase, step_context())["loss"]) == pytest.approx(expected)


def test_figures_by_hand() -> None:
    targets = torch.tensor([1.0, 2.0, 3.0, 6.0])
    figures = regression_metrics(torch.tensor([1.0, 3.0, 3.0, 3.0]), targets)
    assert figures.mae.value == pytest.approx(1.0)
    assert figures.rmse.value == pytest.approx(math.sqrt(2.5))
    assert figures.r2.value == pytest.approx(1 - 10 / 14)
    assert figures.metrics_json()["mae"]["n"] == 4
    assert regression_metrics(targets.mean().expand(4), targets).r2.value == pytest.approx(0)
    assert math.isnan(regression_metrics(torch.ones(3), torch.ones(3)).r2.value)


def test_intervals_cover_the_true_error_about_as_often_as_they_say() -> None:
    generator = torch.Generator().manual_seed(5)
    covered = 0
    for seed in range(100):
        errors = torch.randn(200, generator=generator)
        found = regression_metrics(errors, torch.zeros(200), seed=seed, draws=300).mae.interval
        covered += found[0] <= math.sqrt(2 / math.pi) <= found[1]
    assert 88 <= covered <= 100
    assert regression_metrics(errors, torch.zeros(200)) == regression_metrics(errors, torch.zeros(200))


@pytest.mark.parametrize(
    ("n", "level", "rank"), [(9, 0.9, 9), (8, 0.9, None), (19, 0.95, 19), (10, 0.5, 6), (99, 0.9, 90)]
)
def test_quantile_is_the_one_of_the_finite_sample(n: int, level: float, rank: int | None) -> None:
    residuals = torch.randperm(n) + 1.0
    fitted = SplitConformal.fit(torch.zeros(n), residuals * (-1) ** torch.arange(n), level=level)
    assert fitted.quantile == (math.inf if rank is None else rank)


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize("scaled", [False, True])
def test_coverage_holds_whatever_the_distribution(level: float, scaled: bool) -> None:
    """n = 24: the expected coverage is ⌈25 · level⌉ / 25, here exactly 0.8 and 0.92."""
    generator = torch.Generator().manual_seed(1)
    rates = []
    for _ in range(1500):
        difficulty = torch.rand(44, generator=generator) + 0.1
        noise = difficulty * torch.randn(44, generator=generator).exp()  # skewed and uneven
        sigma = difficulty if scaled else None
        fitted = SplitConformal.fit(
            torch.zeros(24), noise[:24], level=level, difficulty=None if sigma is None else sigma[:24]
        )
        low, high = fitted.interval(torch.zeros(20), None if sigma is None else sigma[24:])
        rates.append(interval_coverage(low, high, noise[24:]).value)
    assert sum(rates) / len(rates) == pytest.approx(math.ceil(25 * level - 1e-9) / 25, abs=0.012)


def test_scaled_intervals_are_wider_where_it_is_harder() -> None:
    difficulty = torch.rand(4000) + 0.1
    errors = difficulty * torch.randn(4000)
    plain, scaled = (SplitConformal.fit(torch.zeros(4000), errors, difficulty=d) for d in (None, difficulty))
    hard = difficulty > 0.9
    for fitted, given, honest in ((plain, None, False), (scaled, difficulty, True)):
        low, high = fitted.interval(torch.zeros(4000), given)
        assert (interval_coverage(low[hard], high[hard], errors[hard]).value > 0.87) == honest
    with pytest.raises(ValueError, match="difficulty"):
        SplitConformal.fit(torch.zeros(3), torch.zeros(3), difficulty=torch.zeros(3))
    with pytest.raises(ValueError, match="level"):
        SplitConformal.fit(torch.zeros(3), torch.zeros(3), level=1.0)


def test_constants_are_mean_and_median() -> None:
    found = MeanMedianBaseline.fit(torch.tensor([1.0, 2.0, 9.0, 4.0]))
    assert (found.mean, found.median) == (4.0, 3.0)


def test_ridge_leaves_one_out_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    table, wanted = torch.nan_to_num(RECORDED["table"]), RECORDED["numbers"]
    monkeypatch.setattr(ridge, "PENALTIES", (10.0,))
    torch.testing.assert_close(fit_ridge(table, wanted).predict(table), RECORDED["ridge"])
    monkeypatch.undo()
    # The closed form against really leaving out, with the standardisation of all examples as it has.
    x = (table[:12] - table[:12].mean(0)) / table[:12].std(0, correction=0)
    errors = {}
    for penalty in PENALTIES:
        squared = []
        for i in range(12):
            rest = [j for j in range(12) if j != i]
            design = torch.cat([x[rest], torch.ones(11, 1)], 1).double()
            damping = torch.diag(torch.tensor([penalty] * 4 + [0.0], dtype=torch.float64))
            weight = torch.linalg.solve(design.T @ design + damping, design.T @ wanted[:12][rest])
            squared.append(float((wanted[i] - torch.cat([x[i], torch.ones(1)]).double() @ weight) ** 2))
        errors[penalty] = sum(squared)
    best = min(errors, key=lambda penalty: errors[penalty])
    assert fit_ridge(table[:12], wanted[:12]).penalty == best


def test_ridge_bears_constant_columns_and_more_columns_than_rows() -> None:
    features = torch.randn(5, 9)
    features[:, 0] = 3.0
    found = fit_ridge(features, torch.randn(5)).predict(torch.randn(4, 9))
    assert found.isfinite().all()
