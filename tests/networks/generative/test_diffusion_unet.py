"""The diffusion U-Net against diffusers' UNet2DModel, gradients included, and what is our own."""

import pytest
import torch
from oracle import hashed
from safetensors.torch import load_file
from torch import Tensor

from capas.networks.generative.diffusion_unet import DiffusionUNet, DiffusionUNetConfig, small_diffusion_unet
from capas.networks.generative.noise_conditioning import NoiseConditioning, timestep_embedding
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "generation" / "diffusion_unet.safetensors")
# Where the steps of the reference stand among ours, in a network of two resolutions with one block each.
STEPS = (
    ("down_blocks.0.resnets.0", "encoder.0.residual"), ("down_blocks.0.downsamplers.0.conv", "encoder.1.convolution"),
    ("down_blocks.1.resnets.0", "encoder.2.residual"), ("down_blocks.1.attentions.0", "encoder.2.attention"),
    ("mid_block.resnets.0", "middle.0.residual"), ("mid_block.attentions.0", "middle.0.attention"),
    ("mid_block.resnets.1", "middle.1.residual"),
    ("up_blocks.0.resnets.0", "decoder.0.residual"), ("up_blocks.0.attentions.0", "decoder.0.attention"),
    ("up_blocks.0.resnets.1", "decoder.1.residual"), ("up_blocks.0.attentions.1", "decoder.1.attention"),
    ("up_blocks.0.upsamplers.0.conv", "decoder.2.convolution"),
    ("up_blocks.1.resnets.0", "decoder.3.residual"), ("up_blocks.1.resnets.1", "decoder.4.residual"),
)  # fmt: skip
NAMES = (
    *STEPS, ("time_embedding.linear_1", "conditioning.first"), ("time_embedding.linear_2", "conditioning.second"),
    ("class_embedding", "conditioning.classes"), ("conv_in", "first"), ("conv_norm_out", "norm"), ("conv_out", "last"),
    ("time_emb_proj", "condition"), ("conv_shortcut", "shortcut"), ("norm1", "first_norm"), ("norm2", "second_norm"),
    ("conv1", "first"), ("conv2", "second"), ("group_norm", "norm"), ("to_out.0", "output"),
    ("to_q", "projection"), ("to_k", "projection"), ("to_v", "projection"),
)  # fmt: skip
PARTS = ("to_q", "to_k", "to_v")


def ours(name: str) -> str:
    for theirs, short in NAMES:
        name = name.replace(theirs, short)
    return name


def tiny(**changes: object) -> DiffusionUNet:
    settings: dict[str, object] = {
        "image_size": 8, "channels": 2, "width": 8, "multipliers": (1, 2), "blocks": 1, "attention": (4,),
        "dropout": 0.0, "num_classes": 3,
    }  # fmt: skip
    return DiffusionUNet(DiffusionUNetConfig(**settings | changes))  # type: ignore[arg-type]


def slices(network: DiffusionUNet) -> dict[str, Tensor]:
    """The part of one of our parameters that each parameter of the reference is, by the reference's name."""
    parameters = dict(network.named_parameters())
    found = {}
    for name in sorted(RECORDED):
        if name.startswith("gradients."):
            theirs = name.removeprefix("gradients.")
            part = next((number for number, key in enumerate(PARTS) if key in theirs), None)
            whole = parameters[ours(theirs)]
            found[theirs] = whole if part is None else whole.chunk(3)[part]
    return found


def test_it_equals_diffusers_gradients_included() -> None:
    network = tiny().double()
    start = 1
    with torch.no_grad():
        for name, part in slices(network).items():
            scale = (3 / part[0].numel()) ** 0.5 if part.ndim > 1 else 0.2
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            part.copy_(centre + scale * torch.from_numpy(hashed(start, part.numel())).reshape(part.shape))
            start += part.numel()
    assert start - 1 == sum(parameter.numel() for parameter in network.parameters())
    noisy = RECORDED["noisy"].clone().requires_grad_()
    predicted = network(noisy, RECORDED["timesteps"], RECORDED["classes"])
    torch.testing.assert_close(predicted, RECORDED["predicted"], rtol=0, atol=1e-10)
    gradients = torch.autograd.grad((predicted * RECORDED["upstream"]).sum(), [noisy, *network.parameters()])
    torch.testing.assert_close(gradients[0], RECORDED["noisy.gradient"], rtol=0, atol=1e-10)
    with torch.no_grad():
        for parameter, gradient in zip(network.parameters(), gradients[1:], strict=True):
            parameter.copy_(gradient)
    for name, part in slices(network).items():
        flat = part.detach().flatten()
        torch.testing.assert_close(
            torch.cat([flat.norm()[None], flat[:8]]), RECORDED[f"gradients.{name}"], rtol=1e-10, atol=1e-10
        )


