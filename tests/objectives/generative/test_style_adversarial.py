"""The objective of StyleGAN: penalties are what they are called, and chance comes from the context alone."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from capas.networks.generative.style_discriminator import StyleDiscriminator
from capas.networks.generative.stylegan2 import small_stylegan2, stylegan2_generator
from capas.objectives.base import Phase, StepContext
from capas.objectives.generative.adversarial import DISCRIMINATOR, GENERATOR, NoiseSource
from capas.objectives.generative.style_adversarial import (
    GRADIENT_PENALTY,
    PATH_LENGTH,
    StyleAdversarial,
    StyleRegularization,
)


@dataclass(frozen=True)
class Images:
    inputs: Tensor
    condition: Tensor | None = None


class Quadratic(nn.Module):
    """D(x) = Σ x² / 2, of which the slope is x."""

    def forward(self, images: Tensor, classes: Tensor | None = None) -> Tensor:
        return images.square().sum((1, 2, 3)) / 2


def objective(judge: nn.Module | None = None, **regularization: float) -> StyleAdversarial:
    torch.manual_seed(0)
    config = small_stylegan2(8, 1, 2, 0)
    return StyleAdversarial(
        stylegan2_generator(config), judge or StyleDiscriminator(config), NoiseSource(numbers=128),
        StyleRegularization(**{"gamma": 3.0, **regularization}),
    )  # fmt: skip


def phase_of(one: StyleAdversarial, name: str) -> Phase:
    return next(phase for phase in one.phases if phase.name == name)


def context(seed: int = 0) -> StepContext:
    return StepContext(step=0, progress=0.0, rng=torch.Generator().manual_seed(seed))


BATCH = Images(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(5)))


def test_r1_is_half_gamma_times_the_squared_slope_on_real_images() -> None:
    one = objective(Quadratic())
    losses = one.losses(BATCH, phase_of(one, GRADIENT_PENALTY), context())
    expected = 16 * 3.0 / 2 * BATCH.inputs.square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(losses[GRADIENT_PENALTY].detach(), expected)


def test_r1_reaches_the_weights_of_the_discriminator() -> None:
    one = objective()
    judge = one.networks[DISCRIMINATOR]
    one.losses(BATCH, phase_of(one, GRADIENT_PENALTY), context())[GRADIENT_PENALTY].backward()
    weight = judge.from_image.weight
    slope, step = weight.grad.clone(), 1e-3
    with torch.no_grad():
        weight[0] += step
    risen = one.losses(BATCH, phase_of(one, GRADIENT_PENALTY), context())[GRADIENT_PENALTY].detach()
    with torch.no_grad():
        weight[0] -= 2 * step
    fallen = one.losses(BATCH, phase_of(one, GRADIENT_PENALTY), context())[GRADIENT_PENALTY].detach()
    assert float((risen - fallen) / (2 * step)) == pytest.approx(float(slope[0].sum()), rel=0.03)


def test_the_path_length_is_the_mean_slope_over_layers() -> None:
    one = objective(mixing=0.0)
    phase, told = phase_of(one, PATH_LENGTH), context()
    loss = one.losses(BATCH, phase, told)[PATH_LENGTH]
    again = context()
    latents = one.generator.styles(one.generator.latents(again.normal(2, 128))).detach()
    noises = [again.normal(2, 1, *shape) for shape in one.generator.noise_shapes]
    direction = again.normal(2, 1, 8, 8) / 8
    lengths = []
    for i in range(2):
        jacobian = torch.autograd.functional.jacobian(
            lambda styles, i=i: one.generator.draw(styles, [noise[i : i + 1] for noise in noises]), latents[i : i + 1]
        )  # (1, 1, 8, 8, 1, L, W)
        slope = torch.einsum("xy,xylw->lw", direction[i, 0], jacobian[0, 0, :, :, 0])
        lengths.append(slope.square().sum(1).mean().sqrt())
    expected = torch.stack(lengths)
    mean = 0.01 * expected.mean()
    torch.testing.assert_close(loss.detach(), 4 * 2 * (expected - mean).square().mean(), rtol=1e-4, atol=1e-6)
    one.after(phase, told)
    torch.testing.assert_close(one.mean_path, mean, rtol=1e-4, atol=1e-6)


def test_losses_are_drawn_from_the_context_alone() -> None:
    one = objective()
    one.augmentation.probability = 0.5
    for phase in one.phases:
        torch.manual_seed(1)
        first = one.losses(BATCH, phase, context(3))[phase.loss].detach()
        torch.manual_seed(2)
        assert torch.equal(one.losses(BATCH, phase, context(3))[phase.loss].detach(), first), phase.name
        if phase.name != GRADIENT_PENALTY:
            assert not torch.equal(one.losses(BATCH, phase, context(4))[phase.loss].detach(), first), phase.name


def test_adam_makes_up_for_lazy_penalties() -> None:
    one = objective()
    generator, discriminator = one.optimizers[GENERATOR], one.optimizers[DISCRIMINATOR]
    assert generator.learning_rate == pytest.approx(0.0025 * 4 / 5)
    assert discriminator.betas == pytest.approx((0, 0.99 ** (16 / 17)))
    assert {phase.name: (phase.every, phase.optimizer_name) for phase in one.phases} == {
        DISCRIMINATOR: (1, DISCRIMINATOR), GRADIENT_PENALTY: (16, DISCRIMINATOR),
        GENERATOR: (1, GENERATOR), PATH_LENGTH: (4, GENERATOR),
    }  # fmt: skip
    # Of the mapping network only the layers are slow: what tells classes apart is not.
    names = [name for name, _ in one.networks[GENERATOR].named_parameters()]
    slow = {name for name in names if f"{GENERATOR}.{name}".startswith(tuple(generator.rate_factors))}
    assert slow == {f"mapping.layers.{i}.{part}" for i in range(2) for part in ("weight", "bias")}
    without = objective(path_length=0.0)
    assert PATH_LENGTH not in [phase.name for phase in without.phases]
    assert without.optimizers[GENERATOR].learning_rate == 0.0025


def test_what_follows_a_correction_is_remembered() -> None:
    one, told = objective(), context()
    discriminator, generator = phase_of(one, DISCRIMINATOR), phase_of(one, GENERATOR)
    for _ in range(3):
        one.losses(BATCH, discriminator, told)
        one.after(discriminator, told)
    one.losses(BATCH, generator, told)
    one.after(generator, told)
    torch.testing.assert_close(one.networks[GENERATOR].mapping.mean_latent[0], told.shared["latents"].mean(0))
    other = objective()
    other.load_state_dict(one.state_dict())
    told.shared["judged_real"] = torch.ones(4)
    for each in (one, other):
        each.after(discriminator, told)
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(one.state_dict()[name], other.state_dict()[name]) for name in one.state_dict())
    assert one.augmentation.probability in (0.0, 16 / 100_000)


def test_most_images_are_told_two_latents() -> None:
    one = objective(mixing=0.5)
    many = Images(torch.zeros(400, 1, 8, 8))
    styles = one._styles(many.inputs, None, context()).detach()
    differs = (styles != styles[:, :1]).any(2)
    assert float(differs.any(1).float().mean()) == pytest.approx(0.5, abs=0.08)
    crossovers = {int(row.long().argmax()) for row in differs if row.any()}
    assert crossovers == set(range(1, one.generator.num_styles))
