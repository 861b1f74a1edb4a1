"""Training batches whose inputs and targets are made together, so that an image and its mask are augmented alike."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from capas.core.rng import seeded_generator
from capas.data.batch import Batch
from capas.data.sampler import BatchSampler
from capas.engine.config import Config
from capas.engine.distributed import Ranks


def training_sampler(config: Config, positions: Tensor, ranks: Ranks, *, lengths: Tensor | None = None) -> BatchSampler:
    """Return a sampler of batches of the configured size; ``lengths``, one per position, group examples of similar
    length.
    """
    return BatchSampler(
        positions, batch_size=int(config.train.batch_size), seed=config.train.seed, rank=ranks.rank,
        world_size=ranks.world_size, lengths=lengths,
    )  # fmt: skip


InputT = TypeVar("InputT")
MakePair = Callable[[Tensor, torch.Generator], tuple[InputT, Tensor]]


class JointlyAugmentedBatches(Generic[InputT]):
    """Training batches with joint augmentation of inputs and targets.

    Args:
        order: The sampler.
        example_names: Names of all positions.
        make: Returns inputs and targets for positions; all its randomness comes from the generator it is passed.
    """

    def __init__(self, order: BatchSampler, example_names: Sequence[str], make: MakePair[InputT]) -> None:
        self.order = order
        self._names = example_names
        self._make = make

    @property
    def batch_size(self) -> int:
        return self.order.batch_size

    @property
    def examples(self) -> int:
        """Examples per epoch."""
        return len(self.order.positions)

    @property
    def steps_per_epoch(self) -> int:
        return self.order.steps_per_epoch

    def batch(self, step: int) -> Batch[InputT]:
        """Return the batch of ``step`` (0, 1, …, in any order, without end), the same whenever it is asked for."""
        positions = self.order.positions_at(step)
        inputs, targets = self._make(positions, seeded_generator(self.order.seed, "augment", step, self.order.rank))
        return Batch(inputs=inputs, targets=targets, positions=positions)

    def iterate(self, start: int = 0) -> Iterator[Batch[InputT]]:
        """Yield the batches ``start``, ``start + 1``, … without end."""
        step = start
        while True:
            yield self.batch(step)
            step += 1

    def names(self, step: int) -> list[str]:
        """Return the names of the examples in the batch of ``step``."""
        return [self._names[i] for i in self.order.positions_at(step).tolist()]
