"""StyleGAN3: the paper's count, filters that hold nothing above their cutoff, and details that move with the image."""

import math

import pytest
import torch
from scipy import signal
from torch import Tensor, nn

from capas.metrics.generation.shift_equivariance import shift_equivariance, whole_shifts
from capas.networks.generative.kaiser_filter import LowPass, kaiser_beta, low_pass_matrix, positions
from capas.networks.generative.style_generator import StyleGenerator
from capas.networks.generative.style_layers import leaky_relu
from capas.networks.generative.stylegan2 import small_stylegan2, stylegan2_generator
from capas.networks.generative.stylegan3 import (
    AliasFreeLayer,
    FourierInput,
    SignalGrid,
    StyleGAN3Config,
    small_stylegan3,
    stylegan3_generator,
)


def test_the_number_of_parameters_is_the_papers() -> None:
    with torch.device("meta"):
        generator = stylegan3_generator(StyleGAN3Config())
    assert sum(p.numel() for p in generator.parameters()) == 22_313_167
    assert generator.num_styles == 16


def test_layers_are_sampled_as_in_the_paper() -> None:
    grids = StyleGAN3Config().grids
    assert [grid.rate for grid in grids] == [16, 16, 32, 32, 64, 128, 128, 256, 256, 512, *[1024] * 5]
    assert [grid.size for grid in grids[:3] + grids[-3:]] == [36, 36, 52, 1044, 1024, 1024]
    assert [grid.width for grid in grids[6:]] == [512, 323, 203, 128, 81, 51, 32, 32, 32]
    assert grids[-1].cutoff == 512 and grids[0].cutoff == 2
    assert [grid.rate for grid in small_stylegan3(28, 1, 4, 0).grids] == [14, 14, 28, 28, 28, 28, 28]


@pytest.mark.parametrize("side", [8, 28, 32])
def test_images_of_every_side_are_made(side: int) -> None:
    generator = stylegan3_generator(small_stylegan3(side, 1, 2, classes=2))
    assert generator(torch.randn(2, 128), torch.tensor([0, 1])).shape == (2, 1, side, side)
    with pytest.raises(ValueError, match="side is 30"):
        StyleGAN3Config(side=30)


@pytest.mark.parametrize(("taps", "width"), [(12, 0.1), (24, 0.2), (24, 0.6)])
def test_the_window_is_that_of_scipy(taps: int, width: float) -> None:
    assert kaiser_beta(taps, width) == pytest.approx(signal.kaiser_beta(signal.kaiser_atten(taps, width)), rel=1e-6)


def test_the_filter_is_that_of_scipy() -> None:
    low_pass = LowPass(cutoff=5.0, half_width=3.0, taps=12, rate=64.0)
    expected = signal.firwin(12, 5.0, width=6.0, fs=64.0)
    found = low_pass.response(positions(12, 64.0)) / 64
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_filter_passes_what_is_below_and_stops_what_is_above() -> None:
    low_pass = LowPass(cutoff=6.0, half_width=4.0, taps=24, rate=64.0)
    matrix = low_pass_matrix(low_pass, size=64, rate=64.0, outputs=24, output_rate=32.0).double()
    for frequency, least, most in ((1.5, 0.97, 1.02), (12.0, 0.0, 0.03)):
        given, expected = (
            torch.from_numpy(positions(count, rate)).mul(2 * math.pi * frequency).cos()
            for count, rate in ((64, 64.0), (24, 32.0))
        )
        made = matrix @ given
        if least:
            torch.testing.assert_close(made, expected, rtol=0, atol=1 - least)
        assert float(made.abs().max()) < most


def test_the_input_moves_and_turns_as_it_is_told() -> None:
    torch.manual_seed(0)
    layer = FourierInput(SignalGrid(cutoff=2.0, half_width=6.0, rate=16.0, size=20, width=6), latent=3)
    latents = torch.zeros(1, 3)
    with torch.no_grad():
        still = layer(latents, None)
        moved = layer(latents, torch.tensor([[3 / 16, -2 / 16]]))
        torch.testing.assert_close(moved[..., :-2, 3:], still[..., 2:, :-3], rtol=1e-4, atol=1e-4)
        layer.affine.bias.copy_(torch.tensor([0.0, 5.0, 0.0, 0.0]))
        turned = layer(latents, None)
    alike = [torch.allclose(turned, torch.rot90(still, k, (2, 3)), atol=1e-4) for k in range(4)]
    assert alike.count(True) == 1 and not alike[0] and not alike[2]


def measured(generator: StyleGenerator, side: int) -> float:
    rng = torch.Generator().manual_seed(0)
    shifts = whole_shifts(4, side, rng)
    with torch.no_grad():
        styles = generator.styles(generator.latents(torch.randn(4, 128, generator=rng)))
        # An untrained network's images are of any contrast: as much as that of real ones.
        contrast = 0.5 / generator.draw(styles).std()
        return shift_equivariance(lambda shift: contrast * generator.draw(styles, None, shift), shifts)


def test_images_move_as_a_whole_where_those_of_stylegan2_do_not() -> None:
    torch.manual_seed(0)
    third, second = stylegan3_generator(small_stylegan3(32, 1, 8, 0)), stylegan2_generator(small_stylegan2(32, 1, 8, 0))
    assert measured(second, 32) < 22
    assert measured(third, 32) > 30


def test_magnitudes_follow_what_goes_through() -> None:
    torch.manual_seed(0)
    generator = stylegan3_generator(small_stylegan3(8, 1, 2, 0))
    layers = list(generator.synthesis.layers)
    with torch.no_grad():
        first = generator.draw(generator.styles(torch.randn(2, 128)))
    latest = [float(part.latest) for part in layers]

    def gather(values: Tensor) -> Tensor:
        return torch.cat([values, values + 2])  # another rank

    generator.follow_magnitudes(gather)
    for part, value in zip(layers, latest, strict=True):
        assert float(part.magnitude) == pytest.approx(1 + 0.001 * (value + 1 - 1), rel=1e-5)
    with torch.no_grad():
        nn.init.constant_(layers[2].magnitude, 4.0)  # what goes in is halved; demodulated, it would not be
        assert not torch.equal(generator.draw(generator.styles(torch.ones(2, 128))), first)
    assert "synthesis.layers.0.magnitude" in generator.state_dict()
    assert "synthesis.layers.0.rise.matrix" not in generator.state_dict()


def test_leaky_relus_make_no_false_frequencies() -> None:
    grid = SignalGrid(cutoff=13.0, half_width=3.0, rate=32.0, size=64, width=1)
    layer = AliasFreeLayer(grid, grid, latent=1)
    line = torch.from_numpy(positions(64, 32.0)).float()
    # Bent, 12 waves also make 24, which 32 samples can only show as 8.
    waves = torch.cos(2 * math.pi * 12 * line).expand(1, 1, 64, 64)
    with torch.no_grad():
        filtered, plain = (made[0, 0, 32, 16:48] for made in (layer.activated(waves), leaky_relu(waves)))
    false, true = ([float(torch.fft.rfft(row)[frequency].abs()) for row in (filtered, plain)] for frequency in (8, 12))
    assert false[0] < 0.1 * false[1]
    assert true[0] > 0.4 * true[1]  # so near to the cutoff half of it passes
