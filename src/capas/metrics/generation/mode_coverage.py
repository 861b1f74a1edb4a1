"""Mixtures of Gaussians in the plane, and which of their modes samples hit: what generative networks are tried on since
Metz, Poole, Pfau & Sohl-Dickstein, "Unrolled Generative Adversarial Networks", ICLR 2017 (the ring), and Srivastava et
al., "VEEGAN", NIPS 2017 (the grid, and the figures).

A sample is good within three deviations of the nearest mode, and a mode is hit by one good sample or more.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.rate import Rate, rate

GOOD_WITHIN: Final = 3.0  # deviations; of a plane normal distribution 98.9 % lie within


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GaussianMixture2D:
    """Equal shares of round normal distributions.

    Attributes:
        centres: Of the modes, (K, 2).
        deviation: Of each coordinate around its mode, > 0.
    """

    centres: Tensor
    deviation: float

    def draw(self, count: int, rng: torch.Generator) -> Float[Tensor, "N 2"]:
        """Return ``count`` points."""
        modes = torch.randint(len(self.centres), (count,), generator=rng)
        return self.centres[modes] + self.deviation * torch.randn(count, 2, generator=rng)


def ring_of_gaussians(modes: int = 8, *, radius: float = 1.0, deviation: float = 0.02) -> GaussianMixture2D:
    """Return modes evenly on a circle."""
    angles = 2 * math.pi * torch.arange(modes) / modes
    return GaussianMixture2D(centres=radius * torch.stack([angles.cos(), angles.sin()], 1), deviation=deviation)


def grid_of_gaussians(side: int = 5, *, deviation: float = 0.025) -> GaussianMixture2D:
    """Return ``side`` × ``side`` modes, from −1 to 1 both ways."""
    ticks = torch.linspace(-1, 1, side)
    return GaussianMixture2D(centres=torch.cartesian_prod(ticks, ticks), deviation=deviation)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModeCoverage:
    """What samples hit.

    Attributes:
        hit: Modes that one good sample or more is nearest to.
        modes: All modes.
        good: Share of the samples that are good.
    """

    hit: int
    modes: int
    good: Rate


def mode_coverage(samples: Float[Tensor, "N 2"], mixture: GaussianMixture2D) -> ModeCoverage:
    """Return which modes samples hit; those that are not finite hit none.

    >>> pair = GaussianMixture2D(centres=torch.tensor([[0.0, 0.0], [1.0, 0.0]]), deviation=0.1)
    >>> found = mode_coverage(torch.tensor([[0.0, 0.29], [0.0, 0.31]]), pair)
    >>> found.hit, found.modes, found.good.value
    (1, 2, 0.5)
    """
    nearest = torch.cdist(samples, mixture.centres).min(1)
    good = nearest.values <= GOOD_WITHIN * mixture.deviation
    return ModeCoverage(
        hit=len(set(nearest.indices[good].tolist())),
        modes=len(mixture.centres),
        good=rate(int(good.sum()), len(samples)),
    )
