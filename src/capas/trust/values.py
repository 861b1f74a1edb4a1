"""Numbers and tags as answers: what counts as right, and how far off an answer is, in the network's own unit.

Numbers are standardised (mean 0, spread 1 in training); right is what lies inside the interval that the model gives.
Of tags right is the same set of tags as the true one, with the model's own thresholds.

Shapes: B examples, K numbers or tags.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from capas.engine.recipes.number_answers import NumberAnswers
from capas.engine.recipes.tag_answers import TagAnswers
from capas.trust.adversarial import Loss, Right
from capas.trust.subject import Subject


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """``wanted`` (N, K) of the test examples; ``loss`` and ``right`` of raw outputs (B, K) and what is wanted."""

    wanted: Float[Tensor, "N K"]
    loss: Loss
    right: Right


def values_of(subject: Subject) -> Values | None:
    """Of the test; None for numbers without an interval, and for classes."""
    answers, targets = subject.answering.answers, subject.test.targets
    if isinstance(answers, TagAnswers):
        return tag_values(targets.float(), answers.thresholds, answers.temperature)
    if not isinstance(answers, NumberAnswers) or len(answers.conformal) != len(answers.scales):
        return None
    half = [one.quantile / scale.deviation for one, scale in zip(answers.conformal, answers.scales, strict=True)]
    if not all(map(math.isfinite, half)):
        return None
    wanted = torch.stack([s.standardise(column) for s, column in zip(answers.scales, targets.T, strict=True)], dim=1)
    return number_values(wanted, torch.tensor(half))


def number_values(wanted: Float[Tensor, "N K"], half: Float[Tensor, " K"]) -> Values:
    """Standardised numbers with intervals of ``half`` to either side; the loss is the squared error."""

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y).square().sum(1)

    def right(outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs - y).abs() <= half).all(1)

    return Values(wanted=wanted, loss=loss, right=right)


def tag_values(wanted: Float[Tensor, "N K"], thresholds: Float[Tensor, " K"], temperature: float) -> Values:
    """Tags (0 or 1) with a threshold each; the loss is the binary cross-entropy, summed over the tags."""

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(outputs / temperature, y, reduction="none").sum(1)

    def right(outputs: Tensor, y: Tensor) -> Tensor:
        called = (outputs / temperature).sigmoid() >= thresholds
        return (called == (y > 0.5)).all(1)

    return Values(wanted=wanted, loss=loss, right=right)
