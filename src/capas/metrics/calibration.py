"""Calibration of probabilities: expected calibration error with an interval, and temperature scaling.

Temperature scaling: Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", ICML 2017
(arXiv:1706.04599): softmax(z / T), the T in 0.1..10 of least log loss on held-out examples. The loss is convex in b =
1/T (gradient: mean of E_p[z] − E_t[z]; curvature: mean of Var_p[z]), so Newton's steps find it. The targets t are
those of Platt, "Probabilistic Outputs for Support Vector Machines", 1999: 1 − δ for the true class, δ = 1 / (N + 2)
shared by all; N examples without an error do not say that errors are impossible. A temperature is kept only where
examples that it was *not* fitted on (five folds) clearly gain: the 95 % bootstrap interval of the mean gain in log loss
lies above 0. Otherwise T = 1.

Calibration error: ``bins`` bins of equal count (Nguyen & O'Connor 2015), weighted mean gap between the stated
probability and the observed share. It is above 0 by chance alone; ``by_chance`` says how far (consistency resampling,
Bröcker & Smith 2007): what a perfectly calibrated model with the same stated probabilities would stay below in 95 of
100 tests.

Shapes: N examples, K classes or tags; confidences are (N,): the top class's probability, or each tag's (N·K).
"""

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from capas.metrics.rate import Rate, rate

BINS: Final = 15
_ENDS: Final = (0.025, 0.975)
_STEPS: Final = 200
MIN_PROBABILITY: Final = 1e-12
_MIN_EXAMPLES: Final = 20
_BOUNDS: Final = (0.1, 10.0)  # of 1/T


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationMetric:
    """A metric of ``n`` examples with its 95 % interval."""

    value: float
    n: int
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability diagram.

    Attributes:
        low: Lower edge.
        high: Upper edge.
        confidence: Mean stated probability.
        observed: Share of the outcomes that came true.
    """

    low: float
    high: float
    confidence: float
    observed: Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationError:
    """The expected calibration error.

    Attributes:
        error: The error, 0..1.
        by_chance: Value below which 95 of 100 perfectly calibrated models lie.
        bins: Bins of the reliability diagram.
    """

    error: CalibrationMetric
    by_chance: float
    bins: tuple[ReliabilityBin, ...]

    @property
    def explained_by_chance(self) -> bool:
        """Whether a perfectly calibrated model may show as much."""
        return self.error.value <= self.by_chance


@dataclass(frozen=True, kw_only=True, slots=True)
class TemperatureScaling:
    """A fitted temperature and whether it helps.

    Attributes:
        temperature: The temperature to use: ``fitted`` if ``kept``, else 1.
        fitted: The fitted temperature.
        kept: Whether it clearly lowers the held-out log loss.
        loss_before: Log loss without it, in nats, on held-out folds.
        loss_after: Log loss with it.
        gain: Their difference with its interval.
    """

    temperature: float
    fitted: float
    kept: bool
    loss_before: float
    loss_after: float
    gain: CalibrationMetric


def top_class_confidences(
    probabilities: Float[Tensor, "N K"], targets: Int[Tensor, " N"]
) -> tuple[Float[Tensor, " N"], Bool[Tensor, " N"]]:
    """Return the top class's probability, and whether it is the true class."""
    stated, predicted = probabilities.max(1)
    return stated, predicted == targets


def tag_confidences(
    probabilities: Float[Tensor, "N K"], tags: Bool[Tensor, "N K"]
) -> tuple[Float[Tensor, " M"], Bool[Tensor, " M"]]:
    """Return each tag's probability, and whether the example has it; M = N·K."""
    return probabilities.flatten(), tags.flatten()


def calibration_error(
    confidences: Float[Tensor, " N"],
    outcomes: Bool[Tensor, " N"],
    rng: torch.Generator,
    *,
    bins: int = BINS,
    draws: int = 500,
) -> CalibrationError:
    """Return the calibration error of N ≥ 1 confidences with its interval and bins.

    The interval is the basic bootstrap's, 2·value − quantiles, kept within 0..1: resampling adds to the error what
    chance had added already, and this takes it off.
    """
    n = len(confidences)
    if n == 0 or confidences.shape != outcomes.shape:
        raise ValueError(f"{n} statements, {len(outcomes)} outcomes; expected as many of both, 1 or more")
    order = confidences.argsort(stable=True)
    p, y = confidences.double()[order], outcomes.double()[order]
    value = float(_error(p[None], y[None], bins))
    found, chance = torch.empty(draws, dtype=torch.float64), torch.empty(draws, dtype=torch.float64)
    for i in range(draws):
        rows = torch.randint(n, (n,), generator=rng).sort().values
        found[i] = _error(p[rows][None], y[rows][None], bins)
        chance[i] = _error(p[None], (torch.rand(n, generator=rng, dtype=torch.float64) < p).double()[None], bins)
    ends = torch.quantile(found, torch.tensor(_ENDS, dtype=torch.float64)).tolist()
    low, high = (min(1.0, max(0.0, 2 * value - end)) for end in reversed(ends))
    return CalibrationError(
        error=CalibrationMetric(value=value, n=n, interval=(min(low, value), max(high, value))),
        by_chance=float(torch.quantile(chance, 0.95)),
        bins=_reliability(p, y, bins),
    )


