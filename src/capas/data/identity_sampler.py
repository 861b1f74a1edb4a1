"""Batches of P identities with K examples each: losses of pairs find nothing to pull together otherwise.

Hermans, Beyer & Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017 (arXiv:1703.07737), Sec. 2.
"""

import torch
from torch import Tensor

from capas.core.rng import seeded_generator
from capas.data.sampler import BatchSampler


class IdentitySampler(BatchSampler):
    """``BatchSampler`` whose batches hold P different identities with K examples each, one identity after the other.

    Which ones is a function of seed and step alone; with several ranks each takes its slice of the same batch. Of an
    identity with fewer than K examples all are taken, some of them again.

    Args:
        positions: Positions of the training examples, int64 (N,).
        identities: The identity of each of them, int64 (N,).
        batch_size: P · K for all ranks together, at most; P is 2 at least and no more than there are identities.
        per_identity: K ≥ 2.
        seed: The run's seed.
        rank: This process.
        world_size: Number of processes.

    Raises:
        CapasError: ``nothing_to_load``.
        ValueError: Fewer than two identities, or ``per_identity`` below 2.
    """

    def __init__(
        self, positions: Tensor, identities: Tensor, *, batch_size: int, per_identity: int, seed: int, rank: int = 0,
        world_size: int = 1,
    ) -> None:  # fmt: skip
        names = torch.unique(identities)
        if len(names) < 2 or per_identity < 2:
            raise ValueError(f"{len(names)} identities, {per_identity} examples of each; expected 2 and 2 or more")
        self.per_identity = per_identity
        self.identities_per_batch = max(2, min(len(names), batch_size // per_identity))
        self._members = [torch.nonzero(identities == name)[:, 0] for name in names]
        super().__init__(
            positions, batch_size=max(len(positions), 2 * per_identity), seed=seed, rank=rank, world_size=world_size
        )
        self.batch_size = self.identities_per_batch * per_identity
        self.steps_per_epoch = max(1, len(positions) // self.batch_size)

    def _shuffle(self, epoch: int) -> Tensor:
        rng = seeded_generator(self.seed, "identities", epoch)
        chosen: list[Tensor] = []
        while len(chosen) < self.steps_per_epoch:  # no identity twice in a batch: what is left over waits its turn
            order = torch.randperm(len(self._members), generator=rng)
            whole = len(order) - len(order) % self.identities_per_batch
            chosen += torch.split(order[:whole], self.identities_per_batch)
        picked = [
            self._picked(int(identity), rng) for batch in chosen[: self.steps_per_epoch] for identity in batch
        ]  # fmt: skip
        return self.positions[torch.cat(picked)]

    def _picked(self, identity: int, rng: torch.Generator) -> Tensor:
        members = self._members[identity]
        order = members[torch.randperm(len(members), generator=rng)]
        return order.repeat(-(-self.per_identity // len(order)))[: self.per_identity]
