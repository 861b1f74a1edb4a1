"""U-Nets: their outputs, and weights that follow from the seed."""

import pytest
import torch

from capas.engine.config import Config
from capas.engine.recipes.segmentation import network as module
from capas.engine.recipes.segmentation.network import build_network, new_segmentation_network

SETTINGS = {"network.name": "unet", "network.width": 4, "data.channels": 1, "network.pretrained": False}


@pytest.mark.parametrize(("name", "channels"), [("unet", 3), ("unet-lite0", 1)])
def test_every_pixel_has_logits(name: str, channels: int) -> None:
    network = new_segmentation_network(name, channels, 5, 4)
    assert network.training
    with torch.no_grad():
        assert network.eval()(torch.rand(1, channels, 32, 64)).shape == (1, 5, 32, 64)


def test_weights_follow_from_the_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        network = build_network(Config().merged({**SETTINGS, "train.seed": seed}), 2)
        return next(network.parameters())

    assert torch.equal(first(1), first(1)) and not torch.equal(first(1), first(2))


@pytest.mark.parametrize(
    ("wanted", "fresh", "loaded"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_pretrained_weights_are_loaded_only_into_what_is_to_be_trained(
    wanted: bool, fresh: bool, loaded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[bool]()

    def lite0(*, pretrained: bool, **shape: int) -> torch.nn.Module:
        assert shape == {"out_channels": 2, "width": 4, "in_channels": 3}
        asked.append(pretrained)
        return torch.nn.Identity()

    monkeypatch.setattr(module, "unet_lite0", lite0)
    settings = {**SETTINGS, "network.name": "unet-lite0", "data.channels": 3, "network.pretrained": wanted}
    build_network(Config().merged(settings), 2, fresh=fresh)
    assert asked == [loaded]
