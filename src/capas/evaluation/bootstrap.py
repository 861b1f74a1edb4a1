"""Metrics of a whole set, their bootstrap intervals, and paired comparison of two systems.

A system's metrics are a function of *weights* of the units (files, utterances, examples): all one for the set as it is,
0 and 1 for a part of it, and how often each was drawn for the bootstrap (Efron & Tibshirani 1993, Chapter 13). So every
metric has its interval in the same way, sums and areas under curves alike. Two systems are compared on the same draws
(the paired bootstrap: Bisani & Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
ICASSP 2004): of the difference d over the draws, p = 2 · min(share of d ≤ 0, share of d ≥ 0), at most 1.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.bootstrap import MIN_UNITS, percentile_interval

DRAWS: Final = 1000
ALPHA: Final = 0.05
FEW_UNITS: Final = 10
_CHUNK: Final = 50

LOWER_IS_BETTER: Final = frozenset(
    {"wer", "cer", "der", "jer", "missed_speech", "false_alarm_speech", "speaker_confusion", "log_loss"}
)
# What is no share of cases: its unit ("" where it has none).
UNITS: Final[Mapping[str, str]] = MappingProxyType({"log_loss": "nats", "twv": "", "maximum_twv": ""})


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemMeasurements:
    """The metrics of one system as a function of unit weights.

    Attributes:
        names: Names of the metrics; systems are ranked by the first.
        units: Units that are resampled.
        sizes: Reference items in each unit, float64, shape (U,) or by metric (U, F).
        of: Maps weights (R, U) to metrics (R, F), NaN where undefined.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    sizes: Tensor
    of: Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedMetric:
    """A metric of ``n`` items in ``units`` units; ``interval`` (95 %) is None where there is only one unit."""

    name: str
    value: float
    n: float
    units: int
    interval: tuple[float, float] | None

    def as_json(self) -> dict[str, object]:
        """Return the fields that every ``--json`` uses."""
        n = int(self.n) if self.n == int(self.n) else round(self.n, 3)  # of speech, seconds
        tree: dict[str, object] = {"value": round(self.value, 6), "n": n, "units": self.units}
        if self.interval is not None:
            tree["interval"] = [round(end, 6) for end in self.interval]
        if self.name in UNITS:
            tree["unit"] = UNITS[self.name]
        return tree


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricDifference:
    """The first system's metric minus the second's, on the same ``units``; ``p`` is two-sided."""

    name: str
    value: float
    units: int
    interval: tuple[float, float] | None
    p: float | None

    @property
    def shown(self) -> bool:
        """Whether the difference is significant at the 5 % level."""
        return self.p is not None and self.p < ALPHA

    @property
    def first_is_better(self) -> bool:
        """Whether the difference favours the first system."""
        return (self.value < 0) == (self.name in LOWER_IS_BETTER)

    def as_json(self) -> dict[str, object]:
        """Return the fields for ``--json``."""
        ends = None if self.interval is None else [round(end, 6) for end in self.interval]
        p = None if self.p is None else round(self.p, 4)
        return {"difference": round(self.value, 6), "interval": ends, "p": p, "units": self.units, "shown": self.shown}


