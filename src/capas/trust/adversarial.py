"""Small changes of the input that change the answer: one step, many steps, and noise of the same size as the control.

- Goodfellow, Shlens & Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015 (FGSM):
  x′ = clip(x + ε · sign ∇ₓ L(x, y));
- Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018 (PGD):
  xₜ₊₁ = clip(x + clip(xₜ + α · sign ∇ₓ L(xₜ, y) − x, −ε, ε)).

Both stay within ±ε of every value (L∞) and within 0..1. As in foolbox's ``LinfPGD`` the default step is
α = ε · 0.01/0.3 for 40 steps, the order is step, project, clip, and what comes back is the last step, not the best one.

``forward`` takes what the user sees, in 0..1, and normalises inside: an attack outside the model's own normalisation
has another size than it says. The network is in evaluation mode; the gradients of its parameters are not needed.

An example counts as right under attack only where it was right before: an attacker may leave an input as it is. So
ε = 0 gives the accuracy without attack exactly, and nothing gives more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.nn import functional

from capas.tasks.metrics import Rate, rate

Forward = Callable[[Tensor], Tensor]
"""Inputs (B, …) in 0..1 → logits (B, K)."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits (B, K), targets (B, …) → (B), greater the further the answer is from right."""
Right = Callable[[Tensor, Tensor], Tensor]
"""Logits (B, K), targets (B, …) → (B) booleans: whether the answer counts as right."""
Attack = Callable[[Tensor, Tensor], Tensor]
"""Inputs (B, …) in 0..1, targets (B, …) → changed inputs of the same shape."""

