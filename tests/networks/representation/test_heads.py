"""The heads: as many parameters as the papers' have."""

import torch
from torch import nn

from capas.networks.representation.heads import byol_predictor, byol_projector, simclr_projector


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_papers_sizes() -> None:
    with torch.device("meta"):
        # Two scales and shifts of a batch normalisation per output; biases only where none follows.
        assert count(simclr_projector(2048)) == 2048 * 2048 + 2 * 2048 + 2048 * 128 + 2 * 128
        assert count(byol_projector(2048)) == 2048 * 4096 + 2 * 4096 + 4096 * 256 + 256
        assert count(byol_predictor(2048)) == 256 * 4096 + 2 * 4096 + 4096 * 256 + 256


def test_the_order_of_the_layers() -> None:
    kinds = [type(layer) for layer in simclr_projector(6, output_dim=3)]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d]
    assert [type(layer) for layer in byol_projector(6, output_dim=3)] == kinds[:4]
    assert byol_predictor(6, output_dim=3)(torch.randn(4, 3)).shape == (4, 3)
