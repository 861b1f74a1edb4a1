"""L∞ attacks by gradient, FGSM and PGD, with random noise of the same size as the control.

- Goodfellow, Shlens & Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015 (FGSM):
  x′ = clip(x + ε · sign ∇ₓ L(x, y));
- Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018 (PGD):
  xₜ₊₁ = clip(x + clip(xₜ + α · sign ∇ₓ L(xₜ, y) − x, −ε, ε)).

Both stay within ±ε of every value (L∞) and within 0..1. As in foolbox's ``LinfPGD`` the order is step, project, clip,
and the last iterate is returned, not the best one. The default step is α = 4ε / steps, which crosses ±ε twice however
few the steps; foolbox's, ε · 0.01/0.3, does not reach ε in fewer than 30.

``forward`` takes inputs in 0..1 and normalises inside: an attack on normalised inputs has another size than it says.
The network is in evaluation mode; the gradients of its parameters are not needed.
"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from capas.trust.attacks.classification_losses import cross_entropy, is_top1_correct
from capas.trust.subjects.model_functions import CorrectnessFunction, ExampleLoss, ForwardFunction

CROSSINGS = 4  # steps of the default size add up to so many times ε


def fgsm(
    forward: ForwardFunction,
    x: Float[Tensor, " B *shape"],
    y: Shaped[Tensor, " B *target"],
    eps: float,
    *,
    loss: ExampleLoss = cross_entropy,
) -> Float[Tensor, " B *shape"]:
    """Take one step of size ``eps`` along the sign of the gradient, clipped to 0..1.

    Raises:
        ValueError: Inputs outside 0..1 or ``eps`` below zero.
    """
    check_inputs(x, eps)
    return (x + eps * input_gradient(forward, x, y, loss).sign()).clamp(0, 1)


def pgd(
    forward: ForwardFunction,
    x: Float[Tensor, " B *shape"],
    y: Shaped[Tensor, " B *target"],
    eps: float,
    *,
    steps: int = 40,
    step_size: float | None = None,
    generator: torch.Generator | None = None,
    restarts: int = 1,
    loss: ExampleLoss = cross_entropy,
    is_correct: CorrectnessFunction = is_top1_correct,
) -> Float[Tensor, " B *shape"]:
    """Take projected steps along the sign of the gradient.

    Args:
        forward: Maps inputs in 0..1 to logits.
        x: Inputs in 0..1.
        y: Targets, as ``loss`` takes them.
        eps: L∞ radius.
        steps: Gradient steps.
        step_size: Size of a step; 4·``eps``/``steps`` if None.
        generator: With one the attack starts at a random point within ±``eps``, otherwise at ``x``.
        restarts: Runs; each example keeps a misclassified result, or else that of the greatest loss.
        loss: Per-example loss to maximise.
        is_correct: Per-example correctness.

    Raises:
        ValueError: Inputs outside 0..1, ``eps`` below zero, or several restarts without a generator.
    """
    check_inputs(x, eps)
    if eps == 0:
        return x.clone()
    if restarts < 1 or (restarts > 1 and generator is None):
        raise ValueError(f"restarts is {restarts}; expected 1, or more with a generator")
    size = CROSSINGS * eps / max(CROSSINGS, steps) if step_size is None else step_size
    tries = [_descend(forward, x, y, eps, steps, size, generator, loss) for _ in range(restarts)]
    best = tries[0]
    for other in tries[1:]:
        better = _damage(forward, other, y, loss, is_correct) > _damage(forward, best, y, loss, is_correct)
        best = torch.where(broadcast_per_example(better, x), other, best)
    return best


def random_noise(x: Float[Tensor, " B *shape"], eps: float, generator: torch.Generator) -> Float[Tensor, " B *shape"]:
    """Move every value by +ε or −ε at random, clipped to 0..1: the control of an attack of size ``eps``.

    Not uniform in ±ε: that is noise of half the size, which an attack would be compared with too favourably.
    """
    check_inputs(x, eps)
    signs = torch.randint(0, 2, x.shape, generator=generator, device=generator.device).to(x) * 2 - 1
    return (x + eps * signs).clamp(0, 1)


def input_gradient(forward: ForwardFunction, x: Tensor, y: Tensor, loss: ExampleLoss) -> Tensor:
    """Return ∇ₓ of each example's own loss, shaped like ``x``."""
    with torch.enable_grad():
        inputs = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(forward(inputs), y).sum(), inputs)
    return gradient


def broadcast_per_example(values: Tensor, x: Tensor) -> Tensor:
    """Reshape ``values`` (B) so that they broadcast over ``x`` (B, …)."""
    return values.reshape(-1, *[1] * (x.ndim - 1))


def project(adversarial: Tensor, x: Tensor, eps: float) -> Tensor:
    """Project onto the L∞ ball of radius ``eps`` around ``x`` and onto 0..1."""
    return (x + (adversarial - x).clamp(-eps, eps)).clamp(0, 1)


def check_inputs(x: Tensor, eps: float) -> None:
    """Raise ValueError for inputs outside 0..1 or an ``eps`` below zero."""
    if not eps >= 0:
        raise ValueError(f"eps is {eps}; expected 0 or more")
    if x.numel() and not (float(x.min()) >= 0 and float(x.max()) <= 1):
        raise ValueError(f"inputs lie in {float(x.min())}..{float(x.max())}; expected 0..1")


def _descend(
    forward: ForwardFunction,
    x: Tensor,
    y: Tensor,
    eps: float,
    steps: int,
    step_size: float,
    generator: torch.Generator | None,
    loss: ExampleLoss,
) -> Tensor:
    adversarial = x
    if generator is not None:
        start = torch.rand(x.shape, generator=generator, device=generator.device).to(x)
        adversarial = (x + eps * (2 * start - 1)).clamp(0, 1)
    for _ in range(steps):
        adversarial = project(adversarial + step_size * input_gradient(forward, adversarial, y, loss).sign(), x, eps)
    return adversarial


def _damage(forward: ForwardFunction, x: Tensor, y: Tensor, loss: ExampleLoss, right: CorrectnessFunction) -> Tensor:
    """The loss, and above every loss where the answer is wrong."""
    with torch.no_grad():
        logits = forward(x)
        losses = loss(logits, y)
    return torch.where(right(logits, y), losses, losses + losses.abs().max() * 4 + 1)
