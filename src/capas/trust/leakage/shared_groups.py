"""Groups in training and test alike: does a model only recognise the speaker, the patient or the day?

Whatever repeats (a column, a part of the file names) may name such groups. A nearest neighbour shows what they are
worth: each example is judged by the most similar one of another group, and as a control by the most similar one
outside a random set of the same size (labels of groups permuted). If it does so much worse by group than in every one
of the permutations, the test flatters whoever meets new groups. The same with time: the last 30 % judged from those
before, beside random parts of the same size.

Shapes: N examples, D features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

PERMUTATIONS: Final = 39
MIN_GAP: Final = 0.05  # of the examples; of numbers, three times as much of the error
_NUMBER_FACTOR: Final = 3
LATER: Final = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupedComparison:
    """The error of a nearest neighbour at random and by group, or by time.

    Attributes:
        at_random: Mean error where neighbours of the same group are allowed, of the permutations: the share of wrong
            classes, or the mean absolute error of numbers.
        by_group: Mean error where they are not.
        n: Number of examples.
        differs: Whether every permutation did better, by more than a little.
    """

    at_random: float
    by_group: float
    n: int
    differs: bool


def seen_share(train: Sequence[str], test: Sequence[str]) -> float:
    """Return the share of the test examples whose group is in training too."""
    known = set(train)
    return sum(value in known for value in test) / max(1, len(test))


def compare_by_group(
    features: Float[Tensor, "N D"],
    targets: Shaped[Tensor, " N"],
    groups: Sequence[str],
    rng: torch.Generator,
    *,
    classes: bool,
) -> GroupedComparison:
    """Compare neighbours of other groups with neighbours outside random sets of the same sizes."""
    codes = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    own = torch.tensor([codes[name] for name in groups])
    distances = torch.cdist(features, features)
    n = len(own)

    def error(labels: Tensor) -> float:
        hidden = distances.masked_fill(labels[:, None] == labels[None], torch.inf)
        return float(_errors(targets, targets[hidden.argmin(1)], classes).mean())

    drawn = torch.tensor([error(own[torch.randperm(n, generator=rng)]) for _ in range(PERMUTATIONS)])
    return _comparison(drawn, error(own), n, classes=classes)


def compare_by_time(
    features: Float[Tensor, "N D"],
    targets: Shaped[Tensor, " N"],
    times: Float[Tensor, " N"],
    rng: torch.Generator,
    *,
    classes: bool,
) -> GroupedComparison:
    """Compare judging the last 30 % from those before with judging random 30 % from the rest."""
    n = len(times)
    count, order = int(LATER * n), times.argsort(stable=True)

    def error(rows: Tensor) -> float:
        before, after = rows[: n - count], rows[n - count :]
        nearest = before[torch.cdist(features[after], features[before]).argmin(1)]
        return float(_errors(targets[after], targets[nearest], classes).mean())

    drawn = torch.tensor([error(torch.randperm(n, generator=rng)) for _ in range(PERMUTATIONS)])
    return _comparison(drawn, error(order), count, classes=classes)


def _errors(targets: Tensor, given: Tensor, classes: bool) -> Tensor:
    return (targets != given).double() if classes else (targets - given).abs().double()


def _comparison(drawn: Tensor, found: float, n: int, *, classes: bool) -> GroupedComparison:
    usual = float(drawn.mean())
    gap = MIN_GAP if classes else _NUMBER_FACTOR * MIN_GAP * usual
    differs = found > float(drawn.max()) and found - usual > gap
    return GroupedComparison(at_random=usual, by_group=found, n=n, differs=differs)


def mixed_in_time(train: Float[Tensor, " N"], test: Float[Tensor, " M"]) -> bool:
    """Return whether most test examples lie before the end of the training."""
    earlier: Bool[Tensor, " M"] = test < train.quantile(0.95)
    return bool(earlier.double().mean() > 0.5)


def distinct_groupings(found: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return the groupings that differ from each other, the first of each."""
    held: dict[tuple[int, ...], str] = {}
    for name, values in found.items():
        codes: dict[str, int] = {}
        held.setdefault(tuple(codes.setdefault(value, len(codes)) for value in values), name)
    return {name: found[name] for name in held.values()}
