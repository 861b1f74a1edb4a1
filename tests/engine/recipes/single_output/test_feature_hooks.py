"""The features before the last linear layer, also where several lie side by side."""

import torch
from torch import Tensor, nn

from capas.engine.recipes.single_output.feature_hooks import FeatureHooks, last_linear
from capas.networks.layers import PackedLinear


class Packed(nn.Module):
    """Three members side by side, whose outputs are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.output = PackedLinear(3, 4, 5), PackedLinear(3, 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.hidden(x[:, None].expand(-1, 3, -1)).relu()
        mean: Tensor = self.output(inner).mean(1)
        return mean


def test_of_packed_layers_all_members_features_are_taken() -> None:
    network, x = Packed(), torch.rand(7, 4)
    with FeatureHooks(network) as hooks:
        features, both = hooks.collect(network(x))
    expected = network.hidden(x[:, None].expand(-1, 3, -1)).relu().flatten(1)
    torch.testing.assert_close(features, expected)
    assert features.shape == both.shape == (7, 15)


def test_the_last_one_is_found_and_none_where_there_is_none() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), nn.Softmax(1))
    assert last_linear(network) is network[2] and last_linear(nn.ReLU()) is None
