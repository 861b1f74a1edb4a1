import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from capas.objectives.base import StepContext
from capas.objectives.generative.adversarial import Adversarial, NoiseSource, spread_of
from capas.sampling.noise import classes_in_turn


@dataclass(frozen=True)
class Images:
    inputs: Tensor
    condition: Tensor | None = None


class Constant(nn.Module):
    """A generator whose images are all of one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, noise: Tensor, classes: Tensor | None = None) -> Tensor:
        return self.value.expand(len(noise), 1, 2, 2)


class Mean(nn.Module):
    """A discriminator whose logit is the mean of an image, scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, images: Tensor, classes: Tensor | None = None) -> Tensor:
        return self.scale * images.mean((1, 2, 3))


def context() -> StepContext:
    return StepContext(step=0, progress=0.0, rng=torch.Generator().manual_seed(0))


def test_losses_are_those_of_the_paper() -> None:
    objective = Adversarial(Constant(-0.5), Mean(), NoiseSource(numbers=3))
    real = torch.full((4, 1, 2, 2), 1.0)
    discriminator, generator = objective.phases
    judged = objective.losses(Images(real), discriminator, context())
    expected = math.log1p(math.exp(-1.0)) + math.log1p(math.exp(-0.5))
    assert judged["discriminator"].item() == pytest.approx(expected, rel=1e-6)
    assert judged["taken_for_real"].item() == 0
    made = objective.losses(Images(real), generator, context())
    assert made["generator"].item() == pytest.approx(math.log1p(math.exp(0.5)), rel=1e-6)


def test_the_discriminators_correction_does_not_reach_the_generator() -> None:
    objective = Adversarial(Constant(0.2), Mean(), NoiseSource(numbers=3))
    objective.losses(Images(torch.ones(2, 1, 2, 2)), objective.phases[0], context())["discriminator"].backward()
    assert objective.networks["generator"].value.grad is None
    assert objective.networks["discriminator"].scale.grad is not None


def test_a_collapse_shows_in_the_spread() -> None:
    objective = Adversarial(Constant(0.0), Mean(), NoiseSource(numbers=3))
    real = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
    assert spread_of(real).item() == 1
    assert objective.losses(Images(real), objective.phases[0], context())["spread"].item() == 0


def test_samples_are_of_all_classes_in_turn() -> None:
    source = NoiseSource(numbers=2, classes=3)
    classes = classes_in_turn(5, source.classes)
    assert classes is not None
    assert classes.tolist() == [0, 1, 2, 0, 1]
    assert Adversarial(Constant(1.0), Mean(), source).sample(5, torch.Generator()).tolist() == [[[255, 255]] * 2] * 5
