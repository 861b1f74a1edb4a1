import pytest
import torch
from torch import nn

from capas.networks.generative.cyclegan import (
    CycleGANConfig,
    PatchDiscriminator,
    Translator,
    config_for_side,
    cyclegan_side,
)

TINY = CycleGANConfig(channels=1, width=2, blocks=1, halvings=1)


def numbers(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_papers_number_of_parameters() -> None:
    with torch.device("meta"):
        assert numbers(Translator(CycleGANConfig())) == 11_378_179
        assert numbers(PatchDiscriminator(CycleGANConfig())) == 2_764_737
        six, nine = (numbers(Translator(CycleGANConfig(blocks=blocks))) for blocks in (6, 9))
    assert nine - six == 3 * 2 * (256 * 256 * 9 + 256)


@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_a_logit_sees_one_patch(halvings: int) -> None:
    config = CycleGANConfig(channels=1, width=1, halvings=halvings)
    # Instance normalisation looks at the whole image, but no gradient comes back through a mean that is left out.
    judge = PatchDiscriminator(config)
    for name, layer in judge.named_modules():
        if isinstance(layer, nn.InstanceNorm2d):
            judge.set_submodule(name, nn.Identity())
    image = torch.randn(1, 1, 128, 128, requires_grad=True)
    judged = judge(image)
    judged[0, 0, judged.shape[2] // 2, judged.shape[3] // 2].backward()
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == config.patch


@pytest.mark.parametrize("shape", [(16, 16), (28, 20)])
def test_translated_images_keep_their_size(shape: tuple[int, int]) -> None:
    translated = Translator(TINY)(torch.randn(2, 1, *shape))
    assert translated.shape == (2, 1, *shape)
    assert translated.abs().max() <= 1


def test_one_by_one_as_together() -> None:
    images = torch.randn(3, 1, 16, 16)
    for network in (Translator(TINY), PatchDiscriminator(TINY)):
        together, alone = network(images), torch.cat([network(image[None]) for image in images])
        assert torch.allclose(together, alone, atol=1e-6)


def test_a_block_adds_to_what_it_is_given() -> None:
    translator = Translator(TINY)
    block = translator.layers[9]
    nn.init.zeros_(block.layers[3].weight)
    features = torch.randn(1, 8, 4, 4)
    assert torch.equal(block(features), features)


def test_networks_for_a_side() -> None:
    assert [cyclegan_side(side) for side in (5, 16, 30, 64)] == [16, 16, 28, 64]
    assert config_for_side(256, 3, 64) == CycleGANConfig()
    assert [config_for_side(side, 1, 8).blocks for side in (28, 64, 128)] == [3, 4, 6]
    for side in (16, 128):
        config = config_for_side(side, 1, 1)
        assert min(PatchDiscriminator(config)(torch.zeros(1, 1, side, side)).shape[2:]) > 0
    with pytest.raises(ValueError, match="blocks is 0"):
        CycleGANConfig(blocks=0)
