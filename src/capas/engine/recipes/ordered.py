"""Training batches of any form: what ``data.batch.BatchMaker`` does where there is one target per example."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from torch import Tensor

from capas.data.order import Order

BatchT = TypeVar("BatchT")


class OrderedBatches(Generic[BatchT]):
    """Batches in the order of ``order``; ``make(positions)`` gives one. ``example_names`` are of all positions."""

    def __init__(self, order: Order, example_names: Sequence[str], make: Callable[[Tensor], BatchT]) -> None:
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

    def batch(self, step: int) -> BatchT:
        """The batch of this step (0, 1, …, in any order, without end): the same whenever it is asked for."""
        return self._make(self.order.at(step))

    def iterate(self, start: int = 0) -> Iterator[BatchT]:
        """Batches ``start``, ``start + 1``, … without end."""
        step = start
        while True:
            yield self.batch(step)
            step += 1
