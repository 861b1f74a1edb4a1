import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from capas.objectives.generative.flow import Flow
from capas.sampling.dequantization import bits_per_dimension, dequantized, quantized
from tests.harness import step_context


@dataclass(frozen=True)
class Images:
    inputs: Tensor
    condition: Tensor | None = None


class Uniform(nn.Module):
    """Everything in [-½, ½) is equally probable: density 1."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))

    def log_likelihood(self, images: Tensor, classes: Tensor | None = None) -> Tensor:
        assert images.min() >= -0.5 and images.max() < 0.5
        return torch.zeros(len(images)) + self.unused


def test_eight_bits_where_all_levels_are_alike() -> None:
    objective = Flow(Uniform())
    images = torch.rand(3, 1, 4, 4) * 2 - 1
    assert objective.losses(Images(images), objective.phases[0], step_context())["bits"].item() == pytest.approx(8)


def test_bits_of_a_density() -> None:
    # A density of 256 on one level of each of two numbers: the level is certain.
    assert bits_per_dimension(torch.tensor([2 * math.log(256)]), 2).item() == pytest.approx(0, abs=1e-5)


def test_levels_there_and_back() -> None:
    levels = torch.arange(256).reshape(1, 1, 16, 16) / 127.5 - 1
    for uniform in (0.0, 0.5, 0.999):
        assert torch.allclose(quantized(dequantized(levels, torch.full_like(levels, uniform))), levels, atol=1e-6)
