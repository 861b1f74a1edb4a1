"""Targets, loss and correctness of regression and multi-label models, in the network's own units.

Numbers are standardised (mean 0, standard deviation 1 in training); a prediction is correct inside the model's own
prediction interval. Tags are correct if the predicted set, with the model's own thresholds, equals the target set.

Shapes: B examples, K numbers or tags.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.engine.recipes.single_output.heads.tags_head import TagsHead
from capas.trust.subjects.model_functions import CorrectnessFunction, ExampleLoss
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.subjects.type_table import look_up, row


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputTargets:
    """The test targets with what is correct.

    Attributes:
        targets: Shape (N, K).
        loss: Per-example loss of raw outputs (B, K) and targets (B, K).
        is_correct: Per-example correctness of raw outputs and targets.
    """

    targets: Float[Tensor, "N K"]
    loss: ExampleLoss
    is_correct: CorrectnessFunction


def output_targets(subject: ModelUnderTest) -> OutputTargets | None:
    """Return the targets of the test examples; None for numbers without an interval, and for classes."""
    targets = subject.test.targets
    kinds = (
        row(TagsHead, lambda head: multilabel_targets(targets.float(), head.thresholds, head.temperature)),
        row(NumbersHead, lambda head: _number_targets(head, targets)),
    )
    return look_up(kinds, subject.predictor.output_head)


def _number_targets(head: NumbersHead, targets: Tensor) -> OutputTargets | None:
    if len(head.conformal) != len(head.scales):
        return None
    half = [one.quantile / scale.deviation for one, scale in zip(head.conformal, head.scales, strict=True)]
    if not all(map(math.isfinite, half)):
        return None
    wanted = torch.stack([s.standardise(column) for s, column in zip(head.scales, targets.T, strict=True)], dim=1)
    return regression_targets(wanted, torch.tensor(half))


def regression_targets(targets: Float[Tensor, "N K"], half: Float[Tensor, " K"]) -> OutputTargets:
    """Return standardised targets with intervals of ± ``half``; the loss is the squared error."""

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y).square().sum(1)

    def right(outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs - y).abs() <= half).all(1)

    return OutputTargets(targets=targets, loss=loss, is_correct=right)


def multilabel_targets(
    targets: Float[Tensor, "N K"], thresholds: Float[Tensor, " K"], temperature: float
) -> OutputTargets:
    """Return tags (0 or 1) with a threshold each; the loss is the binary cross-entropy, summed over the tags."""

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(outputs / temperature, y, reduction="none").sum(1)

    def right(outputs: Tensor, y: Tensor) -> Tensor:
        predicted = (outputs / temperature).sigmoid() >= thresholds
        return (predicted == (y > 0.5)).all(1)

    return OutputTargets(targets=targets, loss=loss, is_correct=right)
