"""Whether a model is right as often in one group of examples as in others, as far as their numbers let one say.

Rates carry Wilson's interval, gaps Newcombe's (Newcombe, "Interval estimation for the difference between independent
proportions", Statistics in Medicine 1998, method 10). Each group is compared with all other examples; of several
comparisons the p-values are corrected after Holm 1979, so that the chance of one false alarm among all stays at 5 %.
Groups below 30 examples get figures and no verdict.

Shapes: N examples.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from capas.tasks.metrics import Rate, rate

LEAST: Final = 30
RARE: Final = 0.1  # of the commonest class
SIGNIFICANT: Final = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """``gap``: its rate minus that of all others, −1..1, with a 95 % interval; ``p``: corrected after Holm, None
    without a verdict; ``differs``: None where either side has too few examples."""

    name: str
    right: Rate
    others: Rate
    gap: float
    interval: tuple[float, float]
    p: float | None
    differs: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassBalance:
    """One class: its number of training examples, whether it is rare, and how many of its test examples are found."""

    name: str
    count: int
    rare: bool
    recall: Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Imbalance:
    """``ratio``: commonest to rarest class in training, ∞ where one is missing; ``rare`` and ``common``: the recall of
    all rare classes' test examples, and of all others'; ``gap``: the first minus the second with its interval."""

    ratio: float
    classes: tuple[ClassBalance, ...]
    rare: Rate
    common: Rate
    gap: float
    interval: tuple[float, float]


def group_figures(right: Bool[Tensor, " N"], groups: Sequence[str], *, least: int = LEAST) -> tuple[Group, ...]:
    """How often ``right`` in each group, the commonest group first. Raises ValueError where lengths differ."""
    if len(right) != len(groups):
        raise ValueError(f"{len(right)} answers, {len(groups)} groups; expected as many")
    names = [name for name, _ in sorted(Counter(groups).items(), key=lambda item: (-item[1], item[0]))]
    index = {name: i for i, name in enumerate(names)}
    own = torch.tensor([index[name] for name in groups], dtype=torch.long)
    hits = torch.bincount(own[right], minlength=len(names)).tolist()
    counts = torch.bincount(own, minlength=len(names)).tolist()
    rates = [(rate(h, n), rate(sum(hits) - h, len(right) - n)) for h, n in zip(hits, counts, strict=True)]
    judged = [i for i, (a, b) in enumerate(rates) if min(a.n, b.n) >= least]
    corrected = dict(zip(judged, holm([difference_p(*rates[i]) for i in judged]), strict=True))
    return tuple(
        Group(
            name=name, right=a, others=b, gap=a.value - b.value, interval=difference_interval(a, b),
            p=corrected.get(i), differs=corrected[i] < SIGNIFICANT if i in corrected else None,
        )
        for i, (name, (a, b)) in enumerate(zip(names, rates, strict=True))
    )  # fmt: skip


def widest_gap(groups: Sequence[Group], *, least: int = LEAST) -> tuple[Group, Group, tuple[float, float]] | None:
    """The best and the worst of the groups that are large enough, and the 95 % interval of their difference.

    They were chosen for being far apart, so the interval is widened to hold for every pair at once (Bonferroni).
    """
    judged = [group for group in groups if group.right.n >= least]
    if len(judged) < 2:
        return None
    best, worst = max(judged, key=lambda g: g.right.value), min(judged, key=lambda g: g.right.value)
    pairs = len(judged) * (len(judged) - 1) // 2
    return best, worst, difference_interval(best.right, worst.right, share=1 - SIGNIFICANT / pairs)


def difference_interval(a: Rate, b: Rate, *, share: float = 0.95) -> tuple[float, float]:
    """The interval of a − b, two independent rates, that holds in a ``share`` of cases: Newcombe's method 10."""
    z = -_normal_quantile((1 - share) / 2)
    (low_a, high_a), (low_b, high_b) = _wilson(a, z), _wilson(b, z)
    gap = a.value - b.value
    below = math.hypot(a.value - low_a, high_b - b.value)
    above = math.hypot(high_a - a.value, b.value - low_b)
    return max(-1.0, gap - below), min(1.0, gap + above)


def _wilson(found: Rate, z: float) -> tuple[float, float]:
    if found.n == 0:
        return 0.0, 1.0
    p, n, z2 = found.value, found.n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _normal_quantile(share: float) -> float:
    return float(torch.special.ndtri(torch.tensor(share, dtype=torch.float64)))


def difference_p(a: Rate, b: Rate) -> float:
    """The two-sided p-value of equal rates: the score test with the pooled rate."""
    pooled = (a.value * a.n + b.value * b.n) / (a.n + b.n)
    variance = pooled * (1 - pooled) * (1 / a.n + 1 / b.n)
    return 1.0 if variance <= 0 else math.erfc(abs(a.value - b.value) / math.sqrt(2 * variance))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down correction: as many p-values, none below the one given, at most 1.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    found, running = [1.0] * len(p_values), 0.0
    for place, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[i]))
        found[i] = running
    return tuple(found)


def imbalance(
    training_counts: Sequence[int], right: Bool[Tensor, " N"], targets: Int[Tensor, " N"], classes: Sequence[str]
) -> Imbalance:
    """How uneven the training classes are, and what it does: rare classes have at most a tenth of the commonest's."""
    if len(training_counts) != len(classes) or not classes:
        raise ValueError(f"{len(training_counts)} counts, {len(classes)} classes; expected as many, 1 or more")
    most, fewest = max(training_counts), min(training_counts)
    rare = torch.tensor([count <= RARE * most for count in training_counts])
    hits = torch.bincount(targets[right], minlength=len(classes))
    counts = torch.bincount(targets, minlength=len(classes))
    low = rate(int(hits[rare].sum()), int(counts[rare].sum()))
    high = rate(int(hits[~rare].sum()), int(counts[~rare].sum()))
    return Imbalance(
        ratio=most / fewest if fewest else math.inf,
        classes=tuple(
            ClassBalance(
                name=name, count=training_counts[k], rare=bool(rare[k]), recall=rate(int(hits[k]), int(counts[k]))
            )
            for k, name in enumerate(classes)
        ),
        rare=low,
        common=high,
        gap=low.value - high.value if low.n and high.n else 0.0,
        interval=difference_interval(low, high),
    )
