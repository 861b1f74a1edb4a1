"""Training batches: inputs, targets and positions, made on demand in the order of a sampler."""

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
    """One batch.

    Attributes:
        inputs: As the network takes them (images: float32 (B, C, H, W), normalised, channels last).
        targets: Shape (B, …).
        positions: Positions of the examples, int64, shape (B,).
        mix: The pairing of Mixup; None where examples were not mixed.
    """

    inputs: InputT
    targets: Tensor
    positions: Tensor
    mix: MixupPairing | None = None


class SampledBatches(Generic[InputT]):
    """Batches in the order of ``sampler``.

    ``make(positions, rng)`` builds one, augmented by ``rng`` alone. ``example_names`` are those of all positions.
    """

    def __init__(
        self, sampler: BatchSampler, example_names: Sequence[str], make: Callable[[Tensor, torch.Generator], InputT]
    ) -> None:
        self.sampler = sampler
        self._names = example_names
        self._make = make

    @property
    def examples(self) -> int:
        """Number of examples in an epoch."""
        return len(self.sampler.positions)

    @property
    def batch_size(self) -> int:
        return self.sampler.batch_size

    @property
    def steps_per_epoch(self) -> int:
        return self.sampler.steps_per_epoch

    def names(self, step: int) -> list[str]:
        """Return the names of the examples in the batch of ``step``."""
        return [self._names[i] for i in self.sampler.positions_at(step).tolist()]

    def batch(self, step: int) -> InputT:
        """Return the batch of a step (0, 1, …, in any order, without end); it depends on the step alone."""
        return self._make(
            self.sampler.positions_at(step), seeded_generator(self.sampler.seed, "augment", step, self.sampler.rank)
        )

    def iterate(self, start: int = 0) -> Iterator[InputT]:
        """Iterate over batches ``start``, ``start + 1``, … without end."""
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
    """Return batches whose inputs ``take(positions, rng)`` gives, each with its rows of ``targets``."""

    def make(positions: Tensor, rng: torch.Generator) -> Batch[InputT]:
        return Batch(inputs=take(positions, rng), targets=targets[positions], positions=positions)

    return SampledBatches(sampler, example_names, make)


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoViews:
    """The same examples varied twice, for learning without labels.

    Attributes:
        first: Inputs (B, …).
        second: The same examples, varied by chance of their own.
        positions: Their positions, int64 (B,).
    """

    first: Tensor
    second: Tensor
    positions: Tensor


def two_view_batches(
    sampler: BatchSampler, example_names: Sequence[str], view: Callable[[Tensor, torch.Generator], Tensor]
) -> SampledBatches[TwoViews]:
    """Return batches of two views of each example; ``view(positions, rng)`` gives one, varied by ``rng``."""

    def make(positions: Tensor, rng: torch.Generator) -> TwoViews:
        return TwoViews(first=view(positions, rng), second=view(positions, rng), positions=positions)

    return SampledBatches(sampler, example_names, make)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnpairedBatch(Generic[InputT]):
    """A batch of each of two sources whose examples do not belong together."""

    a: InputT
    b: InputT


class UnpairedBatches(Generic[InputT]):
    """Batches of two unpaired sources side by side, each in an order of its own. An epoch is one of the larger source.

    Give their samplers different seeds: sources of equal size would go through in the same order otherwise.
    """

    def __init__(self, a: SampledBatches[InputT], b: SampledBatches[InputT]) -> None:
        self.a = a
        self.b = b

    @property
    def examples(self) -> int:
        """Examples of the larger source."""
        return max(self.a.examples, self.b.examples)

    @property
    def batch_size(self) -> int:
        """Examples of one source in a batch, those of all ranks together."""
        return self.a.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the larger source."""
        return max(self.a.steps_per_epoch, self.b.steps_per_epoch)

    def names(self, step: int) -> list[str]:
        """The names of what is in the batch of ``step``, of the first source and then of the second."""
        return self.a.names(step) + self.b.names(step)

    def batch(self, step: int) -> UnpairedBatch[InputT]:
        """The batch of this step: the same whenever it is asked for."""
        return UnpairedBatch(a=self.a.batch(step), b=self.b.batch(step))

    def iterate(self, start: int = 0) -> Iterator[UnpairedBatch[InputT]]:
        """Batches ``start``, ``start + 1``, … without end."""
        step = start
        while True:
            yield self.batch(step)
            step += 1


def map_tensors(tree: TreeT, function: Callable[[Tensor], Tensor]) -> TreeT:
    """Apply ``function`` to every tensor of ``tree`` (a tensor, or a dataclass, tuple or dict of such)."""
    if isinstance(tree, Tensor):
        return function(tree)  # type: ignore[return-value]
    if is_dataclass(tree) and not isinstance(tree, type):
        return replace(tree, **{f.name: map_tensors(getattr(tree, f.name), function) for f in fields(tree) if f.init})
    if isinstance(tree, tuple):
        return tuple(map_tensors(part, function) for part in tree)  # type: ignore[return-value]
    if isinstance(tree, dict):
        return {name: map_tensors(part, function) for name, part in tree.items()}  # type: ignore[return-value]
    return tree
