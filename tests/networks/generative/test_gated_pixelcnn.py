import itertools

import pytest
import torch
from torch import nn

from capas.engine.recipes.generation.pixel_family import PixelGenerator
from capas.networks.generative.gated_pixelcnn import GatedPixelCNN, GatedPixelCNNConfig
from capas.objectives.generative.autoregression import bits_of_levels, from_levels, to_levels


def made(config: GatedPixelCNNConfig) -> GatedPixelCNN:
    torch.manual_seed(0)
    network = GatedPixelCNN(config)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.3)
    return network.double().eval()


@pytest.mark.parametrize("channels", [1, 3])
def test_every_number_depends_on_all_before_it_and_on_nothing_else(channels: int) -> None:
    """By the Jacobian: strictly causal, and without a blind spot (six layers reach over all of 6×6)."""
    side = 6
    network = made(GatedPixelCNNConfig(channels=channels, width=6, layers=6, levels=2))
    size = channels * side * side
    depends = torch.zeros(size, size, dtype=torch.bool)
    for _ in range(8):  # one image alone may leave units at rest
        images = torch.randn(1, channels, side, side, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(lambda x: network(x)[0, 1] - network(x)[0, 0], images)
        # In the order in which they are drawn: row, column, colour.
        depends |= jacobian[:, :, :, 0].permute(1, 2, 0, 4, 5, 3).reshape(size, size) != 0
    assert torch.equal(depends, torch.ones_like(depends).tril(-1))


def test_the_likelihood_of_all_images_sums_to_one() -> None:
    network = made(GatedPixelCNNConfig(width=3, layers=2, levels=2, classes=2))
    grids = torch.tensor(list(itertools.product((0, 1), repeat=6))).reshape(-1, 1, 2, 3)
    images = from_levels(grids, 2).double()
    for number in (0, 1):
        bits = bits_of_levels(network(images, torch.full((len(images),), number)), images) * 6
        assert (2.0**-bits).sum().item() == pytest.approx(1, abs=1e-5)


def test_drawn_as_often_as_it_says() -> None:
    network = made(GatedPixelCNNConfig(width=3, layers=2, levels=2)).float()
    grids = torch.tensor(list(itertools.product((0, 1), repeat=4))).reshape(-1, 1, 2, 2)
    images = from_levels(grids, 2)
    stated = 2.0 ** (-4 * bits_of_levels(network(images), images)).detach()
    generator = PixelGenerator(network, (1, 2, 2))
    count = 3000
    drawn = generator.draw([torch.Generator().manual_seed(i) for i in range(count)], None)
    codes = (to_levels(drawn, 2).reshape(count, 4) * torch.tensor([8, 4, 2, 1])).sum(1)
    seen = codes.bincount(minlength=16) / count
    assert (seen - stated).abs().max() < 4 * (0.25 / count) ** 0.5


def test_rows_out_of_reach_make_no_difference_to_what_is_drawn() -> None:
    config = GatedPixelCNNConfig(width=2, layers=2, levels=4)
    network = made(config).float()
    assert config.reach == 5
    images = torch.randn(1, 1, 9, 3)
    whole = network(images)[:, :, :, -1]
    assert torch.allclose(network(images[:, :, 9 - config.reach - 1 :])[:, :, :, -1], whole, atol=1e-6)
    assert not torch.allclose(network(images[:, :, 9 - config.reach :])[:, :, :, -1], whole, atol=1e-6)


def test_completing_keeps_what_is_known() -> None:
    network = made(GatedPixelCNNConfig(width=3, layers=2, levels=2)).float()
    images, known = from_levels(torch.ones(2, 1, 3, 3).long(), 2), torch.zeros(2, 1, 3, 3, dtype=torch.bool)
    known[:, :, 0] = True
    rngs = [torch.Generator().manual_seed(i) for i in range(2)]
    drawn = PixelGenerator(network, (1, 3, 3)).complete(images, known, rngs, None)
    assert (drawn[:, :, 0] == 1).all()


def test_classes_are_missing() -> None:
    with pytest.raises(ValueError, match="classes are missing"):
        GatedPixelCNN(GatedPixelCNNConfig(width=2, layers=1, classes=2))(torch.zeros(1, 1, 2, 2))