FOOLBOX_RELATIVE_STEP = 0.01 / 0.3


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """−log p(y), per example: logits (B, K), y (B) → (B) in nats."""
    return functional.cross_entropy(logits, y, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """The best other class's logit minus the right one's: (B, K), (B) → (B), above zero where the answer is wrong.

    Unlike the cross-entropy it keeps its gradient where the softmax is saturated (Carlini & Wagner 2017, f₆).
    """
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.max(1).values - logits.gather(1, y[:, None])[:, 0]


def class_is_right(logits: Tensor, y: Tensor) -> Tensor:
    """Whether the greatest logit is the target's: (B, K), (B) → (B)."""
    return logits.argmax(1) == y


def fgsm(
    forward: Forward,
    x: Float[Tensor, " B *shape"],
    y: Shaped[Tensor, " B *target"],
    eps: float,
    *,
    loss: Loss = cross_entropy,
) -> Float[Tensor, " B *shape"]:
    """One step of size ``eps`` along the sign of the gradient, clipped to 0..1.

    Raises ValueError for inputs outside 0..1 or an ``eps`` below zero.
    """
    check_inputs(x, eps)
    return (x + eps * ascent(forward, x, y, loss).sign()).clamp(0, 1)


def pgd(
    forward: Forward,
    x: Float[Tensor, " B *shape"],
    y: Shaped[Tensor, " B *target"],
    eps: float,
    *,
    steps: int = 40,
    step_size: float | None = None,
    generator: torch.Generator | None = None,
    restarts: int = 1,
    loss: Loss = cross_entropy,
    right: Right = class_is_right,
) -> Float[Tensor, " B *shape"]:
    """``steps`` projected steps of ``step_size`` (ε/30 if not given) along the sign of the gradient.

    With a ``generator`` it starts at a random place within ±ε, otherwise at ``x``. Of several ``restarts`` each example
    keeps one that is answered wrongly, or else the one of the greatest loss. Raises ValueError for inputs outside 0..1,
    an ``eps`` below zero, or restarts without a generator.
    """
    check_inputs(x, eps)
    if eps == 0:
        return x.clone()
    if restarts < 1 or (restarts > 1 and generator is None):
        raise ValueError(f"restarts is {restarts}; expected 1, or more with a generator")
    size = eps * FOOLBOX_RELATIVE_STEP if step_size is None else step_size
    tries = [_descend(forward, x, y, eps, steps, size, generator, loss) for _ in range(restarts)]
    best = tries[0]
    for other in tries[1:]:
        better = _damage(forward, other, y, loss, right) > _damage(forward, best, y, loss, right)
        best = torch.where(per_example(better, x), other, best)
    return best


def random_noise(x: Float[Tensor, " B *shape"], eps: float, generator: torch.Generator) -> Float[Tensor, " B *shape"]:
    """The control: every value moved by +ε or −ε at random, as far as an attack may go, clipped to 0..1.

    Not uniform in ±ε: that is noise of half the size, which an attack would be compared with too favourably.
    """
    check_inputs(x, eps)
    signs = torch.randint(0, 2, x.shape, generator=generator, device=generator.device).to(x) * 2 - 1
    return (x + eps * signs).clamp(0, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What an attack did to N examples: ``changed`` (N, …) are the inputs after it, unchanged where the answer was
    wrong already; ``right_before`` and ``right_after`` (N) booleans; ``accuracy`` the share that is right after it.
    """

    accuracy: Rate
    right_before: Tensor
    right_after: Tensor
    changed: Tensor


def accuracy_under(
    forward: Forward,
    x: Float[Tensor, " N *shape"],
    y: Shaped[Tensor, " N *target"],
    attack: Attack,
    *,
    batch: int = 256,
    right: Right = class_is_right,
) -> Outcome:
    """How many of ``x`` (N, …) in 0..1 are answered rightly both before and after ``attack``; N of 1 or more.

    Only those that are right before are attacked, ``batch`` at a time.
    """
    before = answered_right(forward, x, y, batch=batch, right=right)
    after, changed = before.clone(), x.clone()
    for part in torch.split(before.nonzero()[:, 0], batch):
        changed[part] = attack(x[part], y[part]).detach()
        with torch.no_grad():
            after[part] = right(forward(changed[part]), y[part])
    accuracy = rate(int(after.sum()), len(x))
    return Outcome(accuracy=accuracy, right_before=before, right_after=after, changed=changed)


def answered_right(
    forward: Forward,
    x: Float[Tensor, " N *shape"],
    y: Shaped[Tensor, " N *target"],
    *,
    batch: int = 256,
    right: Right = class_is_right,
) -> Bool[Tensor, " N"]:
    """Which of ``x`` are answered rightly as they are."""
    with torch.no_grad():
        return torch.cat([right(forward(part), wanted) for part, wanted in batches(x, y, batch)])


def batches(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """``x`` and ``y`` together, ``size`` examples at a time."""
    return zip(torch.split(x, size), torch.split(y, size), strict=True)


def ascent(forward: Forward, x: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """∇ₓ of each example's own loss, shaped like ``x``."""
    with torch.enable_grad():
        inputs = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(forward(inputs), y).sum(), inputs)
    return gradient


def per_example(values: Tensor, x: Tensor) -> Tensor:
    """``values`` (B) in a shape that broadcasts over ``x`` (B, …)."""
    return values.reshape(-1, *[1] * (x.ndim - 1))


def project(changed: Tensor, x: Tensor, eps: float) -> Tensor:
    """Back to within ±ε of ``x`` and to 0..1."""
    return (x + (changed - x).clamp(-eps, eps)).clamp(0, 1)


def check_inputs(x: Tensor, eps: float) -> None:
    """Raises ValueError for inputs outside 0..1 or an ``eps`` below zero."""
    if not eps >= 0:
        raise ValueError(f"eps is {eps}; expected 0 or more")
    if x.numel() and not (float(x.min()) >= 0 and float(x.max()) <= 1):
        raise ValueError(f"inputs lie in {float(x.min())}..{float(x.max())}; expected 0..1")


def _descend(
    forward: Forward,
    x: Tensor,
    y: Tensor,
    eps: float,
    steps: int,
    step_size: float,
    generator: torch.Generator | None,
    loss: Loss,
) -> Tensor:
    changed = x
    if generator is not None:
        start = torch.rand(x.shape, generator=generator, device=generator.device).to(x)
        changed = (x + eps * (2 * start - 1)).clamp(0, 1)
    for _ in range(steps):
        changed = project(changed + step_size * ascent(forward, changed, y, loss).sign(), x, eps)
    return changed


def _damage(forward: Forward, x: Tensor, y: Tensor, loss: Loss, right: Right) -> Tensor:
    """The loss, and above every loss where the answer is wrong."""
    with torch.no_grad():
        logits = forward(x)
        losses = loss(logits, y)
    return torch.where(right(logits, y), losses, losses + losses.abs().max() * 4 + 1)
