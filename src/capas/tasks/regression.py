"""A number per example: losses on the standardised target, figures with intervals, honest prediction intervals.

Split conformal prediction: Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005; Lei, G'Sell,
Rinaldo, Tibshirani & Wasserman, "Distribution-Free Predictive Inference for Regression", JASA 2018 (arXiv:1604.04173),
Algorithm 2 (absolute residuals) and section 5.2 (divided by the difficulty σ(x)). With n examples that were not learned
from, the interval is  ŷ ± q·σ(x),  q the ⌈(n + 1)(1 − α)⌉-th smallest of |y − ŷ| / σ(x): over draws of both sets it
covers with probability ≥ 1 − α, whatever the network and the distribution, as long as examples are exchangeable.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.core.objective import Phase
from capas.tasks.metrics import Rate, rate

RegressionLoss = Literal["huber", "mse"]


@runtime_checkable
class NumberedBatch(Protocol):
    """What this task needs of a batch."""

    @property
    def inputs(self) -> object:
        """What the network is called with."""

    @property
    def targets(self) -> Tensor:
        """N×M numbers in the user's units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetScale:
    """How a target in the user's unit is standardised, from the training examples."""

    mean: float
    deviation: float

    @classmethod
    def fit(cls, targets: Float[Tensor, " N"]) -> "TargetScale":
        """A constant target has deviation 1, so that it stays itself."""
        values = targets.double()
        deviation = float(values.std(correction=0))
        return cls(mean=float(values.mean()), deviation=deviation if deviation > 0 else 1.0)

    def standardise(self, targets: Tensor) -> Tensor:
        """The user's unit → mean 0, deviation 1, float32."""
        return ((targets.double() - self.mean) / self.deviation).float()

    def restore(self, outputs: Tensor) -> Tensor:
        """The network's unit → the user's."""
        return outputs * self.deviation + self.mean


