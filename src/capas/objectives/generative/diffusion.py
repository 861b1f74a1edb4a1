"""Learning to denoise: Ho, Jain & Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020 (arXiv:2006.11239).

The simple loss (Section 3.4, eq. 14, Algorithm 1): a step t is drawn for each example, noise is added to it as the
schedule says, and the squared error of what the network predicts is averaged, every step weighing the same. The target
is the noise, v or the clean data (``capas.sampling.diffusion.prediction``).

Of a share of the examples the condition is left out, so that the one network learns both with and without it: Ho &
Salimans, "Classifier-Free Diffusion Guidance", 2022 (arXiv:2207.12598), Algorithm 1.

Networks are averaged over time (Appendix B: decay 0.9999): configuration ``optim.ema``.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.similarity import full_precision
from capas.sampling.diffusion.noise_schedule import NoiseSchedule
from capas.sampling.diffusion.prediction import ConditionalDenoiser, Prediction, prediction_target

DROPPED_CONDITIONS: Final = 0.1


@runtime_checkable
class DiffusionBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> Tensor:
        """Clean data (B, …): images (B, C, H, W) in [-1, 1], or points (B, D)."""

    @property
    def condition(self) -> Tensor | None:
        """Class indices (B,), int64, or context (B, V); None where nothing is said."""


class Diffusion:
    """Objective of a denoising network.

    Args:
        network: Noisy data (B, …), timesteps (B,) and conditions → predictions (B, …); a ``ConditionalDenoiser``.
        schedule: How much noise there is at each step.
        predicts: What the network predicts.
        dropped_conditions: Share of the conditions that are left out, in [0, 1].

    Raises ValueError for another share.
    """

    def __init__(
        self, network: nn.Module, schedule: NoiseSchedule, *, predicts: Prediction = "epsilon",
        dropped_conditions: float = DROPPED_CONDITIONS,
    ) -> None:  # fmt: skip
        assert isinstance(network, ConditionalDenoiser)
        if not 0 <= dropped_conditions <= 1:
            raise ValueError(f"dropped_conditions is {dropped_conditions}; expected a share from 0 to 1")
        self.denoiser: ConditionalDenoiser = network
        self.networks: Mapping[str, nn.Module] = {"network": cast(nn.Module, network)}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=("network",)),)
        self.schedule = schedule
        self.predicts: Prediction = predicts
        self.dropped_conditions = dropped_conditions

    def losses(self, batch: DiffusionBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        clean = full_precision(batch.inputs)
        steps = self.schedule.steps
        times = (context.uniform(len(clean)) * steps).floor().clamp(max=steps - 1).to(clean.device)
        noise = context.normal(*clean.shape).to(clean)
        signal, deviation = self.schedule.scales(times, clean)
        noisy = signal * clean + deviation * noise
        predicted = full_precision(self.denoiser(noisy, times, self._with_gaps(batch.condition, context)))
        target = prediction_target(self.predicts, clean, noise, signal, deviation)
        return {"loss": (predicted - target).square().mean()}

    def _with_gaps(self, condition: Tensor | None, context: StepContext) -> Tensor | None:
        """The conditions, a share of them left out."""
        if condition is None:
            return None
        dropped = context.uniform(len(condition)).to(condition.device) < self.dropped_conditions
        shaped = dropped.reshape(-1, *[1] * (condition.ndim - 1))
        return torch.where(shaped, self.denoiser.null_condition(condition), condition)
