"""One step of learning: every phase of the objective that is due, forward, backward, corrected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

import torch
from torch import nn

from capas.core.errors import CapasError
from capas.core.rng import derive_seed, seeded_generator
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.optim import clip_gradients
from capas.objectives.base import BatchT, Objective, Phase


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingStepper(Generic[BatchT]):
    """What a step needs besides the batch: one optimiser per phase, by the phase's name."""

    objective: Objective[BatchT]
    optimizers: Mapping[str, torch.optim.Optimizer]
    execution: Execution
    ranks: Ranks
    seed: int
    clip: float = 0.0

    def step(self, batch: BatchT, number: int, rate_factor: float) -> dict[str, torch.Tensor]:
        """Correct the networks once with ``batch``; ``rate_factor`` (0..1) is the share of the peak learning rate.

        Chance is a function of the seed and ``number``: the global generator, which dropout uses, is set anew each
        step. Returns the losses, detached.
        """
        torch.manual_seed(derive_seed(self.seed, "dropout", number, self.ranks.rank))
        reported: dict[str, torch.Tensor] = {}
        for phase in self.objective.phases:
            if number % phase.every == 0:
                reported |= self._optimize_phase(batch, phase, number, rate_factor)
        return reported

    def _optimize_phase(self, batch: BatchT, phase: Phase, number: int, rate_factor: float) -> dict[str, torch.Tensor]:
        optimizer = self.optimizers[phase.name]
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate_factor
        with self.execution.autocast():
            losses = self.objective.losses(batch, phase, seeded_generator(self.seed, "loss", phase.name, number))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses[phase.loss])
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.ranks.average_gradients(parameters)
        clip_gradients(parameters, self.clip)
        optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}


def check_finite(loss: float, step: int, names: list[str], learning_rate: float) -> None:
    """Raises CapasError ``loss_not_finite`` with the step, the batch and a remedy."""
    if loss == loss and abs(loss) != float("inf"):
        return
    raise CapasError(
        "loss_not_finite",
        where=f"step {step}",
        received=str(loss),
        examples=", ".join(names[:5]),
        rate=f"{learning_rate:.2g}",
        lower=f"{learning_rate / 10:.2g}",
    )


def set_mode(networks: Mapping[str, nn.Module], *, training: bool) -> None:
    """Training or evaluation mode for all of them; batch normalisation that is frozen stays in evaluation mode."""
    for network in networks.values():
        network.train(training)
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and not module.weight.requires_grad:
                module.eval()
