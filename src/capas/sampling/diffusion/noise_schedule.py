"""How much noise there is at each step of a diffusion: q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I).

- linear: Ho, Jain & Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020, Section 4: β_t from 10⁻⁴ to 0.02
  in 1000 steps; for another number of steps β_t is scaled so that the noise at the end stays about the same.
- cosine: Nichol & Dhariwal, "Improved Denoising Diffusion Probabilistic Models", ICML 2021, eq. 17, β_t ≤ 0.999.

Times are steps, 0 (hardly any noise) to T − 1; samplers also ask between them, where the logarithm of the
signal-to-noise ratio is interpolated. ``CLEAN`` (−1) is the time without any noise, where ᾱ = 1.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

ScheduleName = Literal["linear", "cosine"]
CLEAN: Final = -1.0
DEFAULT_STEPS: Final = 1000
LINEAR_BETAS: Final = (1e-4, 0.02)
COSINE_OFFSET: Final = 0.008
COSINE_MAX_BETA: Final = 0.999


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NoiseSchedule:
    """ᾱ of every step.

    Attributes:
        alpha_bar: ᾱ_t (T,), float64 on the CPU, strictly falling within (0, 1).
    """

    alpha_bar: Tensor

    def __post_init__(self) -> None:
        ends = torch.cat([torch.ones(1).double(), self.alpha_bar.double(), torch.zeros(1).double()])
        if self.alpha_bar.ndim != 1 or len(self.alpha_bar) < 2 or not bool((ends.diff() < 0).all()):
            raise ValueError("alpha_bar does not fall strictly within (0, 1); expected two steps or more that do")

    @property
    def steps(self) -> int:
        """T."""
        return len(self.alpha_bar)

    def signal_and_noise(self, time: float) -> tuple[float, float]:
        """Return √ᾱ and √(1 − ᾱ) at ``time``: ``CLEAN``, or within [0, T − 1]. Raises ValueError for any other."""
        if time == CLEAN:
            return 1.0, 0.0
        log_snr = self.log_snr(torch.tensor([time], dtype=torch.float64))
        return float(log_snr.sigmoid().sqrt()), float((-log_snr).sigmoid().sqrt())

    def log_snr(self, times: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Return ln ᾱ/(1 − ᾱ) at times within [0, T − 1], float64. Raises ValueError for any other."""
        times = times.double().cpu()
        if not bool(((times >= 0) & (times <= self.steps - 1)).all()):
            raise ValueError(
                f"times go from {float(times.min())} to {float(times.max())}; expected 0 to {self.steps - 1}"
            )
        table = self.alpha_bar.double().logit()
        below = times.floor().long()
        above = (below + 1).clamp(max=self.steps - 1)
        return table[below].lerp(table[above], times - below)

    def time_of_sigma(self, sigma: float) -> float:
        """Return the time at which √((1 − ᾱ)/ᾱ) is ``sigma``; 0 or T − 1 where it is smaller or larger everywhere."""
        table = -self.alpha_bar.double().logit() / 2  # ln sigma, rising
        wanted = min(max(math.log(sigma), float(table[0])), float(table[-1]))
        above = int(torch.searchsorted(table, wanted).clamp(1, self.steps - 1))
        low, high = float(table[above - 1]), float(table[above])
        return above - 1 + (wanted - low) / (high - low)

    def sigma(self, time: float) -> float:
        """Return √((1 − ᾱ)/ᾱ), 0 for ``CLEAN``: noise in units of the signal."""
        signal, noise = self.signal_and_noise(time)
        return noise / signal

    def add_noise(self, clean: Tensor, noise: Tensor, times: Float[Tensor, " B"]) -> Tensor:
        """Return √ᾱ_t · clean + √(1 − ᾱ_t) · noise; ``clean`` and ``noise`` (B, …), a time for each example."""
        signal, deviation = self.scales(times, clean)
        return signal * clean + deviation * noise

    def scales(self, times: Float[Tensor, " B"], like: Tensor) -> tuple[Tensor, Tensor]:
        """Return √ᾱ_t and √(1 − ᾱ_t) of each example, (B, 1, …), of the type and on the device of ``like`` (B, …)."""
        log_snr = self.log_snr(times).reshape(-1, *[1] * (like.ndim - 1))
        signal, deviation = log_snr.sigmoid().sqrt(), (-log_snr).sigmoid().sqrt()
        return signal.to(like), deviation.to(like)


def linear_schedule(steps: int = DEFAULT_STEPS) -> NoiseSchedule:
    """Return the linear schedule of ``steps`` ≥ 21 steps. Raises ValueError for fewer: β would pass 1."""
    first, last = (beta * DEFAULT_STEPS / steps for beta in LINEAR_BETAS)
    if last >= 1:
        raise ValueError(f"{steps} steps; expected 21 or more, with which the last β is below 1")
    betas = torch.linspace(first, last, steps, dtype=torch.float64)
    return NoiseSchedule(alpha_bar=(1 - betas).cumprod(0))


def cosine_schedule(steps: int = DEFAULT_STEPS) -> NoiseSchedule:
    """Return the cosine schedule of ``steps`` ≥ 2 steps."""
    shares = torch.arange(steps + 1, dtype=torch.float64) / steps
    curve = ((shares + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2).cos().square()
    betas = (1 - curve[1:] / curve[:-1]).clamp(max=COSINE_MAX_BETA)
    return NoiseSchedule(alpha_bar=(1 - betas).cumprod(0))


def noise_schedule(name: ScheduleName, steps: int = DEFAULT_STEPS) -> NoiseSchedule:
    """Return a schedule by name. Raises as ``linear_schedule`` and ``NoiseSchedule``."""
    return linear_schedule(steps) if name == "linear" else cosine_schedule(steps)