def from_sums(stats: Float[Tensor, "U S"], figures: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return ``SystemMeasurements.of`` for metrics of sums: ``figures`` maps summed statistics (R, S) to (R, F)."""
    return lambda weights: figures(weights @ stats)


def metrics_with_intervals(
    measured: SystemMeasurements, *, seed: int = 0, chosen: Tensor | None = None
) -> tuple[EvaluatedMetric, ...]:
    """Return all metrics of the units ``chosen`` (bool (U,); None for all) with intervals.

    Raises ValueError on no unit.
    """
    kept = _chosen(measured, chosen)
    whole = measured.of(kept[None])[0]
    units = int(kept.sum())
    drawn = _drawn(measured, kept, seed) if units >= MIN_UNITS else None
    n = (kept @ measured.sizes.view(len(kept), -1)).expand(len(measured.names)).tolist()
    return tuple(
        EvaluatedMetric(name=name, value=float(whole[i]), n=n[i], units=units,
               interval=None if drawn is None else _ends(drawn[:, i], units))
        for i, name in enumerate(measured.names) if not bool(whole[i].isnan())
    )  # fmt: skip


def headline_metric(measured: SystemMeasurements, *, seed: int = 0, chosen: Tensor | None = None) -> EvaluatedMetric:
    """Return the metric that systems are ranked by; with value NaN where it is undefined on the chosen units."""
    found = metrics_with_intervals(measured, seed=seed, chosen=chosen)
    if found and found[0].name == measured.names[0]:
        return found[0]
    units = len(measured.units) if chosen is None else int(chosen.sum())
    return EvaluatedMetric(name=measured.names[0], value=float("nan"), n=0, units=units, interval=None)


def metric_differences(
    first: SystemMeasurements, second: SystemMeasurements, *, seed: int = 0, chosen: Tensor | None = None
) -> tuple[MetricDifference, ...]:
    """Return first minus second for every metric, by the paired bootstrap.

    Raises:
        ValueError: The two were not measured on the same units.
    """
    if first.units != second.units:
        raise ValueError("the two systems were measured on different units")
    kept = _chosen(first, chosen)
    common = [name for name in first.names if name in second.names]
    whole = first.of(kept[None])[0] - _in_order(second.of(kept[None]), second, first)[0]
    units, drawn = int(kept.sum()), None
    if units >= MIN_UNITS:
        drawn = _drawn(first, kept, seed) - _in_order(_drawn(second, kept, seed), second, first)
    return tuple(
        _difference(name, float(whole[i]), units, None if drawn is None else drawn[:, i])
        for i, name in enumerate(first.names) if name in common and not bool(whole[i].isnan())
    )  # fmt: skip


def _in_order(values: Tensor, of: SystemMeasurements, like: SystemMeasurements) -> Tensor:
    # Columns of ``values`` in the order of ``like``'s names; NaN where there is no such figure.
    none = torch.full_like(values[:, 0], torch.nan)
    return torch.stack([values[:, of.names.index(name)] if name in of.names else none for name in like.names], dim=1)


def _difference(name: str, value: float, units: int, drawn: Tensor | None) -> MetricDifference:
    if drawn is None:
        return MetricDifference(name=name, value=value, units=units, interval=None, p=None)
    known = drawn[~drawn.isnan()]
    share = min(float((known <= 0).double().mean()), float((known >= 0).double().mean()))
    # One more draw on either side: p is never 0 from a finite number of draws.
    p = min(1.0, 2 * (share * len(known) + 1) / (len(known) + 1))
    return MetricDifference(name=name, value=value, units=units, interval=_ends(drawn, units), p=p)


def _chosen(measured: SystemMeasurements, chosen: Tensor | None) -> Tensor:
    kept = torch.ones(len(measured.units)) if chosen is None else chosen
    if not bool(kept.any()):
        raise ValueError("no units to measure on")
    return kept.double()


def _drawn(measured: SystemMeasurements, kept: Tensor, seed: int) -> Tensor:
    """Figures (DRAWS, F) of units drawn with replacement from those kept; the same draws for the same seed."""
    places = kept.nonzero()[:, 0]
    rng = torch.Generator().manual_seed(seed)
    found = []
    for start in range(0, DRAWS, _CHUNK):
        rows = min(_CHUNK, DRAWS - start)
        picks = places[torch.randint(len(places), (rows, len(places)), generator=rng)]
        weights = torch.zeros(rows, len(kept), dtype=torch.double)
        found.append(measured.of(weights.scatter_add_(1, picks, torch.ones_like(picks, dtype=torch.double))))
    return torch.cat(found)


def _ends(drawn: Tensor, units: int) -> tuple[float, float] | None:
    # A rare class or term may be absent from a draw: then there is no figure in it.
    ends = percentile_interval(drawn, units)
    return None if math.isnan(ends[0]) else ends
