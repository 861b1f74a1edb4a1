"""ResNets, plain networks and CompactResNet: what their shortcuts and sizes mean."""

import pytest
import torch
from torch import nn

from capas.networks.vision.compact_resnet import CompactResNet, CompactResNetConfig, ResidualPair
from capas.networks.vision.resnet import CifarResNet, CifarResNetConfig, ResNetBlock, ResNetConfig, SubsampleAndPad


def test_option_a_has_no_parameters_and_keeps_every_second_pixel() -> None:
    shortcut = SubsampleAndPad(2, 2)
    images = torch.arange(16.0).reshape(1, 1, 4, 4)
    thinned = shortcut(images)
    assert list(shortcut.parameters()) == []
    assert thinned.shape == (1, 3, 2, 2)
    assert thinned[0, 0].tolist() == [[0.0, 2.0], [8.0, 10.0]]
    assert thinned[0, 1:].abs().sum() == 0


@pytest.mark.parametrize("shortcuts", [True, False])
def test_without_branches_only_shortcuts_let_the_picture_through(shortcuts: bool) -> None:
    """With every branch silenced a residual network is an identity of its stem; a plain one is blind."""
    network = CifarResNet(CifarResNetConfig(depth=20, shortcuts=shortcuts)).eval()
    for block in network.modules():
        if isinstance(block, ResNetBlock):
            nn.init.zeros_(list(block.branch.parameters())[-2])  # the scale of the last normalisation
            nn.init.zeros_(list(block.branch.parameters())[-1])
    images = torch.randn(2, 3, 16, 16)
    stem = network.stem(images)[:, :, ::4, ::4].mean(dim=(2, 3))
    reached = network.stages(network.stem(images)).mean(dim=(2, 3))
    assert torch.allclose(reached[:, :16], stem, atol=1e-6) == shortcuts
    assert (reached.abs().sum() > 0) == shortcuts


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_depth_counts_the_layers_with_weights(depth: int) -> None:
    with torch.device("meta"):
        network = CifarResNet(CifarResNetConfig(depth=depth))
    assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network.modules()) == depth


def test_plain_network_differs_only_in_its_shortcuts() -> None:
    residual = CifarResNet(CifarResNetConfig(depth=20))
    plain = CifarResNet(CifarResNetConfig(depth=20, shortcuts=False))
    plain.load_state_dict(residual.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert not torch.allclose(residual.eval()(images), plain.eval()(images))


@pytest.mark.parametrize("depth", [19, 2, 21])
def test_cifar_depth_must_be_six_n_plus_two(depth: int) -> None:
    with pytest.raises(ValueError, match="6n"):
        CifarResNetConfig(depth=depth)


def test_imagenet_depth_must_be_in_the_table() -> None:
    with pytest.raises(ValueError, match="18, 34, 50, 101, 152"):
        ResNetConfig(depth=20)


@pytest.mark.parametrize("size", [8, 9, 28, 33, 65, 100, 224])
def test_compact_takes_every_size(size: int) -> None:
    from capas.networks.catalog import create_network

    network = create_network("compact", in_channels=1, num_classes=5, image_size=size, width=4).eval()
    assert network(torch.randn(1, 1, size, size)).shape == (1, 5)
    assert network.stages(network.stem(torch.randn(1, 1, size, size))).shape[-1] in range(1, 9)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_no_pixel_is_skipped_by_the_stem(stride: int) -> None:
    network = CompactResNet(CompactResNetConfig(in_channels=1, width=4, stem_stride=stride)).eval()
    images = torch.randn(1, 1, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(network.stem[0](images).square().sum(), images)
    assert (gradient != 0).all()


def test_residual_pair_adds_to_its_input() -> None:
    pair = ResidualPair(3).eval()
    images = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(pair(images) - images, pair.branch(images))
    nn.init.zeros_(pair.branch[1][1].weight)
    assert torch.equal(pair(images), images)


def test_residual_blocks_can_be_left_out() -> None:
    full, bare = CompactResNetConfig(width=4), CompactResNetConfig(width=4, residual=(False, False, False))
    sizes = [sum(p.numel() for p in CompactResNet(config).parameters()) for config in (full, bare)]
    # Each block: two 3×3 convolutions with as many maps in as out, and their scales and shifts.
    assert sizes[0] - sizes[1] == sum(2 * (9 * c * c + 2 * c) for c in (8, 16, 32))


@pytest.mark.parametrize("wrong", [{"width": 0}, {"stem_stride": 3}, {"num_classes": 0}])
def test_compact_config_refuses_what_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CompactResNetConfig(**wrong)
