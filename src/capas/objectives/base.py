"""One way of learning: the networks, their losses, and the phases in which they are corrected.

A classifier has one phase; a generative adversarial network has two (discriminator and generator); a network with lazy
regularisation has a phase that is due every sixteenth step and shares another one's optimizer. The engine runs the
phases that are due in order and never asks which kind of objective it is running.

``Objective`` is all that must be. What only some objectives need are protocols of their own (``ChoosesOptimizers``,
``ActsAfterPhase``, ``HasState``, ``ChoosesAverages``, ``Deploys``, ``Samples``): the engine asks for the ability.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BatchT = TypeVar("BatchT", contravariant=True)
OptimizerKind = Literal["sgd", "adam", "adamw"]
Schedule = Literal["one-cycle", "constant", "late-linear"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSpec:
    """How one optimizer steps. None: as the run's configuration says.

    Attributes:
        kind: Stochastic gradient descent with Nesterov momentum 0.9, Adam, or Adam with decoupled weight decay.
        learning_rate: Peak of the schedule, > 0.
        betas: Decay of Adam's first and second moment, each in [0, 1).
        weight_decay: ≥ 0; biases and normalisation are spared.
        schedule: What follows the rise: a fall to zero, the peak, or the peak and in the second half of training a
            straight fall to zero.
        rate_factors: Share of the learning rate by the beginning of a parameter's name ("generator.mapping"), where it
            is another one; the longest beginning counts.
    """

    kind: OptimizerKind | None = None
    learning_rate: float | None = None
    betas: tuple[float, float] | None = None
    weight_decay: float | None = None
    schedule: Schedule | None = None
    rate_factors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One correction: the parameters of some networks go down the slope of one loss.

    Gradients are computed for these networks alone: all others are constants while the phase is under way.

    Attributes:
        name: Names the phase in logs and seeds.
        loss: Which of the objective's losses is minimised.
        networks: The networks that are corrected, by name; at least one.
        every: Due at every so many steps, ≥ 1.
        optimizer: The optimizer that corrects; phases that name the same one share its state. "": one of its own.
        batches: How many batches of the step are accumulated for one correction, ≥ 1.
    """

    name: str
    loss: str
    networks: tuple[str, ...]
    every: int = 1
    optimizer: str = ""
    batches: int = 1

    def __post_init__(self) -> None:
        if not self.networks or self.every < 1 or self.batches < 1:
            raise ValueError(f"{self}; expected networks, every ≥ 1 and batches ≥ 1")

    @property
    def optimizer_name(self) -> str:
        """The name under which the optimizer's state is kept."""
        return self.optimizer or self.name


def _alone(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class StepContext:
    """Where training stands when a loss is asked for, and its source of chance.

    Attributes:
        step: Steps done before this one, ≥ 0.
        progress: Place on the schedule, in [0, 1].
        rng: Generator on the CPU for this phase and step; the same on every rank.
        shared: Results that the phases of one step hand on to each other; empty when the step begins. A graph kept
            here ends with the backward pass through it: hand on what is detached, or recompute.
        rank: Number of this process among ``world_size``.
        world_size: Processes that train together.
        gather: Concatenate a tensor (N, …) of every rank to (N · world_size, …), in order of rank, on every rank.
    """

    step: int
    progress: float
    rng: torch.Generator
    shared: MutableMapping[str, Tensor] = field(default_factory=dict)
    rank: int = 0
    world_size: int = 1
    gather: Callable[[Tensor], Tensor] = _alone

    def normal(self, count: int, *shape: int) -> Tensor:
        """Standard normal noise (count, *shape) for this rank's examples: together the ranks have what one process
        would draw for all of them."""
        return self._own_rows(torch.randn(count * self.world_size, *shape, generator=self.rng))

    def uniform(self, count: int, *shape: int) -> Tensor:
        """The same, uniform in [0, 1)."""
        return self._own_rows(torch.rand(count * self.world_size, *shape, generator=self.rng))

    def _own_rows(self, drawn: Tensor) -> Tensor:
        count = len(drawn) // self.world_size
        return drawn[self.rank * count : (self.rank + 1) * count]


@runtime_checkable
class Objective(Protocol[BatchT]):
    """What the engine trains."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by name; together they hold every parameter that is corrected, and are what is saved."""

    @property
    def phases(self) -> Sequence[Phase]:
        """The corrections of one step, in order. The loss of the first one is the headline."""

    def losses(self, batch: BatchT, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        """Return scalar losses by name, at least ``phase.loss``; further ones are only reported.

        Every source of chance is ``context.rng`` (or the global generator, which the engine seeds anew each step).
        """


@runtime_checkable
class ChoosesOptimizers(Protocol):
    """An objective whose optimizers are not those of the run's configuration."""

    @property
    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        """How the optimizers step, by ``Phase.optimizer_name``; those left out step as the configuration says."""


@runtime_checkable
class ActsAfterPhase(Protocol):
    """An objective that does something when a correction is done: clips weights, moves a momentum encoder, fills a
    pool, adapts its augmentation."""

    def after(self, phase: Phase, context: StepContext) -> None:
        """Called without gradients behind each correction, with the context of its losses."""


@runtime_checkable
class HasState(Protocol):
    """An objective that remembers more than its networks: a pool, a queue, a running strength."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return all of it as tensors; it goes into every checkpoint."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what ``state_dict`` gave."""


@runtime_checkable
class ChoosesAverages(Protocol):
    """An objective that says which networks are averaged, and how slowly."""

    @property
    def averages(self) -> Mapping[str, float]:
        """Decay of the moving average per step, in [0, 1), by network; networks left out are not averaged."""


@runtime_checkable
class Deploys(Protocol):
    """An objective of which the finished model keeps only some networks."""

    @property
    def deployed(self) -> Sequence[str]:
        """Their names."""


@runtime_checkable
class Samples(Protocol):
    """An objective whose networks make something that a person can look at while they learn."""

    def sample(self, count: int, rng: torch.Generator) -> NDArray[np.uint8]:
        """Return images (count, H, W) or (count, H, W, 3); the same for the same ``rng`` and weights."""


def deployed_networks(objective: Objective[BatchT]) -> dict[str, nn.Module]:
    """Return the networks that the finished model keeps, by name."""
    networks = objective.networks
    names = objective.deployed if isinstance(objective, Deploys) else tuple(networks)
    return {name: networks[name] for name in names}
