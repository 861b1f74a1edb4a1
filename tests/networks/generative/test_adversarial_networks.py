import pytest
import torch

from capas.networks.generative.class_condition import ClassCondition
from capas.networks.generative.dcgan import DCGANConfig, DCGANDiscriminator, DCGANGenerator, dcgan_side
from capas.networks.generative.gan import GANConfig, GANDiscriminator, GANGenerator


def numbers(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_dcgan_has_the_papers_number_of_parameters() -> None:
    assert numbers(DCGANGenerator(DCGANConfig())) == 3_576_704
    assert numbers(DCGANDiscriminator(DCGANConfig())) == 2_765_568


@pytest.mark.parametrize("side", [8, 28, 32])
def test_dcgan_makes_and_judges_images_of_its_side(side: int) -> None:
    config = DCGANConfig(side=side, channels=1, width=4, classes=3)
    classes = torch.tensor([0, 2])
    images = DCGANGenerator(config)(torch.randn(2, 100), classes)
    assert images.shape == (2, 1, side, side)
    assert images.abs().max() <= 1
    assert DCGANDiscriminator(config)(images, classes).shape == (2,)


def test_sides_that_dcgan_cannot_make() -> None:
    assert [dcgan_side(side) for side in (5, 28, 30, 33, 64, 100)] == [8, 28, 28, 32, 64, 96]
    with pytest.raises(ValueError, match="side is 30"):
        DCGANConfig(side=30)


def test_gan_of_2014() -> None:
    config = GANConfig(shape=(1, 4, 4), width=8, maxout=3, classes=2)
    classes = torch.tensor([1, 0, 1])
    images = GANGenerator(config)(torch.randn(3, 100), classes)
    assert images.shape == (3, 1, 4, 4)
    assert GANDiscriminator(config).eval()(images, classes).shape == (3,)


def test_maxout_takes_the_greatest_of_five() -> None:
    config = GANConfig(shape=(1, 1, 1), maxout=1)
    judge = GANDiscriminator(config).eval()
    with torch.no_grad():
        judge.first.weight.copy_(torch.tensor([[-2.0], [1.0], [0.0], [0.5], [-1.0]]))
        judge.second.weight.fill_(0.0)[2] = 3.0
        judge.last.weight.fill_(1.0)
    # max(-2x, x, 0, x/2, -x) is 2 at x = -1 and 0.5 at 0.5; thrice that of the second layer.
    judged = judge(torch.tensor([-1.0, 0.5]).reshape(2, 1, 1, 1))
    assert torch.allclose(judged, torch.tensor([6.0, 1.5]))


def test_a_condition_is_put_beside() -> None:
    condition = ClassCondition(3)
    assert condition.beside(torch.zeros(1, 2), torch.tensor([1])).tolist() == [[0, 0, 0, 1, 0]]
    planes = condition.as_planes(torch.zeros(1, 1, 2, 2), torch.tensor([2]))
    assert planes[0, :, 1, 0].tolist() == [0, 0, 0, 1]
    for classes, made_for in ((None, 3), (torch.tensor([0]), 0)):
        with pytest.raises(ValueError, match="classes are"):
            ClassCondition(made_for).beside(torch.zeros(1, 2), classes)
