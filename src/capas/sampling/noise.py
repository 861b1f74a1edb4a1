"""Noise of many samples, each from a generator of its own: what one sample is does not depend on how many are drawn."""

from collections.abc import Sequence

import torch
from torch import Tensor

from capas.core.rng import seeded_generator


def sample_generators(seed: int, count: int, *, first: int = 0) -> list[torch.Generator]:
    """Return the generators of the samples ``first`` to ``first + count - 1`` of a seed."""
    return [seeded_generator(seed, "sample", number) for number in range(first, first + count)]


def normal_noise(rngs: Sequence[torch.Generator], *shape: int) -> Tensor:
    """Return standard normal noise (N, *shape): row i is drawn from ``rngs[i]``."""
    return torch.stack([torch.randn(shape, generator=rng) for rng in rngs])


def classes_in_turn(count: int, classes: int) -> Tensor | None:
    """Return 0, 1, … ``classes`` − 1, 0, … for ``count`` samples, int64; None where there are no classes.

    >>> classes_in_turn(5, 3)
    tensor([0, 1, 2, 0, 1])
    """
    return torch.arange(count) % classes if classes else None
