"""Projection: the latent of which a generator draws what is nearest to a given image.

After Appendix D of Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020
(arXiv:1912.04958): gradient descent on the latent by Adam, with noise added to it that dies away after three quarters
of the steps, at a rate that rises at the beginning and falls at the end.

Where we deviate: it starts from the nearest of many drawn latents instead of the mean; images are compared pixel by
pixel at three sizes instead of by features of a network, which at up to 64 pixels have little to see; the noise within
the generator stays as it is.
"""

import math
from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

STEPS: Final = 200
RATE: Final = 0.1
RISE, FALL, QUIET = 0.05, 0.25, 0.75  # shares of the steps: rate rises, rate falls, noise is gone
NOISE: Final = 0.05  # at first, in standard deviations of latents
SIZES: Final = 3


def image_distance(made: Float[Tensor, "N C H W"], given: Float[Tensor, "1 C H W"]) -> Float[Tensor, " N"]:
    """Return the mean squared difference of images from a given one, summed over three sizes: their own, half of it
    and a quarter of it.
    """
    total = torch.zeros(len(made), device=made.device)
    for halvings in range(SIZES):
        small, other = (F.avg_pool2d(images, 1 << halvings, ceil_mode=True) for images in (made, given))
        total = total + (small - other).square().mean((1, 2, 3))
    return total


def find_latent(
    draw: Callable[[Tensor], Tensor], drawn: Float[Tensor, "M N"], image: Float[Tensor, "C H W"], rng: torch.Generator,
    steps: int = STEPS,
) -> Float[Tensor, " N"]:  # fmt: skip
    """Return the latent, of all that were met, of which the image is nearest.

    Args:
        draw: Makes images (B, C, H, W) of latents (B, N), with gradients.
        drawn: Latents to start from the nearest of.
        image: What is wanted, in [-1, 1].
        rng: Of the noise.
        steps: Of the descent, ≥ 0.
    """
    given = image[None]
    with torch.no_grad():
        distances = torch.cat([image_distance(draw(part), given) for part in torch.split(drawn, 32)])
    best, least = drawn[distances.argmin()].clone(), float(distances.min())
    latent = best[None].clone().requires_grad_()
    deviation = drawn.std(0).square().mean().sqrt()
    adam = torch.optim.Adam([latent], lr=RATE, betas=(0.9, 0.999))
    for step in range(steps):
        done = step / steps
        adam.param_groups[0]["lr"] = RATE * _ramp(done)
        noise = torch.randn(latent.shape, generator=rng).to(latent)
        strength = NOISE * float(deviation) * max(0.0, 1 - done / QUIET) ** 2
        distance = image_distance(draw(latent + strength * noise), given).sum()
        (latent.grad,) = torch.autograd.grad(distance, latent)
        met = (latent + strength * noise)[0].detach().clone()
        if float(distance.detach()) < least:
            best, least = met, float(distance.detach())
        adam.step()
    return best


def _ramp(done: float) -> float:
    """The share of the rate at ``done`` in [0, 1]."""
    fall = min(1.0, (1 - done) / FALL)
    return (0.5 - 0.5 * math.cos(fall * math.pi)) * min(1.0, done / RISE)