def _error(p: Tensor, y: Tensor, bins: int) -> Tensor:
    """(R, N) both, p ascending along N → (R)."""
    gaps = torch.stack([part.sum(1).abs() for part in (y - p).tensor_split(bins, dim=1)])
    return gaps.sum(0) / p.shape[1]


def _reliability(p: Tensor, y: Tensor, bins: int) -> tuple[ReliabilityBin, ...]:
    parts = zip(p.tensor_split(bins), y.tensor_split(bins), strict=True)
    return tuple(
        ReliabilityBin(
            low=float(a[0]), high=float(a[-1]), confidence=float(a.mean()), observed=rate(int(b.sum()), len(b))
        )
        for a, b in parts
        if len(a)
    )


def fit_temperature(logits: Float[Tensor, "N K"], targets: Tensor) -> float:
    """Return the temperature of least log loss, 0.1..10.

    ``targets`` are class indices (N), or tags (N, K) of 0 and 1.
    """
    z = logits.double()
    expected = _platt_targets(z, targets)
    b = torch.ones((), dtype=torch.float64)
    for _ in range(_STEPS):
        slope, curve = _derivatives(z, expected, b, exclusive=targets.ndim == 1)
        step = slope / curve.clamp(min=1e-12)
        # At most half or double in one step: far from the minimum the curvature says little.
        after = torch.minimum(torch.maximum(b - step, b / 2), b * 2).clamp(*_BOUNDS)
        if bool((after - b).abs() < 1e-10 * b):
            break
        b = after
    return float(1 / b)


def _platt_targets(z: Tensor, targets: Tensor) -> Tensor:
    """Return the probability of each class or tag (N, K) that a temperature is fitted to."""
    n, k = z.shape
    if targets.ndim == 2:
        return targets.double() * (1 - 2 / (n + 2)) + 1 / (n + 2)
    return F.one_hot(targets, k).double() * (1 - 1 / (n + 2)) + 1 / (n + 2) / k


def _derivatives(z: Tensor, expected: Tensor, b: Tensor, *, exclusive: bool) -> tuple[Tensor, Tensor]:
    if not exclusive:
        p = (b * z).sigmoid()
        return ((p - expected) * z).mean(), (p * (1 - p) * z.square()).mean()
    p = (b * z).softmax(1)
    mean = (p * z).sum(1)
    return (mean - (expected * z).sum(1)).mean(), ((p * z.square()).sum(1) - mean.square()).mean()


def per_example_log_loss(logits: Float[Tensor, "N K"], targets: Tensor) -> Float[Tensor, " N"]:
    """Return the log loss of each example in nats; of tags the mean over them."""
    if targets.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none").mean(1)
    return F.cross_entropy(logits, targets, reduction="none")


def temperature_scaling(
    logits: Float[Tensor, "N K"], targets: Tensor, rng: torch.Generator, *, folds: int = 5, draws: int = 2000
) -> TemperatureScaling:
    """Fit a temperature on N ≥ ``folds`` examples, and cross-validate whether it helps."""
    n, z = len(logits), logits.double()
    if n < folds:
        raise ValueError(f"{n} examples; expected {folds} or more")
    before, after = per_example_log_loss(z, targets), torch.empty(n, dtype=torch.float64)
    for held in torch.randperm(n, generator=rng).tensor_split(folds):
        rest = torch.ones(n, dtype=torch.bool)
        rest[held] = False
        after[held] = per_example_log_loss(z[held] / fit_temperature(z[rest], targets[rest]), targets[held])
    gains = before - after
    drawn = gains[torch.randint(n, (draws, n), generator=rng)].mean(1)
    low, high = torch.quantile(drawn, torch.tensor(_ENDS, dtype=torch.float64)).tolist()
    fitted, kept = fit_temperature(z, targets), low > 0
    return TemperatureScaling(
        temperature=fitted if kept else 1.0, fitted=fitted, kept=kept, loss_before=float(before.mean()),
        loss_after=float(after.mean()), gain=CalibrationMetric(value=float(gains.mean()), n=n, interval=(low, high)),
    )  # fmt: skip


def temperature_if_better(logits: Float[Tensor, "N K"], targets: Tensor) -> float:
    """Return the fitted temperature where it clearly lowers the log loss; else, or with few examples, 1."""
    if len(logits) < _MIN_EXAMPLES:
        return 1.0
    return temperature_scaling(logits, targets, torch.Generator().manual_seed(0)).temperature
