"""Sanity checks of adversarial evaluations: signs that a robustness figure is not to be believed.

Athalye, Carlini & Wagner, "Obfuscated Gradients Give a False Sense of Security", ICML 2018, section 3.1, and Carlini et
al., "On Evaluating Adversarial Robustness", arXiv 1902.06705, give the signs: one step beats many, a gradient-free
attack beats a gradient-based one, an unbounded attack does not reach 0 %. Added to them are mistakes of use: inputs of
another range, a network in training mode, a softmax so saturated that its gradient is zero.

A robustness verdict is to be refused where any failure but ``SATURATED`` is found; there it is enough to attack
``margin``, which ``AttackSanityCheck.loss`` then is, instead of the cross-entropy.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from capas.trust.attacks.classification_losses import cross_entropy, is_top1_correct, margin
from capas.trust.attacks.fgsm_pgd import fgsm, input_gradient, pgd, random_noise
from capas.trust.attacks.robust_accuracy import (
    AttackFunction,
    accuracy_under_attack,
    correct_on_clean,
    paired_batches,
)
from capas.trust.attacks.square_attack import square_attack
from capas.trust.subjects.model_functions import CorrectnessFunction, ExampleLoss, ForwardFunction


class SanityCheckFailure(StrEnum):
    """Reasons that invalidate the figures of an attack (or, for ``SATURATED``, that ask for another loss)."""

    OUTSIDE_RANGE = "outside_range"
    NOT_FINITE = "not_finite"
    NOT_REPEATABLE = "not_repeatable"
    DEPENDS_ON_BATCH = "depends_on_batch"
    SATURATED = "saturated_softmax"
    VANISHING = "vanishing_gradients"
    WEAKER_THAN_NOISE = "weaker_than_noise"
    WEAKER_THAN_ONE_STEP = "weaker_than_one_step"
    WEAKER_THAN_SQUARES = "weaker_than_squares"
    NOT_REACHING_ZERO = "not_reaching_zero"


# Of the right examples: a lone dead unit is no masking, a tenth of them is.
VANISHING_SHARE = 0.1
# Of all examples: what one comparison of attacks may differ by for other reasons than masking.
SLACK = 0.05
# Below it float32 keeps only a few bits of the differences that make the sign of a gradient.
NEGLIGIBLE = 1e-12
# Without a limit every value is free: a quarter of the range per step crosses it often enough.
LONG_STEP = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackTaskSpec:
    """How predictions of one task are attacked and evaluated.

    Attributes:
        losses: The usual per-example loss, and one that a saturated softmax does not silence, below zero where the
            prediction is correct.
        surviving_share: Maps (forward, x, y, attack, batch) to the share that stays correct, 0..1.
        is_correct: Per-example correctness: where there is something to attack.
        tie: Largest difference between two shares that counts as none.
        max_unlimited_accuracy: Share that may survive an unbounded attack.
    """

    losses: tuple[ExampleLoss, ExampleLoss]
    surviving_share: Callable[[ForwardFunction, Tensor, Tensor, AttackFunction, int], float]
    is_correct: CorrectnessFunction
    tie: float
    max_unlimited_accuracy: float


def _classes_left(forward: ForwardFunction, x: Tensor, y: Tensor, attack: AttackFunction, batch: int) -> float:
    return accuracy_under_attack(forward, x, y, attack, batch=batch).accuracy.value


SINGLE_LABEL_TASK: Final = AttackTaskSpec(
    losses=(cross_entropy, margin),
    surviving_share=_classes_left,
    is_correct=is_top1_correct,
    tie=0.0,
    max_unlimited_accuracy=SLACK,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackSanityCheck:
    """What the sanity checks measured; NaN for what was not measured after an early failure.

    Attributes:
        failures: Failed checks, in their order.
        loss: The per-example loss to attack.
        n: Number of examples.
        vanishing_cross_entropy: Share of the correct examples whose gradient vanishes under the first loss.
        vanishing_margin: The same under the second loss.
        clean: Share correct without an attack, 0..1.
        noise: Share correct under random noise.
        one_step: Share correct under FGSM.
        many_steps: Share correct under PGD.
        squares: Share correct under the Square Attack.
        unlimited: Share correct under unbounded PGD.
    """

    failures: tuple[SanityCheckFailure, ...]
    loss: ExampleLoss
    n: int
    vanishing_cross_entropy: float = torch.nan
    vanishing_margin: float = torch.nan
    clean: float = torch.nan
    noise: float = torch.nan
    one_step: float = torch.nan
    many_steps: float = torch.nan
    squares: float = torch.nan
    unlimited: float = torch.nan


def invalidating_failures(check: AttackSanityCheck) -> tuple[SanityCheckFailure, ...]:
    """Return the failures that forbid a robustness verdict."""
    return tuple(failure for failure in check.failures if failure is not SanityCheckFailure.SATURATED)


def run_sanity_checks(
    forward: ForwardFunction,
    x: Float[Tensor, " N *shape"],
    y: Shaped[Tensor, " N *target"],
    eps: float,
    generator: torch.Generator,
    *,
    task_spec: AttackTaskSpec = SINGLE_LABEL_TASK,
    batch: int = 256,
    steps: int = 40,
    queries: int = 200,
) -> AttackSanityCheck:
    """Run every check for attacks of size ``eps`` on ``x`` (N, …); 50–100 examples are enough.

    Stops early where inputs or outputs are broken. Costs about 1.5 · ``steps`` gradients and ``queries`` forward passes
    per example.
    """
    broken = _broken_use(forward, x, batch)
    usual, other = task_spec.losses
    if broken:
        return AttackSanityCheck(failures=broken, loss=usual, n=len(x))
    vanishing = [_vanishing(forward, x, y, loss, task_spec.is_correct, batch) for loss in task_spec.losses]
    loss = other if vanishing[0] > VANISHING_SHARE else usual

    def after(attack: AttackFunction) -> float:
        return task_spec.surviving_share(forward, x, y, attack, batch)

    measured = AttackSanityCheck(
        failures=(),
        loss=loss,
        n=len(x),
        vanishing_cross_entropy=vanishing[0],
        vanishing_margin=vanishing[1],
        clean=after(lambda some, targets: some),
        noise=after(lambda some, targets: random_noise(some, eps, generator)),
        one_step=after(lambda some, targets: fgsm(forward, some, targets, eps, loss=loss)),
        many_steps=after(lambda some, targets: pgd(forward, some, targets, eps, steps=steps, loss=loss)),
        squares=after(
            lambda some, targets: square_attack(forward, some, targets, eps, generator, queries=queries, loss=other)
        ),
        unlimited=after(
            lambda some, targets: pgd(
                forward, some, targets, 1.0, steps=max(1, steps // 2), step_size=LONG_STEP, loss=loss
            )
        ),
    )
    return replace(measured, failures=_failures(measured, task_spec))


def _broken_use(forward: ForwardFunction, x: Tensor, batch: int) -> tuple[SanityCheckFailure, ...]:
    """Failures after which no figure means anything."""
    if not bool(torch.isfinite(x).all()):
        return (SanityCheckFailure.NOT_FINITE,)
    if float(x.min()) < 0 or float(x.max()) > 1:
        return (SanityCheckFailure.OUTSIDE_RANGE,)
    some = x[:batch]
    with torch.no_grad():
        first, second = forward(some), forward(some)
        # Batch normalisation in training mode repeats itself exactly: only another batch shows it.
        alone = torch.cat([forward(part) for part in torch.split(some, max(1, len(some) // 2))])
    if not bool(torch.isfinite(first).all()):
        return (SanityCheckFailure.NOT_FINITE,)
    found = []
    if not torch.equal(first, second):
        found.append(SanityCheckFailure.NOT_REPEATABLE)
    elif float((first - alone).abs().max()) > 1e-3 * (1 + float(first.abs().max())):
        found.append(SanityCheckFailure.DEPENDS_ON_BATCH)
    return tuple(found)


def _vanishing(
    forward: ForwardFunction, x: Tensor, y: Tensor, loss: ExampleLoss, some_right: CorrectnessFunction, batch: int
) -> float:
    """The share of the right examples whose gradient of ``loss`` is next to nothing everywhere; 0 if none is right."""
    largest = [
        input_gradient(forward, some, targets, loss).flatten(1).abs().amax(1)
        for some, targets in paired_batches(x, y, batch)
    ]
    right = correct_on_clean(forward, x, y, batch=batch, is_correct=some_right)
    gone = torch.cat(largest) < NEGLIGIBLE
    return float((gone & right).sum() / right.sum().clamp(min=1))


def _failures(found: AttackSanityCheck, kind: AttackTaskSpec) -> tuple[SanityCheckFailure, ...]:
    signs = {
        SanityCheckFailure.SATURATED: found.vanishing_cross_entropy > VANISHING_SHARE >= found.vanishing_margin,
        SanityCheckFailure.VANISHING: found.vanishing_margin > VANISHING_SHARE,
        SanityCheckFailure.WEAKER_THAN_NOISE: found.many_steps > found.noise + kind.tie,
        SanityCheckFailure.WEAKER_THAN_ONE_STEP: found.many_steps > found.one_step + SLACK,
        SanityCheckFailure.WEAKER_THAN_SQUARES: found.many_steps > found.squares + SLACK,
        SanityCheckFailure.NOT_REACHING_ZERO: found.unlimited > kind.max_unlimited_accuracy,
    }
    return tuple(failure for failure, seen in signs.items() if seen)
