"""Slices that no column names: quarters of plain properties and of numbers, and clusters of similar examples.

Shapes: N examples, D features.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from capas.core.number_format import format_quantity
from capas.metrics.rate import Rate, rate
from capas.trust.subgroups.significance import SIGNIFICANT, exact_difference_p, holm
from capas.trust.subgroups.subgroup_accuracy import SubgroupAccuracy, subgroup_accuracies

CLUSTERS: Final = 6
MIN_VALUES: Final = 8
MIN_SLICED: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """A slice that does worse than all other examples: the property, and the group with its figures."""

    property: str
    group: SubgroupAccuracy


def quarters(values: Float[Tensor, " N"]) -> list[str] | None:
    """Return the quarter of each value by name, "–" for NaN; None where there are too few different values."""
    known = values[~values.isnan()]
    if len(known) < MIN_SLICED or len(set(known.tolist())) < MIN_VALUES:
        return None
    edges = known.quantile(torch.linspace(0, 1, 5, dtype=known.dtype))
    names = [f"{format_quantity(float(a))}–{format_quantity(float(b))}" for a, b in itertools.pairwise(edges)]
    places = torch.bucketize(values, edges[1:4], right=False).clamp(max=3).tolist()
    return ["–" if value != value else names[place] for value, place in zip(values.tolist(), places, strict=True)]


def quarter_slices(properties: Mapping[str, Float[Tensor, " N"]]) -> dict[str, Sequence[str]]:
    """Return the quarters of each property that has enough different values."""
    found = {name: quarters(values) for name, values in properties.items()}
    return {name: values for name, values in found.items() if values is not None}


def clusters(features: Float[Tensor, "N D"], count: int = CLUSTERS) -> list[str]:
    """Return the cluster (k-means) of each example, numbered from the largest."""
    from sklearn.cluster import KMeans

    found = torch.from_numpy(KMeans(count, n_init=3, random_state=0).fit_predict(features.numpy())).long()
    order = torch.bincount(found, minlength=count).argsort(descending=True).argsort()
    return [str(int(order[k]) + 1) for k in found.tolist()]


def worse_slices(correct: Bool[Tensor, " N"], slices: Mapping[str, Sequence[str]], *, min_gap: float) -> list[Slice]:
    """Return the slices that do worse by more than ``min_gap`` and chance, also of so many properties; worst first."""
    found = [
        Slice(property=name, group=group)
        for name, values in slices.items()
        for group in subgroup_accuracies(correct, values)
        if group.p is not None and group.p * len(slices) < SIGNIFICANT and group.gap < -min_gap
    ]
    return sorted(found, key=lambda one: one.group.gap)


@dataclass(frozen=True, kw_only=True, slots=True)
class UncoveredSlice:
    """A slice in which the intervals hold the truth less often than they promise."""

    property: str
    name: str
    covered: Rate


def uncovered_slices(
    inside: Bool[Tensor, " N"], slices: Mapping[str, Sequence[str]], level: float, *, min_gap: float
) -> list[UncoveredSlice]:
    """Return the slices whose coverage lies below ``level`` by more than ``min_gap``, and below that of all other
    examples by more than chance (Fisher's exact test, Holm's correction), the worst first.
    """
    held, p_values = list[UncoveredSlice](), list[float]()
    for name, values in slices.items():
        for group in dict.fromkeys(values):
            chosen = torch.tensor([value == group for value in values])
            own, rest = (rate(int(inside[part].sum()), int(part.sum())) for part in (chosen, ~chosen))
            held.append(UncoveredSlice(property=name, name=group, covered=own))
            p_values.append(exact_difference_p(own, rest) if own.n and rest.n and own.value < rest.value else 1.0)
    adjusted = holm(p_values)
    found = [s for s, p in zip(held, adjusted, strict=True) if p < SIGNIFICANT and s.covered.value < level - min_gap]
    return sorted(found, key=lambda one: one.covered.value)


def most_shifted(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> tuple[str, float] | None:
    """Return the property whose values differ most between two samples, with its p-value (Kolmogorov–Smirnov, after
    correction for the number of properties); None where none differs beyond chance.
    """
    found = {}
    for name in a:
        x, y = (part[name][~part[name].isnan()].double() for part in (a, b))
        if min(len(x), len(y)) >= MIN_VALUES:
            found[name] = _kolmogorov_smirnov(x, y)
    if not found:
        return None
    name = min(found, key=lambda one: found[one])
    p = min(1.0, found[name] * len(found))
    return (name, p) if p < SIGNIFICANT else None


def _kolmogorov_smirnov(x: Tensor, y: Tensor) -> float:
    both = torch.cat([x, y]).sort().values
    shares = [torch.searchsorted(part.sort().values, both, right=True) / len(part) for part in (x, y)]
    gap = float((shares[0] - shares[1]).abs().max())
    size = math.sqrt(len(x) * len(y) / (len(x) + len(y)))
    z = (size + 0.12 + 0.11 / size) * gap
    return (
        min(1.0, max(0.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * z * z) for k in range(1, 101)))) if z else 1.0
    )
