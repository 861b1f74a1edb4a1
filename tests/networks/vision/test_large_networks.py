"""AlexNet, GoogLeNet and EfficientNet: particulars of their papers, beyond parity."""

import pytest
import torch
from torch import nn

from capas.networks.vision.alexnet import AlexNet2012, AlexNetConfig
from capas.networks.vision.efficientnet import EfficientNet, EfficientNetConfig, InvertedBottleneck, SameConv2d
from capas.networks.vision.googlenet import GoogLeNet, GoogLeNetConfig


def test_response_normalisation_is_the_papers_formula() -> None:
    layer = next(
        layer
        for layer in AlexNet2012(AlexNetConfig(num_classes=2)).modules()
        if isinstance(layer, nn.LocalResponseNorm)
    )
    maps = torch.rand(1, 9, 2, 2, dtype=torch.float64) * 50
    squares = maps.square()
    sums = torch.stack([squares[:, max(0, i - 2) : i + 3].sum(dim=1) for i in range(9)], dim=1)
    torch.testing.assert_close(layer(maps), maps / (2 + 1e-4 * sums) ** 0.75, rtol=1e-12, atol=1e-12)


def test_second_layer_of_2012_sees_only_its_own_tower() -> None:
    network = AlexNet2012(AlexNetConfig(num_classes=2))
    second = network.features[4]
    maps = torch.randn(1, 96, 7, 7, requires_grad=True)
    (gradient,) = torch.autograd.grad(second(maps)[:, :128].sum(), maps)
    assert gradient[:, :48].abs().sum() > 0
    assert gradient[:, 48:].abs().sum() == 0


def test_biases_of_2012_start_as_in_the_paper() -> None:
    network = AlexNet2012(AlexNetConfig(num_classes=2))
    biases = [layer.bias for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert [bias.unique().tolist() for bias in biases] == [
        [0.0],
        [1.0],
        [0.0],
        [1.0],
        [1.0],
        [1.0],
        [1.0],
        [0.0],
    ]


def test_googlenet_answers_thrice_only_while_training_with_heads() -> None:
    images = torch.randn(2, 3, 32, 32)
    with_heads = GoogLeNet(GoogLeNetConfig(num_classes=4, auxiliary_heads=True))
    outputs = with_heads.train()(images)
    assert isinstance(outputs, tuple)
    assert [tuple(output.shape) for output in outputs] == [(2, 4)] * 3
    assert with_heads.eval()(images).shape == (2, 4)
    assert GoogLeNet(GoogLeNetConfig(num_classes=4)).train()(images).shape == (2, 4)


def test_second_answer_comes_from_the_deeper_head() -> None:
    network = GoogLeNet(GoogLeNetConfig(num_classes=4, auxiliary_heads=True)).train()
    _, deeper, shallower = network(torch.randn(2, 3, 32, 32))
    inner = next(network.to_4d.parameters())
    assert torch.autograd.grad(deeper.sum(), inner, retain_graph=True, allow_unused=True)[0] is not None
    assert torch.autograd.grad(shallower.sum(), inner, allow_unused=True)[0] is None


@pytest.mark.parametrize(("size", "kernel"), [(7, 3), (8, 3), (8, 5), (9, 5)])
def test_same_padding_puts_the_odd_pixel_last(size: int, kernel: int) -> None:
    layer = SameConv2d(1, 1, kernel, stride=2, bias=False)
    nn.init.ones_(layer.weight)
    counted = layer(torch.ones(1, 1, size, 1 if kernel == 1 else size))[0, 0]
    assert counted.shape == ((size + 1) // 2,) * 2
    total = max(((size + 1) // 2 - 1) * 2 + kernel - size, 0)
    first, last = kernel - total // 2, kernel - (total - total // 2)
    assert counted[0, 0].item() == first**2
    assert counted[-1, -1].item() == last**2


def test_stochastic_depth_rises_with_depth_and_keeps_the_mean() -> None:
    network = EfficientNet(EfficientNetConfig(variant="b0", num_classes=2, stochastic_depth=0.2))
    rates = [block.drop for block in network.modules() if isinstance(block, InvertedBottleneck)]
    assert rates == pytest.approx([0.2 * number / 16 for number in range(16)])
    block = network.blocks[2].train()
    for layer in block.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    block.drop = 0.5
    images = torch.randn(1, 24, 8, 8).expand(400, -1, -1, -1)
    branch = block.branch(images[:1])
    added = (block(images) - images).detach()
    whole = added.flatten(1).abs().amax(dim=1) > 1e-6
    assert 0.4 < whole.double().mean() < 0.6
    torch.testing.assert_close(added[whole][:1], 2 * branch.detach(), rtol=1e-4, atol=1e-5)


def test_switched_off_chance_makes_training_deterministic() -> None:
    network = EfficientNet(EfficientNetConfig(variant="lite0", num_classes=2, dropout=0.0, stochastic_depth=0.0))
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(network.train()(images), network(images))


@pytest.mark.parametrize(("field", "value"), [("dropout", 1.0), ("stochastic_depth", -0.1), ("num_classes", 0)])
def test_efficientnet_config_refuses_what_cannot_be(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        EfficientNetConfig(variant="b0", **{field: value})


def test_other_configs_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="dropout"):
        AlexNetConfig(dropout=1.5)
    with pytest.raises(ValueError, match="auxiliary_dropout"):
        GoogLeNetConfig(auxiliary_dropout=-1)
