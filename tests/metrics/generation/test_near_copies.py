"""Near copies: those that are planted are found, and new samples are not taken for copies."""

import math

import pytest
import torch

from capas.metrics.generation.near_copies import near_copies


def images(count: int, seed: int) -> torch.Tensor:
    """Smooth images (count, 144) about as the range of pixels is, none like another."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 1, 4, 4, generator=rng)
    return torch.nn.functional.interpolate(coarse, (12, 12), mode="bilinear").flatten(1).clamp(-1, 1)


def test_planted_copies_are_found_and_new_samples_are_none() -> None:
    train, kept = images(1000, 0), images(200, 1)
    noise = 0.02 * torch.randn(300, 144, generator=torch.Generator().manual_seed(3))
    planted, new = train[100:400] + noise, images(300, 2)
    found = near_copies(torch.cat([planted, new]), train, kept)
    assert found.copied[:300].float().mean() >= 0.99
    assert found.nearest[:300].tolist() == list(range(100, 400))
    assert found.copied[300:].float().mean() <= 0.01
    assert found.share.value == pytest.approx(0.5, abs=0.01) and found.share.n == 600
    assert near_copies(new, train, kept).distance_ratio == pytest.approx(1, abs=0.1)
    assert near_copies(planted, train, kept).distance_ratio < 0.3


def test_exact_copies_are_found_even_where_kept_examples_are_copies_too() -> None:
    train = images(200, 0)
    found = near_copies(train[:50], train, train[50:100])
    assert found.threshold == 0 and found.share.value == 1 and found.distance_ratio == math.inf
    assert near_copies(images(50, 5), train, train[50:100]).share.value == 0


def test_nothing_to_compare_is_refused() -> None:
    some, none = images(3, 0), images(3, 0)[:0]
    for sides in ((none, some, some), (some, none, some), (some, some, none)):
        with pytest.raises(ValueError, match="expected some"):
            near_copies(*sides)
