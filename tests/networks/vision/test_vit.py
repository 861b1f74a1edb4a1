"""The Vision Transformer: its size, its positions, and that it sees what it is given alone."""

import math

import pytest
import torch
from torch import nn

from capas.networks.vision.vit import (
    VisionTransformer,
    VisionTransformerConfig,
    grid_positions,
    vit_small_images,
)

TINY = VisionTransformerConfig(in_channels=2, num_classes=3, image_size=12, patch_size=3, width=8, depth=2, heads=2)


def images(count: int, side: int) -> torch.Tensor:
    return torch.randn(count, 2, side, side, generator=torch.Generator().manual_seed(0))


def test_the_base_configuration_has_the_published_size() -> None:
    """86,567,656 with a learned position for every patch and the class (Dosovitskiy et al.; torchvision's count)."""
    with torch.device("meta"):
        network = VisionTransformer(VisionTransformerConfig())
    counted = sum(tensor.numel() for tensor in [*network.parameters(), *network.buffers()])
    assert counted == 86_567_656


def test_positions_are_sines_and_cosines_of_column_and_row() -> None:
    found = grid_positions(3, 4, 8)
    assert found.shape == (13, 8) and not found[0].any()
    row, column = 2, 1
    expected = [f(place * rate) for place in (column, row) for f in (math.sin, math.cos) for rate in (1.0, 0.01)]
    torch.testing.assert_close(found[1 + row * 4 + column], torch.tensor(expected), rtol=0, atol=1e-6)


def test_features_are_the_mean_of_the_patches_tokens() -> None:
    network = VisionTransformer(TINY).eval()
    network.head = nn.Identity()
    features = network(images(2, 12))
    tokens = network.encode(network.patch_tokens(images(2, 12)))
    assert features.shape == (2, 8) and tokens.shape == (2, 17, 8)
    torch.testing.assert_close(features, tokens[:, 1:].mean(1))


def test_patches_know_their_place() -> None:
    """Without positions, a network of attention and means could not tell an image from a shuffled one."""
    network = VisionTransformer(TINY).eval()
    original = images(1, 12)
    assert (network(original) - network(original.roll(3, dims=3))).abs().max() > 1e-3
    network.get_buffer("positions").zero_()
    torch.testing.assert_close(network(original), network(original.roll(3, dims=3)))


def test_it_takes_other_sizes_and_pads_them() -> None:
    network = VisionTransformer(TINY).eval()
    small = images(2, 8)
    assert network(small).shape == (2, 3)
    padded = nn.functional.pad(small, (0, 1, 0, 1))
    torch.testing.assert_close(network(small), network(padded))
    wide = images(2, 12)[:, :, :4]
    assert network.patch_tokens(wide).shape == (2, 8, 8)
    torch.testing.assert_close(network(wide), network(nn.functional.pad(wide, (0, 0, 0, 2))))


def test_kept_patches_are_all_it_sees() -> None:
    network = VisionTransformer(TINY).eval()
    given = images(1, 12).requires_grad_()
    network.encode(network.patch_tokens(given), torch.tensor([[5, 0]]))[..., 0].sum().backward()
    assert given.grad is not None
    seen = given.grad.abs().sum(1)[0].unfold(0, 3, 3).unfold(1, 3, 3).sum((2, 3)).flatten()
    assert seen.nonzero().flatten().tolist() == [0, 5]
    everything = network.encode(network.patch_tokens(given))
    order = torch.tensor([list(range(16))])
    torch.testing.assert_close(network.encode(network.patch_tokens(given), order), everything)


@pytest.mark.parametrize(("size", "patch"), [(16, 2), (28, 4), (30, 4), (32, 4), (64, 8), (224, 28)])
def test_small_images_are_at_most_eight_patches_wide(size: int, patch: int) -> None:
    with torch.device("meta"):
        config = vit_small_images(in_channels=1, num_classes=2, image_size=size, width=None).config
    assert config.patch_size == patch and config.grid <= 8 and config.width // config.heads == 64


@pytest.mark.parametrize("width", [1, 6, 96, 130, 200])
def test_any_width_will_do(width: int) -> None:
    network = vit_small_images(in_channels=1, num_classes=2, image_size=16, width=width)
    assert width % network.config.heads == 0
    assert network(torch.zeros(1, 1, 16, 16)).shape == (1, 2)


def test_nothing_depends_on_the_length_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """len() of a tensor would become a constant of an exported network, which then takes no other batch."""

    def refuse(tensor: torch.Tensor) -> int:
        raise AssertionError("len() of a tensor")

    network, given = VisionTransformer(TINY).eval(), images(2, 12)
    monkeypatch.setattr(torch.Tensor, "__len__", refuse)
    assert network(given).shape == (2, 3)
