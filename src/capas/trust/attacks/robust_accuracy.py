"""Robust accuracy: the share of examples that are predicted correctly before and after an attack.

An example counts as correct under attack only where it was correct before: an attacker may leave an input as it is. So
ε = 0 gives the clean accuracy exactly, and nothing gives more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from capas.metrics.rate import Rate, rate
from capas.trust.attacks.classification_losses import is_top1_correct
from capas.trust.subjects.model_functions import CorrectnessFunction, ForwardFunction

AttackFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackOutcome:
    """The result of an attack on N examples.

    Attributes:
        accuracy: Share of correct predictions under attack.
        correct_before: Booleans (N): correct on the clean inputs.
        correct_after: Booleans (N): correct under attack too.
        adversarial: Inputs after the attack (N, …), unchanged where the prediction was wrong already.
    """

    accuracy: Rate
    correct_before: Tensor
    correct_after: Tensor
    adversarial: Tensor


def accuracy_under_attack(
    forward: ForwardFunction,
    x: Float[Tensor, " N *shape"],
    y: Shaped[Tensor, " N *target"],
    attack: AttackFunction,
    *,
    batch: int = 256,
    is_correct: CorrectnessFunction = is_top1_correct,
) -> AttackOutcome:
    """Measure how many of ``x`` are predicted correctly both before and after ``attack``.

    Args:
        forward: Maps inputs in 0..1 to logits.
        x: Inputs (N, …) in 0..1, N ≥ 1.
        y: Targets.
        attack: Maps (x, y) to adversarial inputs; called only for correct examples.
        batch: Examples at a time.
        is_correct: Per-example correctness.
    """
    before = correct_on_clean(forward, x, y, batch=batch, is_correct=is_correct)
    after, adversarial = before.clone(), x.clone()
    for part in torch.split(before.nonzero()[:, 0], batch):
        adversarial[part] = attack(x[part], y[part]).detach()
        with torch.no_grad():
            after[part] = is_correct(forward(adversarial[part]), y[part])
    accuracy = rate(int(after.sum()), len(x))
    return AttackOutcome(accuracy=accuracy, correct_before=before, correct_after=after, adversarial=adversarial)


def correct_on_clean(
    forward: ForwardFunction,
    x: Float[Tensor, " N *shape"],
    y: Shaped[Tensor, " N *target"],
    *,
    batch: int = 256,
    is_correct: CorrectnessFunction = is_top1_correct,
) -> Bool[Tensor, " N"]:
    """Return which of ``x`` are predicted correctly without an attack."""
    with torch.no_grad():
        return torch.cat([is_correct(forward(part), targets) for part, targets in paired_batches(x, y, batch)])


def paired_batches(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Iterate over ``x`` and ``y`` together, ``size`` examples at a time."""
    return zip(torch.split(x, size), torch.split(y, size), strict=True)
