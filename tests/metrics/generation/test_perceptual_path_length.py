"""Perceptual path length: of a straight way it is its squared length, and leaps make it large."""

import pytest
import torch
from torch import Tensor

from capas.metrics.generation.perceptual_path_length import perceptual_path_length

RNG = torch.Generator().manual_seed(0)
FIRST, SECOND = (torch.randn(200, 3, generator=RNG, dtype=torch.float64) for _ in range(2))
PLACES = torch.rand(200, generator=RNG, dtype=torch.float64)


def as_images(latents: Tensor) -> Tensor:
    return latents[:, :, None, None]


def as_features(images: Tensor) -> Tensor:
    return 2 * images.flatten(1)


def test_of_a_straight_way_it_is_the_squared_length() -> None:
    found = perceptual_path_length(as_images, as_features, FIRST, SECOND, PLACES)
    lengths = (4 * (SECOND - FIRST).square().sum(1)).sort().values[2:-2]
    assert found.value == pytest.approx(float(lengths.mean()), rel=1e-6)
    assert found.n == 196


def test_a_leap_makes_it_large() -> None:
    def leaping(latents: Tensor) -> Tensor:
        return as_images(latents + 0.3 * torch.sign(torch.sin(40 * latents)))

    smooth = perceptual_path_length(as_images, as_features, FIRST, SECOND, PLACES, epsilon=0.01)
    leaps = perceptual_path_length(leaping, as_features, FIRST, SECOND, PLACES, epsilon=0.01)
    assert leaps.value > 5 * smooth.value
