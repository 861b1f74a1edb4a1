"""What a denoising network predicts, and how one prediction becomes another.

With x_t = α x_0 + σ ε, where α = √ᾱ_t and σ = √(1 − ᾱ_t):

- "epsilon": the noise ε (Ho, Jain & Abbeel 2020, Section 3.2);
- "v": α ε − σ x_0 (Salimans & Ho, "Progressive Distillation for Fast Sampling of Diffusion Models", ICLR 2022,
  Section 4 and Appendix D), of which x_0 = α x_t − σ v and ε = σ x_t + α v;
- "x0": the clean data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from capas.sampling.diffusion.noise_schedule import NoiseSchedule

Prediction = Literal["epsilon", "v", "x0"]
# Noisy data (B, …) and timesteps (B,) → predictions (B, …).
Denoise = Callable[[Tensor, Tensor], Tensor]


@runtime_checkable
class ConditionalDenoiser(Protocol):
    """A network that can also be told what is wanted."""

    def __call__(self, noisy: Tensor, timesteps: Tensor, condition: Tensor | None = None, /) -> Tensor:
        """Return predictions (B, …) for noisy data (B, …), timesteps (B,) and conditions (B, …)."""

    def null_condition(self, condition: Tensor) -> Tensor:
        """Return conditions of the same shape that all say "no condition"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoisedEstimate:
    """What the network takes noisy data to be.

    Attributes:
        clean: x_0 (B, …).
        noise: ε (B, …), so that α · clean + σ · noise is what it was given.
    """

    clean: Tensor
    noise: Tensor


def prediction_target(kind: Prediction, clean: Tensor, noise: Tensor, signal: Tensor, deviation: Tensor) -> Tensor:
    """Return what a network that predicts ``kind`` should say; ``signal`` is α, ``deviation`` σ."""
    if kind == "epsilon":
        return noise
    return clean if kind == "x0" else signal * noise - deviation * clean


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoisingModel:
    """A network's function together with what its answers mean.

    Attributes:
        denoise: Noisy data (B, …) and timesteps (B,) → predictions (B, …).
        schedule: That of its training.
        predicts: What the predictions are.
        clip: Bound on |x_0|: 1 for images in [-1, 1]; None for none. The noise follows from what was clipped.
    """

    denoise: Denoise
    schedule: NoiseSchedule
    predicts: Prediction = "epsilon"
    clip: float | None = None

    def estimate(self, noisy: Tensor, time: float) -> DenoisedEstimate:
        """Return the clean data and the noise at ``time`` ≥ 0, the same for all of (B, …)."""
        signal, deviation = self.schedule.signal_and_noise(time)
        timesteps = torch.full((len(noisy),), time, dtype=torch.float32, device=noisy.device)
        predicted = self.denoise(noisy, timesteps).to(noisy.dtype)
        if self.predicts == "epsilon":
            clean, noise = (noisy - deviation * predicted) / signal, predicted
        elif self.predicts == "v":
            clean, noise = signal * noisy - deviation * predicted, deviation * noisy + signal * predicted
        else:
            clean, noise = predicted, (noisy - signal * predicted) / deviation
        if self.clip is not None:
            clean = clean.clamp(-self.clip, self.clip)
            noise = (noisy - signal * clean) / deviation
        return DenoisedEstimate(clean=clean, noise=noise)


def guided(network: ConditionalDenoiser, condition: Tensor, scale: float = 1.0) -> Denoise:
    """Return the function of a network under classifier-free guidance: without + scale · (with − without condition).

    Ho & Salimans, "Classifier-Free Diffusion Guidance", 2022 (arXiv:2207.12598), eq. 6, whose w is ``scale`` − 1: 1
    follows the condition as it was learnt, 0 ignores it, more exaggerates it. Only the answers that count are computed.

    Args:
        network: Trained with some conditions left out.
        condition: What is wanted of each example, (B, …).
        scale: ≥ 0.

    Raises ValueError for a negative scale.
    """
    if scale < 0:
        raise ValueError(f"scale is {scale}; expected 0 or more")
    null = network.null_condition(condition)

    def denoise(noisy: Tensor, timesteps: Tensor) -> Tensor:
        if scale in (0, 1):
            return network(noisy, timesteps, condition if scale else null)
        both = network(torch.cat([noisy, noisy]), torch.cat([timesteps, timesteps]), torch.cat([condition, null]))
        wanted, unconditional = both.chunk(2)
        return unconditional + scale * (wanted - unconditional)

    return denoise
