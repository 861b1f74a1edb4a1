"""Batches are a function of their step; a picture and its mask are made with the same chance."""

from itertools import islice

import pytest
import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipes.shared.batches import JointlyAugmentedBatches, training_sampler

POSITIONS = torch.tensor([3, 5, 8, 13, 21, 34, 55])
NAMES = [f"{i}.png" for i in range(60)]


def config(size: int = 3) -> Config:
    return Config().merged({"train.batch_size": size, "train.seed": 4})


def noisy(positions: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    chance = torch.rand(len(positions), generator=rng)
    return positions + chance, positions - chance


def batches(size: int = 3, ranks: Ranks | None = None) -> JointlyAugmentedBatches[Tensor]:
    return JointlyAugmentedBatches(training_sampler(config(size), POSITIONS, ranks or Ranks()), NAMES, noisy)


def test_an_epoch_has_whole_batches_of_different_examples() -> None:
    held = batches()
    assert (held.batch_size, held.examples, held.steps_per_epoch) == (3, 7, 2)
    seen = torch.cat([held.batch(step).positions for step in (0, 1)]).tolist()
    assert len(set(seen)) == 6 and set(seen) <= set(POSITIONS.tolist())
    assert batches(100).batch_size == 7


def test_inputs_and_targets_share_their_chance() -> None:
    batch = batches().batch(5)
    torch.testing.assert_close(batch.inputs + batch.targets, 2.0 * batch.positions)
    assert not torch.equal(batch.inputs, batch.targets)


def test_a_batch_is_the_same_whenever_it_is_asked_for() -> None:
    held = batches()
    forward = list(islice(held.iterate(), 5))
    for step in (4, 0, 2):
        again = batches().batch(step)
        assert torch.equal(again.inputs, forward[step].inputs) and torch.equal(again.targets, forward[step].targets)
    (late,) = islice(held.iterate(3), 1)
    assert torch.equal(late.inputs, forward[3].inputs)
    assert not torch.equal(forward[0].inputs % 1, forward[1].inputs % 1)


def test_names_are_those_of_the_positions() -> None:
    held = batches()
    assert held.names(1) == [f"{i}.png" for i in held.batch(1).positions.tolist()]


def test_ranks_divide_a_batch() -> None:
    whole = batches(4).batch(0).positions.tolist()
    parts = [batches(4, Ranks(rank=rank, world_size=2)).batch(0) for rank in (0, 1)]
    assert [i for part in parts for i in part.positions.tolist()] == whole
    assert not torch.equal(parts[0].inputs % 1, parts[1].inputs % 1)


def test_examples_of_similar_length_share_a_batch() -> None:
    lengths = torch.tensor([1, 70, 2, 71, 3, 72])
    order = training_sampler(config(), POSITIONS[:6], Ranks(), lengths=lengths)
    assert {tuple(sorted(order.positions_at(step).tolist())) for step in (0, 1)} == {(3, 8, 21), (5, 13, 34)}


def test_without_examples_there_is_nothing_to_load() -> None:
    with pytest.raises(CapasError) as error:
        training_sampler(config(), POSITIONS[:0], Ranks())
    assert error.value.key == "nothing_to_load"
