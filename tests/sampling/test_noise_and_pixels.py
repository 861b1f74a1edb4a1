import numpy as np
import torch

from capas.sampling.noise import normal_noise, sample_generators
from capas.sampling.pixels import to_pixels, to_unit_range


def test_a_sample_does_not_depend_on_how_many_are_drawn() -> None:
    together = normal_noise(sample_generators(5, 4), 2, 3)
    torch.manual_seed(99)
    alone = normal_noise(sample_generators(5, 1, first=2), 2, 3)
    assert torch.equal(together[2], alone[0])
    assert not torch.equal(together[0], together[1])


def test_global_randomness_is_left_alone() -> None:
    before = torch.get_rng_state()
    normal_noise(sample_generators(0, 2), 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_pixels_there_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    unit = to_unit_range(levels)
    assert unit.min() == -1
    assert unit.max() == 1
    assert np.array_equal(to_pixels(unit)[0], levels[0, 0].numpy())
    assert to_pixels(torch.full((1, 3, 2, 2), 7.0)).tolist() == [[[[255] * 3] * 2] * 2]
