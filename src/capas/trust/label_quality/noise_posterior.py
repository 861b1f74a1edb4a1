"""Wrong labels told from classes that overlap: a mixture of the model's own uncertainty and of labels drawn at random.

A model that was not trained on the label y gives p(y | x). Its probabilities may be too sure or too modest, and some
labels may be wrong:

    P(y | x) = (1 − η) · softmax(log p / T)_y + η / K

T and η are fitted by maximum likelihood on a grid. Where classes overlap, disagreements are as frequent as the model
itself expects (Σ 1 − max p) and η stays 0: nothing is accused. Wrong labels make a heavy tail that no T explains. The
probability that a label was drawn at random is (η / K) / P(y | x); the mean of it over a list of labels is the share of
right accusations to expect.

Shapes: N examples, K classes.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.trust.label_quality.confident_learning import confident_joint
from capas.trust.subgroups.significance import binomial_tail

MIN_PRECISION: Final = 0.85
MIN_GAIN: Final = 4.0  # nats: by chance in one of 400 data sets
_TEMPERATURES: Final = tuple(2 ** (step / 4) for step in range(-16, 13))
_SHARES: Final = (0.0, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4)
_SPREADS: Final = 2.0
_CHANCE: Final = 0.001
MIN_ONE_SIDED: Final = 10
FEW_OF_CLASS: Final = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelAccusation:
    """What can be said of the labels of a dataset.

    Attributes:
        accused: Indices of the labels that are probably wrong, the likeliest first; empty where nothing can be said.
        precision: Expected share of right accusations among them, 0..1; 0 without any.
        disagreements: Number of labels that are not the most probable class.
        expected: Disagreements that come of overlapping classes: Σ (1 − max p), after calibration.
    """

    accused: Tensor
    precision: float
    disagreements: int
    expected: float


def accuse_labels(
    probabilities: Float[Tensor, "N K"], labels: Int[Tensor, " N"], *, most: int | None = None
) -> LabelAccusation:
    """Return the labels that are probably wrong, at an expected precision of 85 % or more.

    Args:
        probabilities: Out-of-sample probabilities.
        labels: Given labels.
        most: Accuse no more than so many.
    """
    logs, k = probabilities.double().clamp(min=1e-12).log(), probabilities.shape[1]
    own = {t: _own(logs, labels, t) for t in _TEMPERATURES}
    best, share, temperature = max((*_fit_share(own[t], k), t) for t in _TEMPERATURES)
    without = max(float(one.log().sum()) for one in own.values())
    calibrated = (logs / temperature).softmax(1)
    surest = calibrated.max(1).values
    wrong = probabilities.argmax(1) != labels
    expected, spread = float((1 - surest).sum()), math.sqrt(float((surest * (1 - surest)).sum()))
    beyond = int(wrong.sum()) - expected
    drawn = share / k / ((1 - share) * own[temperature] + share / k)
    order = torch.where(wrong, drawn, -1.0).argsort(descending=True, stable=True)[: int(wrong.sum())]
    running = drawn[order].cumsum(0) / torch.arange(1, len(order) + 1)
    count = int((running >= MIN_PRECISION).sum())
    if best - without < MIN_GAIN or beyond < _SPREADS * spread:
        count = 0
    # Never more than the classes' overlap leaves unexplained.
    count = min(count, max(0, round(beyond)), len(order) if most is None else most)
    return LabelAccusation(
        accused=order[:count],
        precision=float(running[count - 1]) if count else 0.0,
        disagreements=int(wrong.sum()),
        expected=expected,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class OneSidedLabels:
    """A pair of classes that are confused in one direction: what looks like ``looks`` is labelled ``label``."""

    looks: int
    label: int
    count: int
    reverse: int


def one_sided_labels(probabilities: Float[Tensor, "N K"], labels: Int[Tensor, " N"]) -> list[OneSidedLabels]:
    """Return the pairs confused far more often in one direction than in the other, the most one-sided first.

    Where every third 4 is labelled 9, a model learns just that: no single label can be accused. But overlap goes both
    ways, unless one class is commoner: only labels of the commoner class are told. What an example looks like is
    decided by the most probable class, and as in confident learning by what is usual for examples of a class: a model
    that has learnt that every third 4 is called 9 says 4 of no 4 for sure.
    """
    k = probabilities.shape[1]
    sizes = torch.bincount(labels, minlength=k)
    most_probable = torch.bincount(labels * k + probabilities.argmax(1), minlength=k * k).view(k, k)
    found: dict[tuple[int, int], OneSidedLabels] = {}
    for counts in (most_probable, confident_joint(probabilities, labels)):  # label × looks
        for label, looks in itertools.permutations(range(k), 2):
            one, other = int(counts[label, looks]), int(counts[looks, label])
            if sizes[label] >= sizes[looks] and one >= MIN_ONE_SIDED and one > 3 * other:
                tail = binomial_tail(other, one + other, 0.5)
                if tail * k * (k - 1) < _CHANCE and one > FEW_OF_CLASS * int(sizes[looks]):
                    pair = OneSidedLabels(looks=looks, label=label, count=one, reverse=other)
                    found.setdefault((label, looks), pair)
    return sorted(found.values(), key=lambda pair: pair.reverse - pair.count)


def _own(logs: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """(N) the probability of each given label at ``temperature``."""
    return (logs / temperature).softmax(1).gather(1, labels[:, None])[:, 0].clamp(min=1e-300)


def _fit_share(own: Tensor, k: int) -> tuple[float, float]:
    """The best log-likelihood, and the share of labels drawn at random that gives it."""
    return max((float(((1 - share) * own + share / k).log().sum()), share) for share in _SHARES)
