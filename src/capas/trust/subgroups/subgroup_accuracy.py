"""Accuracy by subgroup, each compared with all other examples.

Rates carry Wilson's interval, gaps Newcombe's; the p-values of several comparisons are corrected after Holm, so that
the chance of one false alarm among all stays at 5 % (``significance``). Below 30 examples the test is Fisher's exact
one: a group so small may be shown to differ, never to be as good as the others. Below 5 nothing is said.

Shapes: N examples.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool
from torch import Tensor

from capas.metrics.rate import Rate, rate
from capas.trust.subgroups.significance import SIGNIFICANT, difference_interval, difference_p, exact_difference_p, holm

MIN_SUBGROUP_SIZE: Final = 30
MIN_EXACT: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class SubgroupAccuracy:
    """Accuracy of one group compared with all other examples.

    Attributes:
        name: The group.
        accuracy: Its accuracy.
        others: Accuracy of all other examples.
        gap: ``accuracy`` minus ``others``, −1..1.
        interval: 95 % interval of the gap.
        p: p-value, corrected after Holm; None where nothing was tested.
        differs: Whether the gap is significant; None where it is not, and either side has too few examples to say so.
    """

    name: str
    accuracy: Rate
    others: Rate
    gap: float
    interval: tuple[float, float]
    p: float | None
    differs: bool | None


def subgroup_accuracies(
    correct: Bool[Tensor, " N"], groups: Sequence[str], *, min_size: int = MIN_SUBGROUP_SIZE
) -> tuple[SubgroupAccuracy, ...]:
    """Return the accuracy of each group, the largest group first. Raises ValueError where lengths differ."""
    if len(correct) != len(groups):
        raise ValueError(f"{len(correct)} answers, {len(groups)} groups; expected as many")
    names = [name for name, _ in sorted(Counter(groups).items(), key=lambda item: (-item[1], item[0]))]
    index = {name: i for i, name in enumerate(names)}
    own = torch.tensor([index[name] for name in groups], dtype=torch.long)
    hits = torch.bincount(own[correct], minlength=len(names)).tolist()
    counts = torch.bincount(own, minlength=len(names)).tolist()
    rates = [(rate(h, n), rate(sum(hits) - h, len(correct) - n)) for h, n in zip(hits, counts, strict=True)]
    evaluated = [i for i, (a, b) in enumerate(rates) if min(a.n, b.n) >= MIN_EXACT]
    corrected = dict(zip(evaluated, holm([_p(*rates[i], min_size) for i in evaluated]), strict=True))
    return tuple(
        SubgroupAccuracy(
            name=name, accuracy=a, others=b, gap=a.value - b.value, interval=difference_interval(a, b),
            p=corrected.get(i),
            differs=True if corrected.get(i, 1.0) < SIGNIFICANT else False if min(a.n, b.n) >= min_size else None,
        )
        for i, (name, (a, b)) in enumerate(zip(names, rates, strict=True))
    )  # fmt: skip


def _p(a: Rate, b: Rate, min_size: int) -> float:
    return difference_p(a, b) if min(a.n, b.n) >= min_size else exact_difference_p(a, b)


def widest_gap(
    groups: Sequence[SubgroupAccuracy], *, min_size: int = MIN_SUBGROUP_SIZE
) -> tuple[SubgroupAccuracy, SubgroupAccuracy, tuple[float, float]] | None:
    """Return the best and the worst of the groups that are large enough, and the 95 % interval of their difference.

    They were chosen for being far apart, so the interval is widened to hold for every pair at once (Bonferroni).
    """
    evaluated = [group for group in groups if group.accuracy.n >= min_size]
    if len(evaluated) < 2:
        return None
    best, worst = max(evaluated, key=lambda g: g.accuracy.value), min(evaluated, key=lambda g: g.accuracy.value)
    pairs = len(evaluated) * (len(evaluated) - 1) // 2
    return best, worst, difference_interval(best.accuracy, worst.accuracy, share=1 - SIGNIFICANT / pairs)
