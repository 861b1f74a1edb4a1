"""One step of learning: every phase of the objective that is due, forward, backward, corrected."""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic

import torch
from torch import Tensor, nn

from capas.core.errors import CapasError
from capas.core.rng import derive_seed, seeded_generator
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.optim import Optimizer, clip_gradients
from capas.objectives.base import ActsAfterPhase, BatchT, Objective, Phase, StepContext


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingStepper(Generic[BatchT]):
    """Everything that a step needs besides its batches.

    Attributes:
        objective: Networks, phases and losses.
        optimizers: By ``Phase.optimizer_name``.
        execution: Device, precision and memory format.
        ranks: The processes that train together.
        seed: The run's seed.
        clip: Largest norm of a correction's gradient; 0 for no limit.
    """

    objective: Objective[BatchT]
    optimizers: Mapping[str, Optimizer]
    execution: Execution
    ranks: Ranks
    seed: int
    clip: float = 0.0
    _trainable: Mapping[str, tuple[nn.Parameter, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # What transfer learning has frozen stays frozen in every phase.
        trainable = {
            name: tuple(p for p in network.parameters() if p.requires_grad)
            for name, network in self.objective.networks.items()
        }
        object.__setattr__(self, "_trainable", trainable)

    @property
    def batches_per_step(self) -> int:
        """How many batches a step takes: as many as the phase that accumulates most."""
        return max(phase.batches for phase in self.objective.phases)

    def step(self, batches: Sequence[BatchT], number: int, progress: float) -> dict[str, Tensor]:
        """Run the phases that are due at step ``number`` and return their losses, detached, by name.

        Args:
            batches: ``batches_per_step`` of them, on the device.
            number: Steps done before this one.
            progress: Place on the schedule, in [0, 1].

        Chance is a function of the seed and ``number``: the global generator, which dropout uses, is set anew.
        """
        torch.manual_seed(derive_seed(self.seed, "dropout", number, self.ranks.rank))
        reported: dict[str, Tensor] = {}
        shared: dict[str, Tensor] = {}
        for phase in self.objective.phases:
            if number % phase.every == 0:
                reported |= self._optimize_phase(
                    batches[: phase.batches], phase, self._context(phase, number, progress, shared)
                )
        return reported

    def _context(self, phase: Phase, number: int, progress: float, shared: MutableMapping[str, Tensor]) -> StepContext:
        return StepContext(
            step=number, progress=progress, rng=seeded_generator(self.seed, "loss", phase.name, number), shared=shared,
            rank=self.ranks.rank, world_size=self.ranks.world_size, gather=self.ranks.gather,
        )  # fmt: skip

    def _optimize_phase(self, batches: Sequence[BatchT], phase: Phase, context: StepContext) -> dict[str, Tensor]:
        optimizer = self.optimizers[phase.optimizer_name]
        optimizer.set_rate(context.progress)
        optimizer.zero_grad()
        collected: dict[str, list[Tensor]] = {}
        with self._only_these(phase.networks):
            for batch in batches:
                with self.execution.autocast():
                    losses = self.objective.losses(batch, phase, context)
                loss = losses[phase.loss]
                torch.autograd.backward(loss if len(batches) == 1 else loss / len(batches))
                for name, value in losses.items():
                    collected.setdefault(name, []).append(value.detach())
        self.ranks.average_gradients(optimizer.parameters)
        clip_gradients(optimizer.parameters, self.clip)
        optimizer.step()
        if isinstance(self.objective, ActsAfterPhase):
            with torch.no_grad():
                self.objective.after(phase, context)
        return {
            name: values[0] if len(values) == 1 else torch.stack(values).mean() for name, values in collected.items()
        }

    @contextmanager
    def _only_these(self, names: Sequence[str]) -> Iterator[None]:
        """No gradients for the networks that the phase does not correct."""
        others = [p for name, parameters in self._trainable.items() if name not in names for p in parameters]
        for parameter in others:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in others:
                parameter.requires_grad_(True)


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
