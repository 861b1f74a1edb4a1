"""Regression metrics with 95 % bootstrap intervals: MAE, RMSE and R²."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.bootstrap import percentile_interval
from capas.metrics.rate import interval_json


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricWithInterval:
    """A metric of ``n`` examples with its 95 % interval; unlike a rate it may leave 0..1."""

    value: float
    n: int
    interval: tuple[float, float]

    def as_json(self) -> dict[str, object]:
        """Return the fields that every ``--json`` uses."""
        return {"value": round(self.value, 6), "n": self.n} | interval_json(self.interval)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegressionMetrics:
    """The metrics of a regressor.

    Attributes:
        mae: Mean absolute error in the user's unit.
        rmse: Root mean squared error in the user's unit.
        r2: Share of the variance explained; below 0 where the mean of these examples is better.
    """

    mae: MetricWithInterval
    rmse: MetricWithInterval
    r2: MetricWithInterval

    def metrics_json(self) -> dict[str, object]:
        """Return the metrics of the whole set."""
        return {"mae": self.mae.as_json(), "rmse": self.rmse.as_json(), "r2": self.r2.as_json()}


def regression_metrics(
    predicted: Float[Tensor, " N"], targets: Float[Tensor, " N"], *, seed: int = 0, draws: int = 1000
) -> RegressionMetrics:
    """Return the metrics of N ≥ 2 predictions in the user's unit; intervals from ``draws`` bootstrap draws."""
    n = len(targets)
    if n < 2:
        raise ValueError(f"{n} examples; expected 2 or more")
    errors, values = (predicted.double() - targets.double()).cpu(), targets.double().cpu()
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(n, (draws, n), generator=generator)
    found = _errors(errors[None], values[None])
    drawn = _errors(errors[rows], values[rows])
    mae, rmse, r2 = (_figure(float(one), many, n) for one, many in zip(found, drawn, strict=True))
    return RegressionMetrics(mae=mae, rmse=rmse, r2=r2)


def _errors(errors: Float[Tensor, "R N"], values: Float[Tensor, "R N"]) -> tuple[Tensor, Tensor, Tensor]:
    """MAE, RMSE and R² of each row; R² is NaN where the values of a row are all equal."""
    squared = errors.square().mean(1)
    variance = values.var(1, correction=0)
    r2 = torch.where(variance > 0, 1 - squared / variance, math.nan)
    return errors.abs().mean(1), squared.sqrt(), r2


def _figure(value: float, drawn: Tensor, n: int) -> MetricWithInterval:
    if math.isnan(value):
        return MetricWithInterval(value=math.nan, n=n, interval=(math.nan, math.nan))
    return MetricWithInterval(value=value, n=n, interval=percentile_interval(drawn, n))
