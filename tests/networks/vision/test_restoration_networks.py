"""Networks from picture to picture, and our bicubic against Pillow's."""

import numpy as np
import pytest
import torch
from PIL import Image

from capas.networks.vision.bicubic import bicubic, resampling_matrix
from capas.networks.vision.colouriser import Colouriser
from capas.networks.vision.dncnn import DnCNN, DnCNNConfig
from capas.networks.vision.super_resolution import SuperResolution, SuperResolutionConfig


@pytest.mark.parametrize("size", [(26, 34), (39, 51), (52, 68), (5, 9), (6, 8), (13, 40), (3, 2), (1, 1)])
@pytest.mark.parametrize("seed", [0, 1])
def test_bicubic_is_pillows(size: tuple[int, int], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    if seed == 1:  # hard edges, where the kernel overshoots
        pixels = (pixels > 127).astype(np.uint8) * 255
    expected = np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    ours = bicubic(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255, *size)
    found = (ours[0].permute(1, 2, 0) * 255).round().numpy()
    assert np.abs(found - expected.astype(float)).max() <= 1


def test_bicubic_keeps_flat_pictures_and_size() -> None:
    torch.testing.assert_close(bicubic(torch.full((1, 1, 5, 7), 0.3), 13, 4), torch.full((1, 1, 13, 4), 0.3))
    images = torch.rand(2, 3, 6, 5)
    torch.testing.assert_close(bicubic(images, 6, 5), images)
    assert torch.allclose(resampling_matrix(7, 23).sum(1), torch.ones(23, dtype=torch.float64))
    with pytest.raises(ValueError, match="0"):
        resampling_matrix(3, 0)


def test_dncnn_is_as_large_as_published() -> None:
    assert sum(p.numel() for p in DnCNN(DnCNNConfig(channels=1)).parameters()) == 556_032


@pytest.mark.parametrize("extra", [0, 1])
def test_dncnn_takes_noise_from_the_picture_alone(extra: int) -> None:
    network = DnCNN(DnCNNConfig(channels=2, extra_channels=extra, width=8, depth=4)).eval()
    spoiled = torch.randn(2, 2 + extra, 9, 11)
    assert torch.equal(network(spoiled), spoiled[:, :2])  # untrained it changes nothing
    torch.nn.init.normal_(network.noise[-1].weight)
    torch.testing.assert_close(network(spoiled), spoiled[:, :2] - network.noise(spoiled))
    torch.testing.assert_close(network(spoiled), torch.cat([network(one[None]) for one in spoiled]))


def test_dncnn_sees_as_far_as_its_depth() -> None:
    """The paper: (2·depth + 1)² pixels."""
    network = DnCNN(DnCNNConfig(channels=1, width=8, depth=5)).eval()
    torch.nn.init.normal_(network.noise[-1].weight)
    spoiled = torch.randn(1, 1, 31, 31, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(spoiled)[0, 0, 15, 15], spoiled)
    rows = gradient[0, 0].abs().sum(1).nonzero()[:, 0]
    assert rows.min() >= 15 - 5 and rows.max() <= 15 + 5 and len(rows) >= 9


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_super_resolution_starts_at_bicubic_and_learns_to_correct_it(factor: int) -> None:
    network = SuperResolution(SuperResolutionConfig(channels=3, factor=factor, width=8, blocks=2))
    small = torch.rand(2, 3, 5, 7)
    large = network(small)
    torch.testing.assert_close(large, bicubic(small, 5 * factor, 7 * factor))
    large.square().mean().backward()
    assert network.last.weight.grad is not None and network.last.weight.grad.abs().sum() > 0
    torch.nn.init.normal_(network.last.weight)
    torch.testing.assert_close(network(small), torch.cat([network(one[None]) for one in small]))


def test_super_resolution_counts() -> None:
    network = SuperResolution(SuperResolutionConfig(channels=3, factor=4, width=32, blocks=6))
    inner = 9 * 32 * 32 + 32
    assert sum(p.numel() for p in network.parameters()) == 9 * 3 * 32 + 32 + 13 * inner + 9 * 32 * 48 + 48


def test_sub_pixels_land_where_equation_4_says() -> None:
    network = SuperResolution(SuperResolutionConfig(channels=1, factor=2, width=4, blocks=1))
    assert network.last.bias is not None
    network.last.bias.data = torch.tensor([1.0, 2.0, 3.0, 4.0])
    correction = network(torch.zeros(1, 1, 3, 3))
    assert correction[0, 0, 2:4, 4:6].tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_colouriser_starts_grey_and_answers_for_each_pixel() -> None:
    network = Colouriser(width=4, depth=2).eval().double()
    lightness = torch.rand(2, 1, 13, 18, dtype=torch.float64) * 100
    assert network(lightness).shape == (2, 2, 13, 18)
    assert not network(lightness).any()
    torch.nn.init.normal_(network.unet.head.weight)
    torch.testing.assert_close(network(lightness), torch.cat([network(one[None]) for one in lightness]))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="factor"):
        SuperResolutionConfig(channels=3, factor=5)
    with pytest.raises(ValueError, match="width"):
        SuperResolutionConfig(channels=3, factor=2, width=0)
    with pytest.raises(ValueError, match="depth"):
        DnCNNConfig(channels=1, depth=1)
