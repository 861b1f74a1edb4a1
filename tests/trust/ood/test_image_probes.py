"""Probes keep the size and the range, and each destroys what it says and nothing else."""

import pytest
import torch

from capas.trust.ood.image_probes import IMAGE_PROBES, blank, inverted, noise, rotated, tiles


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", list(IMAGE_PROBES))
@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 21, 34)])
def test_probes_have_the_pictures_size_range_and_seed(name: str, shape: tuple[int, ...]) -> None:
    pictures = torch.rand(shape, generator=rng(1))
    kept = pictures.clone()
    made = IMAGE_PROBES[name](pictures, rng())
    assert made.shape == pictures.shape and made.min() >= 0 and made.max() <= 1
    assert torch.equal(made, IMAGE_PROBES[name](pictures, rng())) and torch.equal(pictures, kept)
    assert not torch.allclose(made, pictures)


def test_tiles_move_and_keep_what_they_hold() -> None:
    pictures = torch.arange(2 * 2 * 9 * 8).reshape(2, 2, 9, 8) / 1000
    made = tiles(pictures, rng())
    assert torch.equal(made.flatten(2).sort(2).values, pictures.flatten(2).sort(2).values)
    assert torch.equal(made[:, :, 8:], pictures[:, :, 8:])
    assert not torch.equal(made[0], made[1] - (pictures[1] - pictures[0]))  # another order for each
    # A tile keeps its inside: right neighbours differ by one as before.
    assert (made[:, :, :8, 0::2] + 0.001).allclose(made[:, :, :8, 1::2])
    with pytest.raises(ValueError, match="pixels"):
        tiles(torch.rand(1, 1, 3, 8), rng())


def test_four_quarter_turns_and_two_inversions_are_none() -> None:
    pictures = torch.rand(2, 3, 8, 8, generator=rng())
    turned = pictures
    for _ in range(4):
        turned = rotated(turned, rng())
    assert torch.equal(turned, pictures)
    assert torch.allclose(inverted(inverted(pictures, rng()), rng()), pictures)


def test_blank_is_even_and_noise_is_not() -> None:
    pictures = torch.rand(40, 3, 8, 8, generator=rng())
    assert blank(pictures, rng()).flatten(1).std(1).max() < 1e-6
    assert blank(pictures, rng())[:, 0, 0, 0].std() > 0.2
    assert noise(pictures, rng()).flatten(1).std(1).min() > 0.2
