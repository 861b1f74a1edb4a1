"""Transformers over a shared vocabulary."""

import pytest
import torch

from capas.data.text.vocabulary import SubwordVocabulary
from capas.engine.config import Config
from capas.engine.recipes.translation.network import build_network, new_transformer, num_layers_for

CODE = SubwordVocabulary.learn(["ab ba"] * 3, size=265)


@pytest.mark.parametrize(("width", "layers"), [(8, 2), (255, 2), (256, 3), (512, 3)])
def test_wide_networks_have_a_third_layer(width: int, layers: int) -> None:
    assert num_layers_for(width) == layers


def test_the_network_has_the_width_and_an_output_per_token() -> None:
    network = new_transformer(CODE, 8)
    shapes = [tuple(parameter.shape) for parameter in network.parameters()]
    # The vocabulary is shared; two layers on each side widen to four times the width.
    assert shapes.count((len(CODE), 8)) == 1 and shapes.count((32, 8)) == 4
    logits = network.eval()(torch.tensor([[5, 6, 2]]), torch.tensor([3]), torch.tensor([[1, 5]]))
    assert logits.shape == (1, 2, len(CODE))


def test_weights_follow_from_the_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        network = build_network(Config().merged({"network.width": 8, "train.seed": seed}), CODE)
        assert network.training
        return torch.cat([p.flatten() for p in network.parameters()])

    assert torch.equal(first(3), first(3)) and not torch.equal(first(3), first(4))