class Regression:
    """The objective: ``network`` maps the inputs to N×M standardised numbers, one for each of ``scales``."""

    def __init__(self, network: nn.Module, scales: Sequence[TargetScale], *, loss: RegressionLoss = "huber") -> None:
        self.network = network
        self.scales = tuple(scales)
        self.kind = loss

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: NumberedBatch, phase: Phase, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"loss": self.loss(self.network(batch.inputs), batch.targets)}

    def loss(self, outputs: Float[Tensor, "N M"], targets: Float[Tensor, "N M"]) -> Float[Tensor, ""]:
        """Huber (quadratic up to one standard deviation, Huber 1964) or half the squared error, mean."""
        columns = zip(self.scales, targets.T, strict=True)
        wanted = torch.stack([scale.standardise(column) for scale, column in columns], dim=1)
        found = outputs.float()
        return F.huber_loss(found, wanted) if self.kind == "huber" else F.mse_loss(found, wanted) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure of ``n`` examples with its 95 % interval; unlike a rate it may leave 0..1."""

    value: float
    n: int
    interval: tuple[float, float]

    def as_json(self) -> dict[str, object]:
        """The form that every ``--json`` uses."""
        low, high = self.interval
        return {"value": round(self.value, 6), "n": self.n, "interval": [round(low, 6), round(high, 6)]}


@dataclass(frozen=True, kw_only=True, slots=True)
class RegressionFigures:
    """Mean absolute and root mean squared error in the user's unit, and the share R² of the variance explained (below
    0: worse than always answering the mean of these examples)."""

    mae: Figure
    rmse: Figure
    r2: Figure

    def metrics_json(self) -> dict[str, object]:
        """The figures of the whole set."""
        return {"mae": self.mae.as_json(), "rmse": self.rmse.as_json(), "r2": self.r2.as_json()}


def regression_figures(
    predicted: Float[Tensor, " N"], targets: Float[Tensor, " N"], *, seed: int = 0, draws: int = 1000
) -> RegressionFigures:
    """Figures of N ≥ 2 predictions, both in the user's unit; intervals by drawing examples ``draws`` times."""
    n = len(targets)
    if n < 2:
        raise ValueError(f"{n} examples; expected 2 or more")
    errors, values = (predicted.double() - targets.double()).cpu(), targets.double().cpu()
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(n, (draws, n), generator=generator)
    found = _errors(errors[None], values[None])
    drawn = _errors(errors[rows], values[rows])
    mae, rmse, r2 = (_figure(float(one), many, n) for one, many in zip(found, drawn, strict=True))
    return RegressionFigures(mae=mae, rmse=rmse, r2=r2)


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitConformal:
    """Prediction intervals that cover a share ``level`` of new examples; ``quantile`` in the user's unit, or, with
    difficulties, times them. It is ∞ where too few examples were given for this level."""

    level: float
    quantile: float
    n: int

    @classmethod
    def fit(
        cls,
        predicted: Float[Tensor, " N"],
        targets: Float[Tensor, " N"],
        *,
        level: float = 0.9,
        difficulty: Float[Tensor, " N"] | None = None,
    ) -> "SplitConformal":
        """From examples that the network has not learned from; ``difficulty``: an expected error > 0 for each."""
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; expected a share between 0 and 1")
        if difficulty is not None and not bool((difficulty > 0).all()):
            raise ValueError("difficulty holds values ≤ 0; expected all > 0")
        scores = (targets.double() - predicted.double()).abs()
        if difficulty is not None:
            scores = scores / difficulty.double()
        # The small number undoes what floating point adds to whole products such as 10 × 0.9.
        rank = math.ceil((len(scores) + 1) * level - 1e-9)
        quantile = float(scores.sort().values[rank - 1]) if rank <= len(scores) else math.inf
        return cls(level=level, quantile=quantile, n=len(scores))

    def interval(
        self, predicted: Float[Tensor, " N"], difficulty: Float[Tensor, " N"] | None = None
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
        """Lower and upper ends (N each) in the user's unit."""
        half = self.quantile * (torch.ones_like(predicted) if difficulty is None else difficulty)
        return predicted - half, predicted + half


def coverage(low: Float[Tensor, " N"], high: Float[Tensor, " N"], targets: Float[Tensor, " N"]) -> Rate:
    """The share of targets that lie in their interval, ends included."""
    return rate(int(((low <= targets) & (targets <= high)).sum()), len(targets))


@dataclass(frozen=True, kw_only=True, slots=True)
class Constant:
    """The trivial baselines: the mean (least squared error) and the median (least absolute error) of the training
    targets, whatever is asked."""

    mean: float
    median: float

    @classmethod
    def fit(cls, targets: Float[Tensor, " N"]) -> "Constant":
        """From the training targets; N ≥ 1."""
        return cls(mean=float(targets.double().mean()), median=float(targets.double().quantile(0.5)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Ridge:
    """Linear regression with an L2 penalty on standardised columns (Hoerl & Kennard 1970)."""

    weight: Tensor
    centre: Tensor
    scale: Tensor
    bias: float
    penalty: float

    @classmethod
    def fit(
        cls,
        features: Float[Tensor, "N D"],
        targets: Float[Tensor, " N"],
        *,
        penalties: Sequence[float] = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0),
    ) -> "Ridge":
        """The penalty whose leave-one-out error is least, in closed form from one decomposition (Allen's PRESS 1974):
        the error without example i is  eᵢ / (1 − hᵢ),  h the diagonal of the hat matrix."""
        x, y = features.double(), targets.double()
        centre, scale = x.mean(0), x.std(0, correction=0)
        scale = torch.where(scale > 0, scale, 1.0)
        bias = float(y.mean())
        u, s, vt = torch.linalg.svd((x - centre) / scale, full_matrices=False)
        along = u.T @ (y - bias)
        best: tuple[float, float, Tensor] | None = None
        for penalty in penalties:
            shrink = s.square() / (s.square() + penalty)
            errors = y - bias - u @ (shrink * along)
            leverage = (u.square() * shrink).sum(1) + 1 / len(y)
            press = float((errors / (1 - leverage).clamp(min=1e-12)).square().mean())
            if best is None or press < best[0]:
                best = (press, penalty, vt.T @ (s / (s.square() + penalty) * along))
        if best is None:
            raise ValueError("penalties is empty; expected at least one")
        return cls(weight=best[2], centre=centre, scale=scale, bias=bias, penalty=best[1])

    def predict(self, features: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """N numbers in the user's unit, float64."""
        return (features.double() - self.centre) / self.scale @ self.weight + self.bias


def _errors(errors: Float[Tensor, "R N"], values: Float[Tensor, "R N"]) -> tuple[Tensor, Tensor, Tensor]:
    """MAE, RMSE and R² of each row; R² is NaN where the values of a row are all equal."""
    squared = errors.square().mean(1)
    variance = values.var(1, correction=0)
    r2 = torch.where(variance > 0, 1 - squared / variance, math.nan)
    return errors.abs().mean(1), squared.sqrt(), r2


def _figure(value: float, drawn: Tensor, n: int) -> Figure:
    defined = drawn[~drawn.isnan()]
    if not len(defined) or math.isnan(value):
        return Figure(value=math.nan, n=n, interval=(math.nan, math.nan))
    ends = defined.quantile(torch.tensor([0.025, 0.975], dtype=drawn.dtype))
    return Figure(value=value, n=n, interval=(float(ends[0]), float(ends[1])))
