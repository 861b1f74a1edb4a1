"""TODO docstring."""

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
    """What an attack did to N examples: ``adversarial`` (N, …) are the inputs after it, unchanged where the answer was
    wrong already; ``correct_before`` and ``correct_after`` (N) booleans; ``accuracy`` the share that is right after it.
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
    """How many of ``x`` (N, …) in 0..1 are answered rightly both before and after ``attack``; N of 1 or more.

    Only those that are right before are attacked, ``batch`` at a time.
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
    """Which of ``x`` are answered rightly as they are."""
    with torch.no_grad():
        return torch.cat([is_correct(forward(part), targets) for part, targets in paired_batches(x, y, batch)])


def paired_batches(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """``x`` and ``y`` together, ``size`` examples at a time."""
    return zip(torch.split(x, size), torch.split(y, size), strict=True)
