"""The order of examples is a function of seed and step, the same for all media; like lengths come together."""

from collections import Counter
from itertools import chain

import pytest
import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.batch import batches_with_targets
from capas.data.sampler import BatchSampler

POSITIONS = torch.arange(100, 153)


def order(*, batch_size: int = 8, seed: int = 1, drop_last: bool = True, lengths: Tensor | None = None, rank: int = 0,
          world_size: int = 1) -> BatchSampler:  # fmt: skip
    return BatchSampler(
        POSITIONS,
        batch_size=batch_size,
        seed=seed,
        rank=rank,
        world_size=world_size,
        drop_last=drop_last,
        lengths=lengths,
    )


def epoch(made: BatchSampler, number: int) -> list[list[int]]:
    steps = range(number * made.steps_per_epoch, (number + 1) * made.steps_per_epoch)
    return [made.positions_at(step).tolist() for step in steps]


def test_the_order_is_the_one_that_earlier_runs_began_with() -> None:
    """A run of an earlier version that is resumed must go on with the same batches: one permutation an epoch."""
    made = order()
    for number in (2, 0, 1):
        shuffled = POSITIONS[torch.randperm(53, generator=seeded_generator(1, "order", number))]
        assert epoch(made, number) == shuffled[:48].view(6, 8).tolist()
    assert order().positions_at(0).tolist() == [
        132,
        136,
        141,
        142,
        112,
        113,
        105,
        140,
    ]  # recorded before Order was a file


def test_a_step_can_be_asked_for_at_any_time() -> None:
    one, other = order(seed=5), order(seed=5)
    for step in (17, 3, 0, 17, 8):
        assert torch.equal(one.positions_at(step), other.positions_at(step))
    assert not torch.equal(one.positions_at(0), order(seed=6).positions_at(0))


@pytest.mark.parametrize("lengths", [None, torch.arange(53) % 7])
@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_a_batch_without_overlap(world_size: int, lengths: Tensor | None) -> None:
    alone = order(lengths=lengths)
    ranks = [order(rank=rank, world_size=world_size, lengths=lengths) for rank in range(world_size)]
    for step in range(2 * alone.steps_per_epoch):
        parts = [rank.positions_at(step).tolist() for rank in ranks]
        assert len({len(part) for part in parts}) == 1
        assert list(chain(*parts)) == alone.positions_at(step).tolist()[: sum(map(len, parts))]


@pytest.mark.parametrize("batch_size", [1, 4, 8, 60])
def test_buckets_of_length_hold_every_example_once_an_epoch(batch_size: int) -> None:
    made = order(batch_size=batch_size, drop_last=False, lengths=torch.arange(53).flip(0))
    for number in range(2):
        assert sorted(chain(*epoch(made, number))) == POSITIONS.tolist()
    if batch_size < 53:
        assert epoch(made, 0) != epoch(made, 1)


def test_like_lengths_share_a_batch_and_batches_are_shuffled() -> None:
    lengths = (torch.arange(53) * 17) % 53
    batches = epoch(order(lengths=lengths), 0)
    spans = [[int(lengths[p - 100]) for p in batch] for batch in batches]
    assert all(max(span) - min(span) < 16 for span in spans)
    starts = [min(span) for span in spans]
    assert starts != sorted(starts)


def test_what_is_dropped_is_left_to_chance_and_not_the_longest() -> None:
    """Cut off after sorting, the longest examples would be dropped in every epoch, and never be learnt."""
    made = order(lengths=torch.arange(53))
    seen = Counter(position for number in range(30) for batch in epoch(made, number) for position in batch)
    assert seen.keys() == set(POSITIONS.tolist()) and min(seen.values()) > 15


def test_fewer_examples_than_processes_is_said() -> None:
    with pytest.raises(CapasError) as caught:
        BatchSampler(torch.arange(2), batch_size=8, seed=1, world_size=3)
    assert caught.value.key == "nothing_to_load"


def test_batches_of_any_medium_are_a_function_of_seed_and_step() -> None:
    def noisy(positions: Tensor, rng: torch.Generator) -> Tensor:
        return positions + torch.rand(len(positions), generator=rng)

    names, targets = [str(i) for i in range(200)], torch.arange(200) * 10
    one, other = (batches_with_targets(order(), names, targets, noisy) for _ in range(2))
    later = other.iterate(3)
    for step in (3, 4, 5):
        batch, same = one.batch(step), next(later)
        assert torch.equal(batch.inputs, same.inputs) and torch.equal(batch.positions, same.positions)
        assert torch.equal(batch.targets, 10 * batch.positions)
        assert one.names(step) == [str(p) for p in batch.positions.tolist()]
    assert not torch.equal(one.batch(0).inputs % 1, one.batch(1).inputs % 1)
    assert (one.examples, one.batch_size, one.steps_per_epoch) == (53, 8, 6)
