"""Outputs and gradients of our networks against torchvision's, recorded with the same weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from oracle import SETTINGS, fill, measure, pictures
from safetensors.torch import load_file
from torch import nn

from capas.networks.vision.alexnet import AlexNet, AlexNetConfig
from capas.networks.vision.efficientnet import EfficientNet, EfficientNetConfig
from capas.networks.vision.googlenet import GoogLeNet, GoogLeNetConfig
from capas.networks.vision.resnet import ResNet, ResNetConfig

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "alexnet": lambda: AlexNet(AlexNetConfig(dropout=0.0)),
    "googlenet-auxiliary": lambda: GoogLeNet(GoogLeNetConfig(auxiliary_heads=True, dropout=0.0, auxiliary_dropout=0.0)),
    "resnet-18": lambda: ResNet(ResNetConfig(depth=18)),
    "resnet-50": lambda: ResNet(ResNetConfig(depth=50)),
    "efficientnet-b0": lambda: EfficientNet(EfficientNetConfig(variant="b0", dropout=0.0, stochastic_depth=0.0)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_equal_torchvision(name: str, fixtures: Path) -> None:
    dtype, shape = SETTINGS[name]
    network = NETWORKS[name]().to(dtype)
    fill(network)
    ours = measure(network, pictures(shape).to(dtype))
    reference = load_file(fixtures / f"{name}.safetensors")
    assert ours.keys() == reference.keys()
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    for key, expected in reference.items():
        assert ours[key].shape == expected.shape, key
        assert expected.abs().max() > 1e-3, f"{key} says nothing"
        # A number of a gradient is what sums of its tensor's size leave: its rounding is of that size too.
        size = reference["gradient_norms"][:, None] if key == "gradient_leads" else expected.abs()
        difference = ((ours[key] - expected).abs() / size.clamp(min=1)).max()
        assert difference <= tolerance, f"{key} differs by {difference:.1e}"


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "alexnet"])  # its weights take long to fill
def test_the_fixture_would_notice_two_exchanged_weights(name: str, fixtures: Path) -> None:
    """The comparison is sharp: exchanging the first two output maps of one early layer shows."""
    dtype, shape = SETTINGS[name]
    network = NETWORKS[name]().to(dtype)
    fill(network)
    weight = next(parameter for parameter in network.parameters() if parameter.ndim == 4)
    with torch.no_grad():
        weight[[0, 1]] = weight[[1, 0]]
        evaluated = network.eval()(pictures(shape).to(dtype))[:, :16]
    reference = load_file(fixtures / f"{name}.safetensors")["evaluated"]
    assert (evaluated - reference).abs().max() > 1e-6
