"""A small denoising network for points, such as mixtures in the plane: what diffusion is tried on before images.

Residual layers, each told the level of noise and what is wanted, as in the U-Net (``diffusion_unet``), which this one
can take the place of. Points come with their sines and cosines at several frequencies: of coordinates alone networks
learn no fine detail (Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional
Domains", NeurIPS 2020).

Shapes: B batch, D numbers of a point, W width.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.generative.noise_conditioning import NoiseConditioning

FREQUENCIES: Final = 64
OCTAVES: Final = 5  # sines of π x, 2π x, … 16π x, for points of about [-1, 1]


@dataclass(frozen=True, kw_only=True, slots=True)
class PointDenoiserConfig:
    """Configuration of ``PointDenoiser``.

    Attributes:
        numbers: D.
        width: W.
        depth: Residual layers.
        num_classes: Classes to choose from; 0 for none.
        context_width: Numbers of a context vector; 0 for none.
    """

    numbers: int = 2
    width: int = 128
    depth: int = 4
    num_classes: int = 0
    context_width: int = 0

    def __post_init__(self) -> None:
        check_at_least_one(numbers=self.numbers, width=self.width, depth=self.depth)


class NoisyResidualLayer(nn.Module):
    """(B, W) and conditioning vectors (B, W) → (B, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.condition = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Float[Tensor, "B W"], condition: Float[Tensor, "B W"]) -> Float[Tensor, "B W"]:
        """Return x plus what the two layers make of it."""
        hidden = self.first(F.silu(self.norm(x))) + self.condition(F.silu(condition))
        result: Tensor = x + self.second(F.silu(hidden))
        return result


class PointDenoiser(nn.Module):
    """Noisy points (B, D), timesteps (B,) and conditions → predictions (B, D)."""

    def __init__(self, config: PointDenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.conditioning = NoiseConditioning(
            FREQUENCIES, config.width, num_classes=config.num_classes, context_width=config.context_width
        )
        self.first = nn.Linear((1 + 2 * OCTAVES) * config.numbers, config.width)
        self.layers = nn.ModuleList(NoisyResidualLayer(config.width) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.last = nn.Linear(config.width, config.numbers)

    def forward(
        self, noisy: Float[Tensor, "B D"], timesteps: Float[Tensor, " B"], condition: Tensor | None = None
    ) -> Float[Tensor, "B D"]:
        """Return what is predicted: the noise, v or the clean points, as it was trained.

        Arguments and errors as those of ``DiffusionUNet.forward``.
        """
        vectors = self.conditioning(timesteps, condition)
        octaves = math.pi * 2.0 ** torch.arange(OCTAVES, device=noisy.device)
        angles = (noisy[:, :, None] * octaves).flatten(1)
        x = self.first(torch.cat([noisy, angles.sin(), angles.cos()], dim=1))
        for layer in self.layers:
            x = layer(x, vectors)
        result: Tensor = self.last(F.silu(self.norm(x)))
        return result

    def null_condition(self, condition: Tensor) -> Tensor:
        """Return conditions of the same shape that all say "no condition"."""
        return self.conditioning.null_condition(condition)
