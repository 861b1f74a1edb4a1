"""Perceptual path length (PPL) in W: Karras, Laine & Aila, "A Style-Based Generator Architecture for Generative
Adversarial Networks", CVPR 2019 (arXiv:1812.04948), Section 4.1:

    E (1/ε²) d(g(lerp(w₁, w₂; t)), g(lerp(w₁, w₂; t + ε))),

how far the image goes, as features see it, for a small step of the latent: large where it changes by leaps. d is here
the squared distance of features; figures of different features cannot be compared. As in the paper's code the hundredth
part of the steps at either end is left out.
"""

from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.rate import Rate

EPSILON: Final = 1e-4
LEFT_OUT: Final = 0.01  # share of the steps, at either end
PORTION: Final = 64


@torch.no_grad()
def perceptual_path_length(
    draw: Callable[[Tensor], Tensor], features: Callable[[Tensor], Tensor], first: Float[Tensor, "N W"],
    second: Float[Tensor, "N W"], places: Float[Tensor, " N"], *, epsilon: float = EPSILON,
) -> Rate:  # fmt: skip
    """Return the mean over N steps with its 95 % interval.

    Args:
        draw: Makes images (B, C, H, W) of latents (B, W).
        features: Makes features (B, D) of images.
        first: Latents at the beginning of each way.
        second: Latents at its end.
        places: Where on the way, in [0, 1).
        epsilon: Length of the step, a share of the way.
    """
    found = []
    for part in torch.split(torch.arange(len(first)), PORTION):
        shares = (places[part, None], places[part, None] + epsilon)
        here, there = (features(draw(torch.lerp(first[part], second[part], share))) for share in shares)
        found.append((here.double() - there.double()).square().sum(1) / epsilon**2)
    lengths = torch.cat(found).sort().values
    cut = int(len(lengths) * LEFT_OUT)
    return mean_with_interval(lengths[cut : len(lengths) - cut])
