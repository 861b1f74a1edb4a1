"""The objective of metric learning: it learns with every loss, and two ranks equal one process."""

from dataclasses import dataclass
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from capas.objectives.base import Objective, StepContext, deployed_networks
from capas.objectives.metric_learning.objective import IdentityBatch, MetricLearning, MetricLoss
from tests.objectives.self_supervised.toys import FEATURES, encoder, falls, learn, shapes

LOSSES = get_args(MetricLoss)


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    inputs: Tensor
    targets: Tensor


def batch() -> Labelled:
    generator = torch.Generator().manual_seed(0)
    images = shapes(4).repeat(4, 1, 1, 1)
    return Labelled(
        inputs=images + 0.3 * torch.randn(images.shape, generator=generator), targets=torch.arange(4).repeat(4)
    )


def make(loss: MetricLoss) -> MetricLearning:
    return MetricLearning(encoder(), nn.Linear(FEATURES, 4), loss=loss, num_classes=4, embedding_dim=4)


@pytest.mark.parametrize("loss", LOSSES)
def test_it_learns_and_the_encoder_is_reached(loss: MetricLoss) -> None:
    objective = make(loss)
    assert isinstance(objective, Objective) and isinstance(batch(), IdentityBatch)
    assert set(deployed_networks(objective)) == {"encoder", "embedder"}
    objective.losses(batch(), objective.phases[0], _context(0, 1))["loss"].backward()
    assert max(p.grad.abs().max() for p in objective.networks["encoder"].parameters() if p.grad is not None) > 1e-6
    assert falls(learn(objective, batch(), rate=1e-2), 0.8)


@pytest.mark.parametrize("loss", LOSSES)
def test_two_ranks_have_the_gradient_of_one_process(loss: MetricLoss) -> None:
    generator = torch.Generator().manual_seed(0)
    data = Labelled(
        inputs=torch.randn(8, 5, generator=generator).double(), targets=torch.tensor([0, 1, 2, 3, 0, 1, 1, 3])
    )
    objective = MetricLearning(
        nn.Linear(5, 4, bias=False).double(), nn.Identity(), loss=loss, num_classes=4, embedding_dim=4
    )
    objective.networks.get("prototypes", nn.Identity()).double()
    weight = objective.networks["encoder"].get_parameter("weight")

    def gradient(rank: int, world: int) -> Tensor:
        weight.grad = None
        own = slice(rank * 8 // world, (rank + 1) * 8 // world)
        embeddings = objective.networks["encoder"](data.inputs).detach()
        context = _context(rank, world, lambda t: data.targets if t.dtype == torch.int64 else embeddings)
        part = Labelled(inputs=data.inputs[own], targets=data.targets[own])
        objective.losses(part, objective.phases[0], context)["loss"].backward()
        assert weight.grad is not None
        return weight.grad.clone()

    expected = gradient(0, 1)
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close((gradient(0, 2) + gradient(1, 2)) / 2, expected, rtol=0, atol=1e-12)


def _context(rank: int, world: int, gather=lambda tensor: tensor) -> StepContext:
    return StepContext(
        step=0, progress=0.0, rng=torch.Generator(), rank=rank, world_size=world, gather=gather
    )  # fmt: skip
