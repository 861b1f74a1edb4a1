"""Ratio metrics by subgroup: whether Σ numerator / Σ denominator differs between groups.

As in ``subgroup_accuracy`` each group is compared with all other examples; intervals and p-values by the bootstrap over
examples (Efron 1979), corrected after Holm 1979; no verdict where a side has fewer than 30 examples.

Shapes: N examples, K groups, R draws.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from capas.trust.subgroups.significance import SIGNIFICANT, holm
from capas.trust.subgroups.subgroup_accuracy import MIN_SUBGROUP_SIZE

DRAWS: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class SubgroupRatio:
    """A ratio metric of one group compared with all other examples.

    Attributes:
        name: The group.
        n: Number of its examples.
        value: Σ numerator / Σ denominator.
        interval: 95 % interval of ``value``.
        others: The metric of all other examples.
        gap: ``value`` minus ``others``.
        gap_interval: 95 % interval of the gap.
        differs: Whether the gap is significant; None where either side has too few examples.
    """

    name: str
    n: int
    value: float
    interval: tuple[float, float]
    others: float
    gap: float
    gap_interval: tuple[float, float]
    differs: bool | None


def subgroup_ratios(
    numerator: Float[Tensor, " N"], denominator: Float[Tensor, " N"], groups: Sequence[str], rng: torch.Generator,
    *, draws: int = DRAWS, min_size: int = MIN_SUBGROUP_SIZE,
) -> tuple[SubgroupRatio, ...]:  # fmt: skip
    """Return the metric of each group, the largest group first. Raises ValueError where lengths differ."""
    if not len(numerator) == len(denominator) == len(groups):
        raise ValueError(f"{len(numerator)} and {len(denominator)} figures, {len(groups)} groups; expected as many")
    counted = sorted(Counter(groups).items(), key=lambda item: (-item[1], item[0]))
    index = {name: k for k, (name, _) in enumerate(counted)}
    member = torch.zeros(len(groups), len(counted), dtype=torch.float64)
    member[torch.arange(len(groups)), torch.tensor([index[name] for name in groups])] = 1
    pairs = [values.double()[:, None] * member for values in (numerator, denominator)]
    drawn = torch.zeros(draws, len(counted), 2, dtype=torch.float64)
    for row in range(draws):
        times = torch.bincount(torch.randint(len(groups), (len(groups),), generator=rng), minlength=len(groups))
        drawn[row] = torch.stack([times.double() @ pair for pair in pairs], dim=1)
    whole = torch.stack([pair.sum(0) for pair in pairs], dim=1)[None]
    (own, rest), (own_drawn, rest_drawn) = _ratios(whole), _ratios(drawn)
    gaps, gaps_drawn = (own - rest)[0], own_drawn - rest_drawn
    evaluated = [k for k, (_, n) in enumerate(counted) if min(n, len(groups) - n) >= min_size]
    corrected = dict(zip(evaluated, holm([_p(float(gaps[k]), gaps_drawn[:, k]) for k in evaluated]), strict=True))
    return tuple(
        SubgroupRatio(
            name=name, n=n, value=float(own[0, k]), interval=_ends(own_drawn[:, k], float(own[0, k])),
            others=float(rest[0, k]), gap=float(gaps[k]), gap_interval=_ends(gaps_drawn[:, k], float(gaps[k])),
            differs=corrected[k] < SIGNIFICANT if k in corrected else None,
        )
        for k, (name, n) in enumerate(counted)
    )  # fmt: skip


def _ratios(sums: Float[Tensor, "R K 2"]) -> tuple[Float[Tensor, "R K"], Float[Tensor, "R K"]]:
    """Of each group, and of all others."""
    rest = sums.sum(1, keepdim=True) - sums
    return sums[..., 0] / sums[..., 1], rest[..., 0] / rest[..., 1]


def _p(gap: float, drawn: Tensor) -> float:
    known = drawn[drawn.isfinite()]
    error = float(known.std()) if len(known) > 1 else 0.0
    return math.erfc(abs(gap) / error / math.sqrt(2)) if error > 0 else 1.0


def _ends(drawn: Tensor, value: float) -> tuple[float, float]:
    known = drawn[drawn.isfinite()]
    if not len(known) or not math.isfinite(value):
        return value, value
    low, high = known.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return min(low, value), max(high, value)
