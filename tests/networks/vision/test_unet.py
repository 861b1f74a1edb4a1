"""U-Net: its size, and what it means that it is made of convolutions; the one on Lite0."""

import pytest
import torch

from capas.networks.vision.efficientnet import EfficientNet, EfficientNetConfig
from capas.networks.vision.efficientnet_weights import pretrained_lite0
from capas.networks.vision.unet import LITE0_LEVELS, Lite0Encoder, UNetConfig, pad_to_multiple, unet, unet_lite0


def settle(network: torch.nn.Module) -> torch.nn.Module:
    """Statistics of normalisation that are not the initial ones."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)
    return network.eval()


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "width", "depth"), [(1, 2, 64, 4), (3, 2, 64, 4), (3, 11, 16, 3), (2, 5, 8, 1)]
)
def test_parameters_are_counted_to_the_unit(in_channels: int, out_channels: int, width: int, depth: int) -> None:
    with torch.device("meta"):
        network = unet(in_channels=in_channels, out_channels=out_channels, width=width, depth=depth)
    expected, arriving = 0, in_channels
    for level in range(depth + 1):
        maps = width * 2**level
        expected += 9 * (arriving * maps + maps * maps) + 4 * maps
        if level < depth:  # the way up: 2×2 with bias, then 2·maps → maps → maps
            expected += 4 * 2 * maps * maps + maps + 9 * (2 * maps * maps + maps * maps) + 4 * maps
        arriving = maps
    expected += width * out_channels + out_channels
    assert sum(p.numel() for p in network.parameters()) == expected
    if (in_channels, width, depth) == (3, 64, 4):
        assert expected == 31_037_698  # as published implementations with batch normalisation count


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1, 5), (7, 64)])
@pytest.mark.parametrize("kind", ["unet", "lite0"])
def test_every_size_keeps_its_size(size: tuple[int, int], kind: str) -> None:
    network = unet(in_channels=3, out_channels=4, width=4, depth=3) if kind == "unet" else small_lite0()
    assert settle(network)(torch.randn(2, 3, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize("kind", ["unet", "lite0"])
def test_batch_equals_single(kind: str) -> None:
    network = settle(unet(in_channels=3, out_channels=4, width=4, depth=3) if kind == "unet" else small_lite0())
    images = torch.randn(3, 3, 40, 56)
    with torch.no_grad():
        torch.testing.assert_close(network(images), torch.cat([network(image[None]) for image in images]))


def test_shifted_by_a_multiple_the_answer_shifts_away_from_borders() -> None:
    network = settle(unet(in_channels=1, out_channels=2, width=4, depth=2)).double()
    wide = torch.randn(1, 1, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        here, there = network(wide[:, :, :88, :88]), network(wide[:, :, 8:, 4:92])
    inner = slice(30, 50)
    torch.testing.assert_close(there[:, :, inner, inner], here[:, :, 38:58, 34:54])
    assert not torch.allclose(there[:, :, inner, inner], here[:, :, inner, inner])


def test_padding_repeats_the_border_right_and_below() -> None:
    images = torch.arange(6.0).reshape(1, 1, 2, 3)
    grown = pad_to_multiple(images, 4)
    assert grown.shape == (1, 1, 4, 4)
    assert grown[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert torch.equal(pad_to_multiple(images[:, :, :2, :2], 2), images[:, :, :2, :2])


@pytest.mark.parametrize("kind", ["unet", "lite0"])
def test_gradient_reaches_every_parameter(kind: str) -> None:
    network = unet(in_channels=3, out_channels=2, width=4, depth=2) if kind == "unet" else small_lite0()
    network(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_lite0_encoder_gives_the_maps_of_the_whole_network() -> None:
    network = EfficientNet(EfficientNetConfig(variant="lite0")).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        maps = Lite0Encoder(network)(images)
        torch.testing.assert_close(maps[-1], network.blocks(network.stem(images)))
    assert [(m.shape[1], 64 // m.shape[2], 96 // m.shape[3]) for m in maps] == [
        (count, stride, stride) for (_, count), stride in zip(LITE0_LEVELS, (2, 4, 8, 16, 32), strict=True)
    ]


def test_lite0_starts_from_the_pretrained_weights_and_leaves_out_the_classifier() -> None:
    network = unet_lite0(out_channels=11)
    whole = pretrained_lite0()
    torch.testing.assert_close(network.encoder.stem[0].weight, whole.stem[0].weight)
    torch.testing.assert_close(network.encoder.levels[-1][-1].branch[0][0].weight, whole.blocks[-1].branch[0][0].weight)
    encoder = sum(p.numel() for p in network.encoder.parameters())
    left_out = sum(p.numel() for part in (whole.head, whole.classifier) for p in part.parameters())
    assert encoder == 4_652_008 - left_out
    maps, arriving = (64, 64, 32, 16), (320 + 112, 64 + 40, 64 + 24, 32 + 16)
    decoder = sum(9 * a * b + 2 * b for a, b in zip(arriving, maps, strict=True)) + 16 * 11 + 11
    assert sum(p.numel() for p in network.parameters()) == encoder + decoder
    assert network.training


def test_training_lite0_draws_no_chance() -> None:
    network = small_lite0().train()
    state = torch.get_rng_state()
    network(torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)).expand(2, -1, -1, -1))
    assert torch.equal(state, torch.get_rng_state())


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="depth"):
        UNetConfig(in_channels=1, out_channels=1, depth=0)
    with pytest.raises(ValueError, match="in_channels"):
        unet_lite0(out_channels=2, in_channels=1)
    with pytest.raises(ValueError, match="width"):
        unet_lite0(out_channels=2, width=0, pretrained=False)


def small_lite0() -> torch.nn.Module:
    return unet_lite0(out_channels=4, width=4, pretrained=False)
