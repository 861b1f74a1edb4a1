"""How well diffusion models data: a bound on −log₂ p(x_0) per number, in bits.

Ho, Jain & Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020, eq. 5, with the fixed variances of Section
3.2 and the discrete last step of Section 3.3:

    −log p(x_0) ≤ KL(q(x_T | x_0) ‖ N(0, I)) + Σ_t KL(q(x_{t−1} | x_t, x_0) ‖ p(x_{t−1} | x_t)) − log p(x_0 | x_1)

All steps would ask the network T times for each example. Of them ``evaluations`` are drawn, one from each part of the
schedule and the same for all examples of a call, and stand for the rest: the mean over draws stays that of the bound.
It is a bound, not the likelihood: it never stands in a column with exact ones.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from capas.sampling.diffusion.prediction import DenoisingModel
from capas.sampling.diffusion.solvers import posterior

LEVELS: Final = 256
VarianceChoice = Literal["small", "large"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VariationalBound:
    """The terms of the bound for each example, in bits per number (of a pixel: per channel).

    Attributes:
        prior: What the noisiest data tell of the example, (B,).
        transitions: All steps but the last, (B,).
        reconstruction: The last step, (B,).
        kind: Never "exact".
    """

    prior: Tensor
    transitions: Tensor
    reconstruction: Tensor
    kind: Literal["bound"] = "bound"

    @property
    def bits_per_dim(self) -> Tensor:
        """The bound, (B,)."""
        return self.prior + self.transitions + self.reconstruction


@torch.no_grad()
def variational_bound(
    model: DenoisingModel, clean: Float[Tensor, "B ..."], rng: torch.Generator, *, evaluations: int | None = None,
    variance: VarianceChoice = "small",
) -> VariationalBound:  # fmt: skip
    """Return the bound for examples of 256 levels, scaled to [-1, 1].

    Args:
        model: The network; ``clip`` 1, as in the paper.
        clean: The examples.
        rng: Source of chance.
        evaluations: How often the network is asked for each example, 2 to T; None for all T.
        variance: Of the reverse steps, as in ``AncestralSolver``.

    Raises ValueError for another number of evaluations.
    """
    schedule = model.schedule
    asked = schedule.steps if evaluations is None else evaluations
    if not 2 <= asked <= schedule.steps:
        raise ValueError(f"{asked} evaluations; expected from 2 to {schedule.steps}, the steps of the schedule")

    def noisy_at(time: int) -> Tensor:
        signal, deviation = schedule.signal_and_noise(time)
        return signal * clean + deviation * torch.randn(clean.shape, generator=rng).to(clean)

    transitions = clean.new_zeros(len(clean))
    for low, high in pairwise(_parts(schedule.steps, asked)):  # one of the steps low to high − 1 stands for all
        time = int(torch.randint(low, high, (), generator=rng))
        transitions += (high - low) * _transition(model, clean, noisy_at(time), time, variance)
    signal, deviation = schedule.signal_and_noise(schedule.steps - 1)
    prior = _divergence(signal * clean, deviation**2, torch.zeros_like(clean), 1.0)
    last = _reconstruction(model, clean, noisy_at(0), variance)
    return VariationalBound(prior=_per_number(prior), transitions=transitions, reconstruction=_per_number(last))


def _parts(steps: int, asked: int) -> list[int]:
    """Where the parts of the steps 1 to ``steps`` − 1 begin and the last one ends. Most of the bound, and most of what
    varies, is where there is little noise: parts grow from there, quadratically, from one step on.
    """
    starts = [1]
    for number in range(1, asked):
        starts.append(max(starts[-1] + 1, round(1 + (steps - 1) * (number / (asked - 1)) ** 2)))
    return starts


def _transition(
    model: DenoisingModel, clean: Tensor, noisy: Tensor, time: int, variance: VarianceChoice
) -> Float[Tensor, " B"]:
    clean_weight, noisy_weight, small, large = posterior(model.schedule, time, time - 1)
    true_mean = clean_weight * clean + noisy_weight * noisy
    mean = clean_weight * model.estimate(noisy, time).clean + noisy_weight * noisy
    return _per_number(_divergence(true_mean, small, mean, small if variance == "small" else large))


def _reconstruction(model: DenoisingModel, clean: Tensor, noisy: Tensor, variance: VarianceChoice) -> Tensor:
    """−log p(x_0 | x_1) of each number: a normal distribution, of which each level gets what falls nearest to it."""
    mean = model.estimate(noisy, 0).clean
    # Here β̃ is 0. As in the paper's code the step before lends its own, whichever variance the others have.
    deviation = math.sqrt(posterior(model.schedule, 1, 0)[2])
    half = 1 / (LEVELS - 1)
    above, below = (clean - mean + half) / deviation, (clean - mean - half) / deviation
    # The outermost levels get all that lies beyond them. Tails are taken where they are small: 1 − Φ would be 0.
    swap = clean > mean
    above, below = torch.where(swap, -below, above), torch.where(swap, -above, below)
    lowest, highest = clean < -1 + half, clean > 1 - half
    endless = torch.full_like(clean, math.inf)
    below = torch.where(torch.where(swap, highest, lowest), -endless, below)
    above = torch.where(torch.where(swap, lowest, highest), endless, above)
    upper, lower = torch.special.log_ndtr(above.double()), torch.special.log_ndtr(below.double())
    logarithm: Tensor = upper + torch.log1p(-(lower - upper).exp())
    return -logarithm.to(clean)


def _divergence(mean: Tensor, variance: float, other_mean: Tensor, other_variance: float) -> Tensor:
    """KL(N(mean, variance) ‖ N(other_mean, other_variance)) of each number, in nats."""
    ratio = variance / other_variance
    return ((mean - other_mean).square() / other_variance + ratio - 1 - math.log(ratio)) / 2


def _per_number(nats: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    return nats.flatten(1).mean(1) / math.log(2)
