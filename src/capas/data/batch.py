"""A batch: what the network is called with, what it should answer, and which examples these are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from capas.core.rng import seeded_generator
from capas.data.image.augment import MixupPairing
from capas.data.sampler import BatchSampler

InputT = TypeVar("InputT")
TreeT = TypeVar("TreeT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch(Generic[InputT]):
    """``inputs`` as the network takes them (pictures: float32 B×C×H×W, normalised, channels last), ``targets`` B×… and
    int64 ``positions`` B; ``mix`` when examples were blended."""

    inputs: InputT
    targets: Tensor
    positions: Tensor
    mix: MixupPairing | None = None


class SampledBatches(Generic[InputT]):
    """Batches in the order of ``sampler``; ``make(positions, rng)`` gives one, varied by ``rng`` alone. ``example_names``
    are those of all positions."""

    def __init__(
        self, sampler: BatchSampler, example_names: Sequence[str], make: Callable[[Tensor, torch.Generator], InputT]
    ) -> None:
        self.sampler = sampler
        self._names = example_names
        self._make = make

    @property
    def examples(self) -> int:
        """Examples in an epoch."""
        return len(self.sampler.positions)

    @property
    def batch_size(self) -> int:
        return self.sampler.batch_size

    @property
    def steps_per_epoch(self) -> int:
        return self.sampler.steps_per_epoch

    def names(self, step: int) -> list[str]:
        """The names of what is in the batch of ``step``."""
        return [self._names[i] for i in self.sampler.positions_at(step).tolist()]

    def batch(self, step: int) -> InputT:
        """The batch of this step (0, 1, …, in any order, without end): the same whenever it is asked for."""
        return self._make(
            self.sampler.positions_at(step), seeded_generator(self.sampler.seed, "augment", step, self.sampler.rank)
        )

    def iterate(self, start: int = 0) -> Iterator[InputT]:
        """Batches ``start``, ``start + 1``, … without end."""
        step = start
        while True:
            yield self.batch(step)
            step += 1


def batches_with_targets(
    sampler: BatchSampler,
    example_names: Sequence[str],
    targets: Tensor,
    take: Callable[[Tensor, torch.Generator], InputT],
) -> SampledBatches[Batch[InputT]]:
    """Batches whose inputs ``take(positions, rng)`` gives, each with its rows of ``targets``."""

    def make(positions: Tensor, rng: torch.Generator) -> Batch[InputT]:
        return Batch(inputs=take(positions, rng), targets=targets[positions], positions=positions)

    return SampledBatches(sampler, example_names, make)


def map_tensors(tree: TreeT, function: Callable[[Tensor], Tensor]) -> TreeT:
    """``tree`` (a tensor, or a dataclass, tuple or dict of such) with ``function`` applied to every tensor."""
    if isinstance(tree, Tensor):
        return function(tree)  # type: ignore[return-value]
    if is_dataclass(tree) and not isinstance(tree, type):
        return replace(tree, **{f.name: map_tensors(getattr(tree, f.name), function) for f in fields(tree) if f.init})
    if isinstance(tree, tuple):
        return tuple(map_tensors(part, function) for part in tree)  # type: ignore[return-value]
    if isinstance(tree, dict):
        return {name: map_tensors(part, function) for name, part in tree.items()}  # type: ignore[return-value]
    return tree
