"""An ensemble of attacks in sequence, each on the examples that its predecessors left correct.

In the spirit of AutoAttack: Croce & Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks", ICML 2020. Auto-PGD (Algorithm 1), with z = P(xₜ + ηₜ · sign ∇f(xₜ)):

    xₜ₊₁ = P(xₜ + α (z − xₜ) + (1 − α)(xₜ − xₜ₋₁)), α = 0.75 (1 in the first step), η₀ = 2ε

At the checkpoints w₀ = 0, w₁ = 0.22 T, wⱼ₊₁ = wⱼ + max(wⱼ − wⱼ₋₁ − 0.03 T, 0.06 T) the step size η is halved, and the
search restarts from the best iterate so far, where the loss rose in fewer than ρ = 75 % of the steps since, or neither
η nor the best loss changed. Losses: cross-entropy, then the targeted difference of logits ratio for the most probable
other classes,

    DLRₜ = −(z_y − z_t) / (z_π1 − (z_π3 + z_π4)/2),

which a saturated softmax does not silence, then the gradient-free Square Attack.

Where we deviate: an example leaves as soon as it is misclassified (only that is counted; much faster); FAB is left out,
which in the paper's tables adds next to nothing to the others; fewer steps, targets and queries by default, as the
report must be quick: ``steps=100, targets=9, queries=5000`` is the paper's; below four classes, where DLR is not
defined, the plain difference z_t − z_y.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from capas.trust.attacks.classification_losses import cross_entropy, is_top1_correct
from capas.trust.attacks.fgsm_pgd import broadcast_per_example, check_inputs, project
from capas.trust.attacks.square_attack import square_attack
from capas.trust.subjects.model_functions import CorrectnessFunction, ExampleLoss, ForwardFunction

MOMENTUM = 0.75
MIN_RISE_SHARE = 0.75


def autoattack(
    forward: ForwardFunction,
    x: Float[Tensor, " B *shape"],
    y: Int[Tensor, " B"],
    eps: float,
    generator: torch.Generator,
    *,
    steps: int = 50,
    num_targets: int = 3,
    queries: int = 200,
) -> Float[Tensor, " B *shape"]:
    """Perturb ``x`` by at most ``eps`` (L∞) so that as many examples as possible are misclassified.

    Args:
        forward: Maps inputs in 0..1 to logits (B, K).
        x: Inputs in 0..1.
        y: Target classes.
        eps: L∞ radius.
        generator: Source of randomness.
        steps: Steps of each Auto-PGD run.
        num_targets: Most probable other classes that the targeted attack tries.
        queries: Forward passes of the Square Attack per example.

    Raises:
        ValueError: Inputs outside 0..1 or ``eps`` below zero.
    """
    check_inputs(x, eps)
    if eps == 0:
        return x.clone()
    with torch.no_grad():
        logits = forward(x)
    others = logits.scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)[:, : logits.shape[1] - 1]
    changed, left = x.clone(), is_top1_correct(logits, y).nonzero()[:, 0]
    changed[left] = apgd(forward, x[left], y[left], eps, generator, steps=steps)
    for target in others[:, :num_targets].unbind(1):
        left = left[_still_right(forward, changed[left], y[left])]
        pair = torch.stack([y[left], target[left]], dim=1)
        changed[left] = apgd(
            forward, x[left], pair, eps, generator, steps=steps, loss=targeted_logit_ratio, is_correct=_first_is_right
        )
    left = left[_still_right(forward, changed[left], y[left])]
    if len(left):
        changed[left] = square_attack(forward, x[left], y[left], eps, generator, queries=queries)
    return changed


def apgd(
    forward: ForwardFunction,
    x: Float[Tensor, " B *shape"],
    y: Shaped[Tensor, " B *target"],
    eps: float,
    generator: torch.Generator,
    *,
    steps: int = 50,
    loss: ExampleLoss = cross_entropy,
    is_correct: CorrectnessFunction = is_top1_correct,
) -> Float[Tensor, " B *shape"]:
    """Auto-PGD within ±``eps`` of ``x``.

    Args:
        forward: Maps inputs in 0..1 to logits.
        x: Inputs in 0..1.
        y: Targets, as ``loss`` takes them.
        eps: L∞ radius.
        generator: Source of randomness.
        steps: Gradient steps T.
        loss: Per-example loss to maximise.
        is_correct: Per-example correctness.

    Returns:
        Of each example the first misclassified iterate, or else that of the greatest loss.

    Raises:
        ValueError: Inputs outside 0..1 or ``eps`` below zero.
    """
    check_inputs(x, eps)
    if eps == 0 or not len(x):
        return x.clone()
    changed, rows = x.clone(), torch.arange(len(x), device=x.device)
    checks, last_check = _checkpoints(steps), 0
    start = 2 * torch.rand(x.shape, generator=generator, device=generator.device).to(x) - 1
    climb = _Climb.begin(project(x + eps * start, x, eps), x, y, eps)
    for step in range(steps + 1):
        if step:
            climb.advance(eps, MOMENTUM if step > 1 else 1.0)
        wrong = climb.look(forward, loss, is_correct)
        changed[rows[wrong]] = climb.now[wrong]
        if wrong.any():
            climb.keep(~wrong)
            rows = rows[~wrong]
        if not len(rows):
            return changed
        if step in checks:
            climb.adapt(step - last_check)
            last_check = step
    changed[rows] = climb.best
    return changed


def targeted_logit_ratio(logits: Tensor, pair: Tensor) -> Tensor:
    """Return DLRₜ (B) for pairs (B, 2) of true and target class; above zero where the target wins."""
    ahead = logits.gather(1, pair[:, 1:])[:, 0] - logits.gather(1, pair[:, :1])[:, 0]
    if logits.shape[1] < 4:
        return ahead
    ordered = logits.topk(4, dim=1).values
    return ahead / (ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2 + 1e-12)


@dataclass(slots=True)
class _Climb:
    """Where the search of each remaining example stands; all tensors have one row per example."""

    x: Tensor
    y: Tensor
    now: Tensor
    before: Tensor
    gradient: Tensor
    best: Tensor
    best_gradient: Tensor
    loss: Tensor
    best_loss: Tensor
    checked_loss: Tensor
    step_size: Tensor
    halved: Tensor
    rises: Tensor

    @classmethod
    def begin(cls, start: Tensor, x: Tensor, y: Tensor, eps: float) -> "_Climb":
        low = torch.full((len(x),), -torch.inf, device=x.device)
        return cls(
            x=x,
            y=y,
            now=start,
            before=start,
            gradient=torch.zeros_like(x),
            best=start,
            best_gradient=torch.zeros_like(x),
            loss=low,
            best_loss=low,
            checked_loss=low,
            step_size=torch.full_like(low, 2 * eps),
            halved=torch.ones_like(low, dtype=torch.bool),
            rises=torch.zeros_like(low),
        )

    def advance(self, eps: float, momentum: float) -> None:
        """One step of Algorithm 1, lines 7 and 8."""
        ahead = project(self.now + broadcast_per_example(self.step_size, self.x) * self.gradient.sign(), self.x, eps)
        moved = self.now + momentum * (ahead - self.now) + (1 - momentum) * (self.now - self.before)
        self.before, self.now = self.now, project(moved, self.x, eps)

    def look(self, forward: ForwardFunction, loss: ExampleLoss, right: CorrectnessFunction) -> Tensor:
        """Loss and gradient at the new place; which answers (B) are wrong there."""
        with torch.enable_grad():
            inputs = self.now.detach().clone().requires_grad_()
            logits = forward(inputs)
            losses = loss(logits, self.y)
            (self.gradient,) = torch.autograd.grad(losses.sum(), inputs)
        losses = losses.detach()
        self.rises = self.rises + (losses > self.loss)
        better = losses > self.best_loss
        self.best = torch.where(broadcast_per_example(better, self.x), self.now, self.best)
        self.best_gradient = torch.where(broadcast_per_example(better, self.x), self.gradient, self.best_gradient)
        self.best_loss = torch.where(better, losses, self.best_loss)
        self.loss = losses
        return ~right(logits.detach(), self.y)

    def adapt(self, since: int) -> None:
        """At a checkpoint, ``since`` steps after the last: halve the steps that led nowhere and go back to the best."""
        stuck = ~self.halved & (self.checked_loss >= self.best_loss)
        halve = (self.rises < MIN_RISE_SHARE * since) | stuck
        self.step_size = torch.where(halve, self.step_size / 2, self.step_size)
        self.now = torch.where(broadcast_per_example(halve, self.x), self.best, self.now)
        self.gradient = torch.where(broadcast_per_example(halve, self.x), self.best_gradient, self.gradient)
        self.halved, self.checked_loss = halve, self.best_loss
        self.rises = torch.zeros_like(self.rises)

    def keep(self, rows: Tensor) -> None:
        """Only these examples (B booleans) go on."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[rows])


def _checkpoints(steps: int) -> frozenset[int]:
    """w₁, w₂, … rounded to whole steps."""
    places, gap = [0], max(int(0.22 * steps), 1)
    while places[-1] + gap <= steps:
        places.append(places[-1] + gap)
        gap = max(gap - max(int(0.03 * steps), 1), int(0.06 * steps), 1)
    return frozenset(places[1:])


def _still_right(forward: ForwardFunction, x: Tensor, y: Tensor) -> Tensor:
    with torch.no_grad():
        return is_top1_correct(forward(x), y)


def _first_is_right(logits: Tensor, pair: Tensor) -> Tensor:
    return is_top1_correct(logits, pair[:, 0])
