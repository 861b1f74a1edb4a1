"""Batch sampler: a function of seed and step alone, so that a run resumes exactly."""

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.rng import seeded_generator

_SORTED_BATCHES = 50  # as many batches are filled from one pool that is sorted by length


class BatchSampler:
    """Shuffled batches of ``positions`` (int64), every epoch in another order.

    ``batch_size`` counts the examples of all ranks together; every rank takes an equal slice of its own, and with fewer
    examples than that the batch is all of them. With ``lengths`` (one per position) examples of similar length share a
    batch, to save padding.

    Raises:
        CapasError: ``nothing_to_load``.
    """

    def __init__(
        self,
        positions: Tensor,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = True,
        lengths: Tensor | None = None,
    ) -> None:
        self.positions = positions
        self.batch_size = min(batch_size, len(positions))
        if self.batch_size < world_size:
            raise CapasError("nothing_to_load", received=self.batch_size, processes=world_size)
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.lengths = lengths
        full, rest = divmod(len(positions), self.batch_size)
        self.steps_per_epoch = full + (not drop_last and rest >= world_size)
        self._shuffled: tuple[int, Tensor] = (-1, positions)

    def positions_at(self, step: int) -> Tensor:
        """Return this rank's positions at a step (0, 1, …, without end)."""
        epoch, within = divmod(step, self.steps_per_epoch)
        cached, order = self._shuffled
        if cached != epoch:
            order = self._shuffle(epoch)
            self._shuffled = (epoch, order)
        whole = order[within * self.batch_size : (within + 1) * self.batch_size]
        each = len(whole) // self.world_size
        return whole[self.rank * each : (self.rank + 1) * each]

    def _shuffle(self, epoch: int) -> Tensor:
        rng = seeded_generator(self.seed, "order", epoch)
        order = torch.randperm(len(self.positions), generator=rng)
        if self.lengths is not None:
            # Set aside before sorting: cut off afterwards, the rest would be the longest examples in every epoch.
            whole, rest = order.tensor_split([len(order) - len(order) % self.batch_size])
            pools = torch.split(whole, _SORTED_BATCHES * self.batch_size)
            batches = torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools])
            batches = batches.view(-1, self.batch_size)
            order = torch.cat([batches[torch.randperm(len(batches), generator=rng)].flatten(), rest])
        return self.positions[order]
