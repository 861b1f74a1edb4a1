"""Batches of P identities with K examples each."""

import pytest
import torch

from capas.data.identity_sampler import IdentitySampler

IDENTITIES = torch.tensor([0] * 5 + [1] * 3 + [2] + [3] * 6 + [4] * 9)
POSITIONS = torch.arange(100, 124)


def sampler(batch_size: int = 12, rank: int = 0, world_size: int = 1, seed: int = 1) -> IdentitySampler:
    return IdentitySampler(
        POSITIONS, IDENTITIES, batch_size=batch_size, per_identity=4, seed=seed, rank=rank, world_size=world_size
    )


def test_every_batch_holds_p_identities_with_k_examples() -> None:
    made = sampler()
    assert (made.batch_size, made.steps_per_epoch) == (12, 2)
    for step in range(20):
        positions = made.positions_at(step)
        own = IDENTITIES[positions - 100].view(3, 4)
        assert (own == own[:, :1]).all() and len(own[:, 0].unique()) == 3
        for identity, row in zip(own[:, 0].tolist(), positions.view(3, 4), strict=True):
            held = int((identity == IDENTITIES).sum())
            assert len(row.unique()) == min(4, held)


def test_every_identity_has_its_turn() -> None:
    made = sampler(batch_size=8)
    seen = torch.cat([IDENTITIES[made.positions_at(step) - 100] for step in range(30)])
    assert set(seen.tolist()) == {0, 1, 2, 3, 4}


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    first, again = sampler(), sampler()
    ahead = again.positions_at(7)
    assert torch.equal(first.positions_at(7), ahead)
    assert torch.equal(first.positions_at(0), again.positions_at(0))
    assert not torch.equal(first.positions_at(0), first.positions_at(2))
    assert not torch.equal(first.positions_at(0), sampler(seed=2).positions_at(0))


def test_ranks_share_one_batch() -> None:
    whole = sampler(batch_size=8)
    parts = [sampler(batch_size=8, rank=rank, world_size=2) for rank in (0, 1)]
    for step in (0, 5):
        together = torch.cat([part.positions_at(step) for part in parts])
        assert torch.equal(together, whole.positions_at(step))


def test_more_identities_than_there_are_cannot_be_asked_for() -> None:
    assert sampler(batch_size=400).batch_size == 20
    with pytest.raises(ValueError, match="expected 2 and 2"):
        IdentitySampler(POSITIONS, torch.zeros(24, dtype=torch.long), batch_size=8, per_identity=4, seed=1)