def test_the_network_of_the_paper_has_as_many_parameters_as_published() -> None:
    with torch.device("meta"):
        network = DiffusionUNet(DiffusionUNetConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) == 35_746_307


@pytest.mark.parametrize("side", [28, 32])
def test_the_small_network_is_small_and_begins_by_predicting_nothing(side: int) -> None:
    network = small_diffusion_unet(image_size=side, channels=1)
    assert 500_000 < sum(parameter.numel() for parameter in network.parameters()) < 2_000_000
    images = torch.randn(1, 1, side, side).contiguous(memory_format=torch.channels_last)
    predicted = network(images, torch.tensor([500.0]))
    assert predicted.shape == images.shape and not predicted.any()
    assert predicted.is_contiguous(memory_format=torch.channels_last)


def scrambled(network: torch.nn.Module) -> torch.nn.Module:
    """The network with weights that all make a difference."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=rng))
    return network


def test_images_of_a_batch_do_not_see_each_other() -> None:
    network = scrambled(tiny()).eval()
    images, times = torch.randn(3, 2, 8, 8), torch.tensor([0.0, 10.5, 999.0])
    classes = torch.tensor([0, 1, 3])
    together = network(images, times, classes)
    singly = [network(images[i : i + 1], times[i : i + 1], classes[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(singly), rtol=0, atol=1e-5)


def test_what_is_wanted_counts_and_nothing_wanted_is_a_condition_of_its_own() -> None:
    network = scrambled(tiny())
    images, times = torch.randn(2, 2, 8, 8), torch.tensor([5.0, 5.0])
    zero, one = (network(images, times, torch.full((2,), number)) for number in (0, 1))
    assert float((zero - one).detach().abs().max()) > 1e-3
    null = network.null_condition(torch.tensor([0, 1]))  # type: ignore[operator]
    assert torch.equal(network(images, times, null), network(images, times))
    told = scrambled(tiny(num_classes=0, context_width=4))
    context = torch.randn(2, 4)
    assert float((told(images, times, context) - told(images, times)).detach().abs().max()) > 1e-3
    assert torch.equal(told(images, times, told.null_condition(context)), told(images, times))  # type: ignore[operator]


def test_frequencies_of_a_timestep() -> None:
    found = timestep_embedding(torch.tensor([0.0, 2.5]), 6)
    frequencies = torch.tensor([1.0, 0.01, 0.0001])
    expected = torch.cat([(2.5 * frequencies).sin(), (2.5 * frequencies).cos()])
    torch.testing.assert_close(found[0], torch.tensor([0.0, 0, 0, 1, 1, 1]))
    torch.testing.assert_close(found[1], expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 9}, "multiple of 2"), ({"width": 6}, "multiple of 4"), ({"attention": (5,)}, "attention"),
        ({"dropout": 1.0}, "dropout"), ({"blocks": 0}, "blocks"), ({"context_width": 2}, "classes or context"),
    ],
)  # fmt: skip
def test_configurations_that_cannot_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_a_condition_that_does_not_fit_is_refused() -> None:
    times = torch.zeros(2)
    for conditioning, condition in (
        (NoiseConditioning(4, 8), torch.zeros(2, dtype=torch.int64)),
        (NoiseConditioning(4, 8, num_classes=3), torch.zeros(1, dtype=torch.int64)),
        (NoiseConditioning(4, 8, context_width=3), torch.zeros(2, 4)),
    ):
        with pytest.raises(ValueError, match="the condition has the shape"):
            conditioning(times, condition)
