"""LeNet-5 of 1998 against the paper's own figures, and what its parts mean."""

import pytest
import torch
from torch.nn import functional

from capas.networks.vision.lenet import (
    C3_INPUTS,
    LeNet5,
    LeNet5_1998,
    LeNetConfig,
    PartialConv2d,
    RadialBasisOutput,
    ScaledTanh,
    Subsampling,
    output_codes,
)


def test_each_layer_has_the_papers_count() -> None:
    network = LeNet5_1998(LeNetConfig())
    counts = {
        name: sum(parameter.numel() for parameter in layer.parameters()) for name, layer in network.named_children()
    }
    assert counts == {
        "c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164, "squash": 0, "output": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("size", "classes"), [(28, 10), (32, 10), (28, 26)])
def test_sixty_thousand_for_both_sizes_and_any_classes(size: int, classes: int) -> None:
    network = LeNet5_1998(LeNetConfig(image_size=size, num_classes=classes))
    assert sum(parameter.numel() for parameter in network.parameters()) == 60_000


@pytest.mark.parametrize("size", [28, 32])
def test_modern_count_for_both_sizes(size: int) -> None:
    assert sum(parameter.numel() for parameter in LeNet5(LeNetConfig(image_size=size)).parameters()) == 61_706


def test_connections_are_table_i() -> None:
    """A row per map of S2, a column per map of C3, as printed."""
    table = (
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    )
    seen = ["".join("X" if row in maps else "." for maps in C3_INPUTS) for row in range(6)]
    assert seen == list(table)


def test_partial_convolution_sees_only_the_listed_maps() -> None:
    layer = PartialConv2d(C3_INPUTS)
    images = torch.randn(1, 6, 14, 14, requires_grad=True)
    for out, maps in enumerate(C3_INPUTS):
        (gradient,) = torch.autograd.grad(layer(images)[0, out].sum(), images)
        seen = gradient[0].abs().amax(dim=(1, 2)).nonzero().flatten().tolist()
        assert seen == sorted(maps)


def test_partial_convolution_equals_one_convolution_per_map() -> None:
    layer = PartialConv2d(C3_INPUTS).double()
    images = torch.randn(2, 6, 14, 14, dtype=torch.float64)
    start = 0
    for out, maps in enumerate(C3_INPUTS):
        kernel = layer.weight[None, start : start + len(maps)]
        expected = functional.conv2d(images[:, list(maps)], kernel, layer.bias[out : out + 1])
        torch.testing.assert_close(layer(images)[:, out : out + 1], expected, rtol=1e-12, atol=1e-12)
        start += len(maps)


def test_subsampling_adds_scales_and_shifts() -> None:
    layer = Subsampling(1)
    with torch.no_grad():
        layer.coefficient.fill_(2.0)
        layer.bias.fill_(0.5)
    assert layer(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).item() == 20.5


def test_squash_keeps_plus_and_minus_one() -> None:
    torch.testing.assert_close(
        ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0])), torch.tensor([-1.0, 0.0, 1.0]), atol=1e-4, rtol=0
    )


def test_output_is_zero_on_the_code_and_likeliest_there() -> None:
    codes = output_codes(10)
    scores = RadialBasisOutput(codes)(codes)
    assert scores.diagonal().abs().max() == 0
    assert (scores.argmax(dim=1) == torch.arange(10)).all()
    # Two codes that differ in k pixels are 4k apart; digits drawn alike still differ clearly.
    others = scores[~torch.eye(10, dtype=torch.bool)]
    assert others.max() <= -4 * 5


def test_codes_are_drawn_digits_or_always_the_same_coins() -> None:
    one = output_codes(10)[1].reshape(12, 7)
    assert one[:, 3].sum() == 8  # the stroke of the 1 runs down the middle: 10 of 12 pixels are ink
    assert torch.equal(output_codes(26), output_codes(26))
    assert len(output_codes(26).unique(dim=0)) == 26


def test_codes_are_saved_but_not_trained() -> None:
    network = LeNet5_1998(LeNetConfig())
    assert "output.codes" in network.state_dict()
    assert not network.output.codes.requires_grad


def test_padding_repeats_the_background() -> None:
    """A 28×28 picture on any background gives what the hand-padded 32×32 picture gives."""
    small, large = LeNet5_1998(LeNetConfig(image_size=28)), LeNet5_1998(LeNetConfig(image_size=32))
    large.load_state_dict(small.state_dict())
    image = torch.full((1, 1, 28, 28), -0.1)
    image[:, :, 10:18, 10:18] = 1.175
    padded = functional.pad(image, (2, 2, 2, 2), value=-0.1)
    torch.testing.assert_close(small(image), large(padded))


def test_the_1998_form_learns() -> None:
    """Ten stylised digits, drawn large, are told apart after a few steps."""
    digits = output_codes(10).reshape(10, 1, 12, 7)
    images = functional.pad(functional.interpolate(digits, scale_factor=2), (9, 9, 4, 4), value=-1.0)
    network = LeNet5_1998(LeNetConfig())
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        functional.cross_entropy(network(images), torch.arange(10)).backward()
        optimiser.step()
    assert (network(images).argmax(dim=1) == torch.arange(10)).all()


@pytest.mark.parametrize("wrong", [{"image_size": 11}, {"num_classes": 0}, {"in_channels": 0}])
def test_config_refuses_what_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LeNetConfig(**wrong)
