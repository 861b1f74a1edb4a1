"""One step of a sampler: from noisy data x_t to less noisy x_s, s < t, with α, σ and λ = ln(α/σ) as in ``prediction``.

- ``AncestralSolver``: Ho, Jain & Abbeel 2020, Algorithm 2: x_s is drawn from q(x_s | x_t, x_0) of the estimate. With
  all steps of the schedule it is the paper's; with some of them, Nichol & Dhariwal 2021, Section 4.
- ``DDIMSolver``: Song, Meng & Ermon, "Denoising Diffusion Implicit Models", ICLR 2021, eq. 12 and 16.
- ``HeunSolver``: Karras, Aittala, Aila & Laine, "Elucidating the Design Space of Diffusion-Based Generative Models",
  NeurIPS 2022, Algorithm 1: twice the network a step, in x/α and its noise σ/α.
- ``DPMSolver2M``: Lu et al., "DPM-Solver++", 2022 (arXiv:2211.01095), Algorithm 2: of the second order by the step
  before, once the network a step. The first step, and the last one onto clean data, are of the first order.

Which times a sampler visits is its own too: evenly spread steps, for Heun the paper's eq. 5.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

from torch import Tensor

from capas.sampling.diffusion.noise_schedule import CLEAN, NoiseSchedule
from capas.sampling.diffusion.prediction import DenoisingModel
from capas.sampling.generator import SamplerName

KARRAS_RHO: Final = 7.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffusionStep:
    """Where a sampler stands.

    Attributes:
        noisy: x_s (B, …).
        time: t, from which it came; None where it came from nowhere.
        clean: x_0 as it was estimated at t; None where it was not.
    """

    noisy: Tensor
    time: float | None = None
    clean: Tensor | None = None


@runtime_checkable
class DiffusionSolver(Protocol):
    """One rule for the way from noise to data."""

    @property
    def evaluations(self) -> int:
        """How often a step asks the network."""

    def times(self, schedule: NoiseSchedule, steps: int) -> list[float]:
        """Return ``steps`` times, the noisiest first, and ``CLEAN``. Raises ValueError where it cannot."""

    def step(
        self, model: DenoisingModel, at: DiffusionStep, time: float, following: float, draw: Callable[[], Tensor]
    ) -> DiffusionStep:
        """Return where ``at`` goes.

        Args:
            model: What estimates the clean data.
            at: Data with the noise of ``time``.
            time: ≥ 0.
            following: Smaller than ``time``, or ``CLEAN``.
            draw: Returns standard normal noise (B, …); called only by what needs it.
        """


def even_times(schedule: NoiseSchedule, steps: int) -> list[float]:
    """Return ``steps`` evenly spread steps of the schedule, the last one (T − 1) first, and ``CLEAN``.

    Raises ValueError for more steps than the schedule has.

    >>> from capas.sampling.diffusion.noise_schedule import linear_schedule
    >>> even_times(linear_schedule(1000), 4)
    [999.0, 749.0, 499.0, 249.0, -1.0]
    """
    if not 1 <= steps <= schedule.steps:
        raise ValueError(f"{steps} steps; expected from 1 to {schedule.steps}, which the schedule has")
    # From the end: what begins as pure noise must begin at the noisiest step.
    return [*(float(round(schedule.steps * (1 - i / steps)) - 1) for i in range(steps)), CLEAN]


@dataclass(frozen=True, kw_only=True, slots=True)
class AncestralSolver:
    """DDPM's sampler.

    Attributes:
        variance: Of the reverse step: "small", β̃_t (right where the data is one point), or "large", β_t (right where it
            is standard normal); the paper saw no difference (Section 3.2).
    """

    variance: Literal["small", "large"] = "small"
    evaluations = 1

    def times(self, schedule: NoiseSchedule, steps: int) -> list[float]:
        return even_times(schedule, steps)

    def step(
        self, model: DenoisingModel, at: DiffusionStep, time: float, following: float, draw: Callable[[], Tensor]
    ) -> DiffusionStep:
        clean = model.estimate(at.noisy, time).clean
        clean_weight, noisy_weight, small, large = posterior(model.schedule, time, following)
        noisy = clean_weight * clean + noisy_weight * at.noisy
        if following != CLEAN:
            noisy = noisy + math.sqrt(small if self.variance == "small" else large) * draw()
        return DiffusionStep(noisy=noisy, time=time, clean=clean)


def posterior(schedule: NoiseSchedule, time: float, following: float) -> tuple[float, float, float, float]:
    """Return the terms of q(x_s | x_t, x_0), Ho, Jain & Abbeel 2020, eq. 7, for t = ``time`` and s = ``following``.

    Returns:
        The weights of x_0 and of x_t in its mean, its variance β̃, and β, the variance of q(x_t | x_s).
    """
    (signal, noise), (next_signal, next_noise) = (schedule.signal_and_noise(one) for one in (time, following))
    kept = signal / next_signal  # √(1 − β)
    beta = noise**2 - (kept * next_noise) ** 2
    clean_weight, noisy_weight = next_signal * beta / noise**2, kept * next_noise**2 / noise**2
    return clean_weight, noisy_weight, beta * next_noise**2 / noise**2, beta


@dataclass(frozen=True, kw_only=True, slots=True)
class DDIMSolver:
    """DDIM's sampler.

    Attributes:
        eta: Share of DDPM's noise: 0 adds none, 1 as much as ``AncestralSolver`` with the small variance.
    """

    eta: float = 0.0
    evaluations = 1

    def times(self, schedule: NoiseSchedule, steps: int) -> list[float]:
        return even_times(schedule, steps)

    def step(
        self, model: DenoisingModel, at: DiffusionStep, time: float, following: float, draw: Callable[[], Tensor]
    ) -> DiffusionStep:
        found = model.estimate(at.noisy, time)
        next_signal, next_noise = model.schedule.signal_and_noise(following)
        added = self.eta * math.sqrt(posterior(model.schedule, time, following)[2])
        noisy = next_signal * found.clean + math.sqrt(max(0.0, next_noise**2 - added**2)) * found.noise
        if added:
            noisy = noisy + added * draw()
        return DiffusionStep(noisy=noisy, time=time, clean=found.clean)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeunSolver:
    """EDM's deterministic sampler.

    Attributes:
        max_sigma: Where it begins: σ/α at most so large, the paper's σ_max (Table 1). Schedules that end in hardly any
            signal go on to 20,000, and steps spent there are missing where the data come forth.
    """

    max_sigma: float = 80.0
    evaluations = 2

    def times(self, schedule: NoiseSchedule, steps: int) -> list[float]:
        if steps < 1:
            raise ValueError(f"{steps} steps; expected 1 or more")
        ends = min(self.max_sigma, schedule.sigma(schedule.steps - 1)), schedule.sigma(0)
        high, low = (sigma ** (1 / KARRAS_RHO) for sigma in ends)
        sigmas = [(high + i / max(1, steps - 1) * (low - high)) ** KARRAS_RHO for i in range(steps)]
        return [*map(schedule.time_of_sigma, sigmas), CLEAN]

    def step(
        self, model: DenoisingModel, at: DiffusionStep, time: float, following: float, draw: Callable[[], Tensor]
    ) -> DiffusionStep:
        schedule = model.schedule
        found = model.estimate(at.noisy, time)
        change = schedule.sigma(following) - schedule.sigma(time)
        scaled = at.noisy / schedule.signal_and_noise(time)[0]
        next_signal = schedule.signal_and_noise(following)[0]
        noisy = next_signal * (scaled + change * found.noise)  # ε is the slope of x/α over σ/α
        if following != CLEAN:
            slope = (found.noise + model.estimate(noisy, following).noise) / 2
            noisy = next_signal * (scaled + change * slope)
        return DiffusionStep(noisy=noisy, time=time, clean=found.clean)


@dataclass(frozen=True, kw_only=True, slots=True)
class DPMSolver2M:
    """DPM-Solver++ of the second order, multistep."""

    evaluations = 1

    def times(self, schedule: NoiseSchedule, steps: int) -> list[float]:
        return even_times(schedule, steps)

    def step(
        self, model: DenoisingModel, at: DiffusionStep, time: float, following: float, draw: Callable[[], Tensor]
    ) -> DiffusionStep:
        clean = model.estimate(at.noisy, time).clean
        if following == CLEAN:
            return DiffusionStep(noisy=clean, time=time, clean=clean)
        (signal, noise), (next_signal, next_noise) = map(model.schedule.signal_and_noise, (time, following))
        lead = math.log(next_signal / next_noise) - math.log(signal / noise)  # h
        steered = clean
        if at.time is not None and at.clean is not None:
            before = math.log(signal / noise) + math.log(model.schedule.sigma(at.time))
            steered = clean + lead / (2 * before) * (clean - at.clean)
        noisy = next_noise / noise * at.noisy - next_signal * math.expm1(-lead) * steered
        return DiffusionStep(noisy=noisy, time=time, clean=clean)


SOLVERS: Final[Mapping[SamplerName, DiffusionSolver]] = {
    "ddpm": AncestralSolver(), "ddim": DDIMSolver(), "heun": HeunSolver(), "dpm-solver": DPMSolver2M(),
}  # fmt: skip
