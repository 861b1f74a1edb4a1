"""Networks of the catalogue as configured; a pretrained one begins with every class equally likely."""

import pytest
import torch
from torch import nn

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.recipes.single_output.image import network as module
from capas.engine.recipes.single_output.image.network import build_network
from capas.networks.vision.flip_tta import FlipTTA

SETTINGS = {"network.name": "compact", "network.width": 4, "network.pretrained": False, "network.flip_tta": False,
            "data.channels": 1, "data.image_size": 16}  # fmt: skip


def built(fresh: bool = True, **changes: object) -> nn.Module:
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    return build_network(Config().merged(settings), num_classes=3, kind="class", fresh=fresh)


def test_a_network_has_an_output_per_class() -> None:
    made = built()
    assert made.training and made.eval()(torch.rand(2, 1, 16, 16)).shape == (2, 3)


def test_flips_are_answered_together_where_asked() -> None:
    made = built(network__flip_tta=True).eval()
    pictures = torch.rand(2, 1, 16, 16)
    assert isinstance(made, FlipTTA) and not isinstance(built(), FlipTTA)
    with torch.no_grad():
        torch.testing.assert_close(made(pictures), made(pictures.flip(3)), atol=1e-5, rtol=1e-5)


def test_weights_follow_from_the_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        return torch.cat([p.flatten() for p in built(train__seed=seed).parameters()])

    assert torch.equal(first(3), first(3)) and not torch.equal(first(3), first(4))


def test_a_network_without_pretrained_weights_is_refused_only_where_they_are_wanted() -> None:
    with pytest.raises(CapasError) as error:
        built(network__pretrained=True)
    assert (error.value.key, error.value.received) == ("no_pretrained", "compact")
    assert built(False, network__pretrained=True).training


def test_a_pretrained_network_has_a_head_of_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    def lite0(*, num_classes: int, stochastic_depth: float) -> nn.Module:
        assert stochastic_depth == 0.0
        return nn.ModuleDict({"backbone": nn.Linear(2, 2), "classifier": nn.Linear(2, num_classes)})

    monkeypatch.setattr(module, "pretrained_lite0", lite0)
    monkeypatch.setattr(module, "find_entry", lambda name: type("Row", (), {"head": "classifier"}))
    made = built(network__name="efficientnet-lite0", network__pretrained=True)
    head = made.get_submodule("classifier")
    assert all(not bool(p.any()) for p in head.parameters())
    assert all(bool(p.any()) for p in made.get_submodule("backbone").parameters())
