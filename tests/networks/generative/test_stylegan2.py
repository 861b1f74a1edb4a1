"""StyleGAN2: the paper's counts, what modulation and filters are for, style mixing and truncation."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from capas.networks.generative.filter_matrix import MatrixFilter, fir_matrix
from capas.networks.generative.style_discriminator import StyleDiscriminator, minibatch_deviation
from capas.networks.generative.style_generator import MappingNetwork
from capas.networks.generative.style_layers import EqualizedConv2d, ModulatedConv2d, leaky_relu
from capas.networks.generative.stylegan2 import (
    BINOMIAL,
    StyleGAN2Config,
    small_stylegan2,
    stylegan2_generator,
)


def numbers(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_numbers_of_parameters_are_the_papers() -> None:
    with torch.device("meta"):
        generator, judge = stylegan2_generator(StyleGAN2Config()), StyleDiscriminator(StyleGAN2Config())
    assert (numbers(generator), numbers(generator.mapping)) == (30_370_060, 2_101_248)
    assert numbers(judge) == 29_012_513
    assert generator.num_styles == 18


@pytest.mark.parametrize("side", [8, 28, 32])
def test_images_of_every_side_are_made_and_judged(side: int) -> None:
    config = small_stylegan2(side, 1, 2, classes=3)
    generator, judge, classes = stylegan2_generator(config), StyleDiscriminator(config), torch.tensor([0, 2])
    images = generator(torch.randn(2, 128), classes)
    assert images.shape == (2, 1, side, side)
    assert judge(images, classes).shape == (2,)
    for network, given in ((generator, torch.randn(2, 128)), (judge, images)):
        with pytest.raises(ValueError, match="classes are missing"):
            network(given)
    with pytest.raises(ValueError, match="side is 30"):
        StyleGAN2Config(side=30)


@pytest.mark.parametrize("up", [False, True])
def test_a_modulated_convolution_is_one_with_weights_of_each_example(up: bool) -> None:
    torch.manual_seed(0)
    layer, images, latents = ModulatedConv2d(3, 4, 5, 3, up=up), torch.randn(2, 3, 6, 6), torch.randn(2, 5)
    with torch.no_grad():
        made = layer(images, latents)
        for number, (image, styles) in enumerate(zip(images, layer.affine(latents), strict=True)):
            weight = layer.weight / math.sqrt(27) * styles[:, None, None]
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
            alone = (
                F.conv_transpose2d(image[None], weight.transpose(0, 1), stride=2)
                if up
                else F.conv2d(image[None], weight, padding=1)
            )
            torch.testing.assert_close(made[number], alone[0], rtol=1e-4, atol=1e-5)


def test_demodulation_keeps_unit_variance_whatever_the_style() -> None:
    torch.manual_seed(0)
    layer, images = ModulatedConv2d(16, 32, 4, 3), torch.randn(4, 16, 24, 24)
    with torch.no_grad():
        made = layer(images, 30 * torch.randn(4, 4))[..., 1:-1, 1:-1]
        layer.demodulate = False
        plain = layer(images, 30 * torch.randn(4, 4))
    assert made.var((2, 3)).mean((1,)).tolist() == pytest.approx([1] * 4, abs=0.06)
    assert float(plain.var()) > 100


def test_equalised_weights_begin_normal_and_keep_unit_variance() -> None:
    torch.manual_seed(0)
    layer = EqualizedConv2d(32, 16, 3)
    assert float(layer.weight.detach().std()) == pytest.approx(1, abs=0.02)
    assert float(layer(torch.randn(2, 32, 20, 20)).detach().var()) == pytest.approx(1, abs=0.1)


def test_the_filter_doubles_and_halves_without_moving() -> None:
    doubling = MatrixFilter(fir_matrix([2 * tap for tap in BINOMIAL], 8, 16, before=2, up=2))
    halving = MatrixFilter(fir_matrix(BINOMIAL, 16, 8, before=1, down=2))
    images = torch.randn(1, 2, 8, 8, generator=rng())
    doubled = F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(doubling(images)[..., 1:-1, 1:-1], doubled[..., 1:-1, 1:-1])
    slope = torch.arange(16.0).expand(1, 1, 16, 16)
    torch.testing.assert_close(halving(slope)[0, 0, 3, 1:-1], torch.arange(2.5, 14, 2))
    taps = torch.tensor(BINOMIAL)
    direct = F.conv2d(F.pad(slope, [1] * 4), torch.outer(taps, taps)[None, None], stride=2)
    torch.testing.assert_close(halving(slope), direct)


def test_activations_keep_the_mean_square() -> None:
    given = torch.randn(100_000, generator=rng())
    assert float(leaky_relu(given).square().mean()) == pytest.approx(1.04, abs=0.02)


def test_images_are_summed_up_where_they_belong() -> None:
    synthesis = stylegan2_generator(small_stylegan2(16, 1, 2, 0)).synthesis
    spot = torch.zeros(1, 1, 8, 8)
    spot[0, 0, 2, 5] = 1
    (doubling,) = list(synthesis.doublings)[-1:]
    expected = F.interpolate(spot, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(doubling(spot), expected)
    layer = synthesis.layers[-2]
    with torch.no_grad():  # a kernel that only copies: the filter behind the convolution is centred too
        layer.convolution.weight.zero_()
        layer.convolution.weight[0, :, 1, 1] = 1
    spread = layer(spot.expand(1, layer.convolution.weight.shape[1], -1, -1), torch.zeros(1, 128), None)[0, 0]
    rows, columns = (spread.detach().sum(axis).clamp(min=0) for axis in (1, 0))
    middle = [float((torch.arange(16) * line / line.sum()).sum()) for line in (rows, columns)]
    assert middle == pytest.approx([4.5, 10.5], abs=0.01)


def test_layers_from_the_crossover_on_are_told_the_other_latent() -> None:
    generator = stylegan2_generator(small_stylegan2(16, 1, 2, 0))
    first, second = torch.zeros(3, 128), torch.ones(3, 128)
    mixed = generator.mixed(first, second, torch.tensor([0, 2, generator.num_styles]))
    assert mixed[:, :, 0].tolist() == [[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]]


def test_coarse_latents_change_more_than_fine_ones() -> None:
    torch.manual_seed(1)
    generator = stylegan2_generator(small_stylegan2(32, 1, 4, 0))
    with torch.no_grad():
        latents = generator.mapping(torch.randn(2, 16, 128).flatten(0, 1)).unflatten(0, (2, 16))
        ends = [generator.draw(generator.mixed(*latents, torch.full((16,), at))) for at in (8, 6)]
        small = [F.avg_pool2d(images, 8) for images in ends]
    # What the last layers are told hardly shows once the image is seen from afar.
    fine, seen = (ends[0] - ends[1]).std(), (small[0] - small[1]).std()
    assert float(fine) > 0
    assert float(seen / small[0].std()) < float(fine / ends[0].std())


def test_truncation_goes_to_the_mean_latent_of_the_class() -> None:
    mapping = MappingNetwork(4, 3, 2, classes=2)
    latents, classes = torch.tensor([[1.0, 2, 3], [5, 5, 5], [3, 2, 1]]), torch.tensor([0, 1, 0])
    mapping.follow_mean(latents, classes, 0.5)
    assert mapping.mean_latent.tolist() == [[1, 1, 1], [2.5, 2.5, 2.5]]
    assert mapping.truncated(latents, classes, 0.0).tolist() == [[1, 1, 1], [2.5, 2.5, 2.5], [1, 1, 1]]
    assert mapping.truncated(latents, classes, 0.5)[1].tolist() == [3.75, 3.75, 3.75]
    torch.testing.assert_close(mapping.truncated(latents, classes, 1.0), latents)


def test_the_same_latent_gives_the_same_image_and_other_noise_another() -> None:
    torch.manual_seed(0)
    generator = stylegan2_generator(small_stylegan2(8, 1, 2, 0))
    for name, parameter in generator.synthesis.named_parameters():
        if name.endswith("strength"):
            nn.init.constant_(parameter, 0.5)
    latents = generator.styles(generator.mapping(torch.randn(1, 128)))
    noises = [torch.randn(1, 1, *shape) for shape in generator.noise_shapes]
    with torch.no_grad():
        torch.testing.assert_close(generator.draw(latents), generator.draw(latents), rtol=0, atol=0)
        assert float((generator.draw(latents, noises) - generator.draw(latents)).abs().max()) > 0.01


def test_the_deviation_of_a_batch_tells_a_collapse() -> None:
    one = torch.randn(1, 3, 4, 4, generator=rng())
    assert float(minibatch_deviation(one.expand(4, -1, -1, -1)).max()) < 1e-3
    alike = torch.cat([one, -one, one, -one, one, -one])  # groups of three: 0, 2, 4 and 1, 3, 5
    planes = minibatch_deviation(alike)
    assert planes.shape == (6, 1, 4, 4)
    assert float(planes.max()) < 1e-3
    # Groups of four: the first and the second of each pair.
    pairs = torch.stack([one.expand(4, -1, -1, -1), torch.randn(4, 3, 4, 4, generator=rng(1))], 1).flatten(0, 1)
    found = minibatch_deviation(pairs)[:, 0, 0, 0]
    assert float(found[::2].max()) < 1e-3 and float(found[1::2].min()) > 0.3
    apart = minibatch_deviation(torch.cat([one, -one]))
    torch.testing.assert_close(apart, one.abs().mean().expand(2, 1, 4, 4), rtol=1e-4, atol=1e-6)
