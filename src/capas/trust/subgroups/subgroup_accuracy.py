"""Whether a model is right as often in one group of examples as in others, as far as their numbers let one say.

Rates carry Wilson's interval, gaps Newcombe's (Newcombe, "Interval estimation for the difference between independent
proportions", Statistics in Medicine 1998, method 10). Each group is compared with all other examples; of several
comparisons the p-values are corrected after Holm 1979, so that the chance of one false alarm among all stays at 5 %.
Groups below 30 examples get figures and no verdict.

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
from capas.trust.subgroups.significance import SIGNIFICANT, difference_interval, difference_p, holm

MIN_SUBGROUP_SIZE: Final = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class SubgroupAccuracy:
    """``gap``: its rate minus that of all others, −1..1, with a 95 % interval; ``p``: corrected after Holm, None
    without a verdict; ``differs``: None where either side has too few examples."""

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
    """How often ``right`` in each group, the commonest group first. Raises ValueError where lengths differ."""
    if len(correct) != len(groups):
        raise ValueError(f"{len(correct)} answers, {len(groups)} groups; expected as many")
    names = [name for name, _ in sorted(Counter(groups).items(), key=lambda item: (-item[1], item[0]))]
    index = {name: i for i, name in enumerate(names)}
    own = torch.tensor([index[name] for name in groups], dtype=torch.long)
    hits = torch.bincount(own[correct], minlength=len(names)).tolist()
    counts = torch.bincount(own, minlength=len(names)).tolist()
    rates = [(rate(h, n), rate(sum(hits) - h, len(correct) - n)) for h, n in zip(hits, counts, strict=True)]
    evaluated = [i for i, (a, b) in enumerate(rates) if min(a.n, b.n) >= min_size]
    corrected = dict(zip(evaluated, holm([difference_p(*rates[i]) for i in evaluated]), strict=True))
    return tuple(
        SubgroupAccuracy(
            name=name, accuracy=a, others=b, gap=a.value - b.value, interval=difference_interval(a, b),
            p=corrected.get(i), differs=corrected[i] < SIGNIFICANT if i in corrected else None,
        )
        for i, (name, (a, b)) in enumerate(zip(names, rates, strict=True))
    )  # fmt: skip


def widest_gap(
    groups: Sequence[SubgroupAccuracy], *, min_size: int = MIN_SUBGROUP_SIZE
) -> tuple[SubgroupAccuracy, SubgroupAccuracy, tuple[float, float]] | None:
    """The best and the worst of the groups that are large enough, and the 95 % interval of their difference.

    They were chosen for being far apart, so the interval is widened to hold for every pair at once (Bonferroni).
    """
    evaluated = [group for group in groups if group.accuracy.n >= min_size]
    if len(evaluated) < 2:
        return None
    best, worst = max(evaluated, key=lambda g: g.accuracy.value), min(evaluated, key=lambda g: g.accuracy.value)
    pairs = len(evaluated) * (len(evaluated) - 1) // 2
    return best, worst, difference_interval(best.accuracy, worst.accuracy, share=1 - SIGNIFICANT / pairs)
