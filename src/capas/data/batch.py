"""A batch: what the network is called with, what it should answer, and which examples these are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from capas.core.random import stream
from capas.data.augment import Mix
from capas.data.order import Order

InputT = TypeVar("InputT")
TreeT = TypeVar("TreeT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch(Generic[InputT]):
    """``inputs`` as the network takes them (pictures: float32 B×C×H×W, normalised, channels last), ``targets`` B×… and
    int64 ``positions`` B; ``mix`` when examples were blended."""

    inputs: InputT
    targets: Tensor
    positions: Tensor
    mix: Mix | None = None


class OrderedBatches(Generic[InputT]):
    """Batches in the order of ``order``; ``make(positions, rng)`` gives one, varied by ``rng`` alone. ``example_names``
    are those of all positions."""

    def __init__(
        self, order: Order, example_names: Sequence[str], make: Callable[[Tensor, torch.Generator], InputT]
    ) -> None:
        self.order = order
        self._names = example_names
        self._make = make

    @property
    def examples(self) -> int:
        """Examples in an epoch."""
        return len(self.order.positions)

    @property
    def batch_size(self) -> int:
        return self.order.batch_size

    @property
    def steps_per_epoch(self) -> int:
        return self.order.steps_per_epoch

    def names(self, step: int) -> list[str]:
        """The names of what is in the batch of ``step``."""
        return [self._names[i] for i in self.order.at(step).tolist()]

    def batch(self, step: int) -> InputT:
        """The batch of this step (0, 1, …, in any order, without end): the same whenever it is asked for."""
        return self._make(self.order.at(step), stream(self.order.seed, "augment", step, self.order.rank))

    def iterate(self, start: int = 0) -> Iterator[InputT]:
        """Batches ``start``, ``start + 1``, … without end."""
        step = start
        while True:
            yield self.batch(step)
            step += 1


def with_targets(
    order: Order, example_names: Sequence[str], targets: Tensor, take: Callable[[Tensor, torch.Generator], InputT]
) -> OrderedBatches[Batch[InputT]]:
    """Batches whose inputs ``take(positions, rng)`` gives, each with its rows of ``targets``."""

    def make(positions: Tensor, rng: torch.Generator) -> Batch[InputT]:
        return Batch(inputs=take(positions, rng), targets=targets[positions], positions=positions)

    return OrderedBatches(order, example_names, make)


def moved(tree: TreeT, move: Callable[[Tensor], Tensor]) -> TreeT:
    """``tree`` (a tensor, or a dataclass, tuple or dict of such) with ``move`` applied to every tensor."""
    if isinstance(tree, Tensor):
        return move(tree)  # type: ignore[return-value]
    if is_dataclass(tree) and not isinstance(tree, type):
        return replace(tree, **{f.name: moved(getattr(tree, f.name), move) for f in fields(tree) if f.init})
    if isinstance(tree, tuple):
        return tuple(moved(part, move) for part in tree)  # type: ignore[return-value]
    if isinstance(tree, dict):
        return {name: moved(part, move) for name, part in tree.items()}  # type: ignore[return-value]
    return tree
