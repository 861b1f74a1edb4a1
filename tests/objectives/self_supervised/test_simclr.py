"""NT-Xent against two libraries and its definition; two ranks equal one process, gradients included."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from capas.networks.representation.heads import simclr_projector
from capas.objectives.base import StepContext
from capas.objectives.self_supervised.batches import TwoViewBatch
from capas.objectives.self_supervised.simclr import SimCLR, nt_xent
from tests.harness import FIXTURES
from tests.objectives.self_supervised.toys import FEATURES, check_contract, encoder, falls, learn, two_views

RECORDED: Path = FIXTURES / "representation" / "embedding_losses.safetensors"


def make() -> SimCLR:
    return SimCLR(encoder(), simclr_projector(FEATURES, output_dim=4))


def test_it_keeps_the_contract() -> None:
    assert isinstance(two_views(), TwoViewBatch)
    check_contract(make(), make, two_views())


@pytest.mark.parametrize("library", ["lightly", "pytorch_metric_learning"])
@pytest.mark.parametrize("temperature", [0.5, 0.1])
def test_it_equals_the_libraries(library: str, temperature: float) -> None:
    recorded = load_file(RECORDED)
    first, second = (recorded[name].requires_grad_() for name in ("first", "second"))
    loss = nt_xent(first, second, temperature)
    loss.backward()
    name = f"nt_xent.{library}.{temperature}"
    torch.testing.assert_close(loss, recorded[f"{name}.loss"], rtol=0, atol=1e-10)
    torch.testing.assert_close(first.grad, recorded[f"{name}.first"], rtol=0, atol=1e-10)
    torch.testing.assert_close(second.grad, recorded[f"{name}.second"], rtol=0, atol=1e-10)


def test_the_loss_of_a_collapsed_network_is_that_of_guessing() -> None:
    same = torch.ones(5, 3)
    assert nt_xent(same, same, 0.5).item() == pytest.approx(math.log(9), rel=1e-6)


def test_half_precision_does_not_round_the_similarities() -> None:
    embeddings = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    exact = nt_xent(embeddings, 0.9 * embeddings + 0.01, 0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert nt_xent(embeddings, 0.9 * embeddings + 0.01, 0.05).item() == exact.item()


def test_two_ranks_have_the_loss_and_the_gradient_of_one_process() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second, weight = (torch.randn(*shape, generator=generator).double() for shape in [(6, 5), (6, 5), (5, 4)])
    weight.requires_grad_()

    def objective() -> SimCLR:
        layer = torch.nn.Linear(5, 4, bias=False).double()
        layer.weight = torch.nn.Parameter(weight.detach().T.clone())
        return SimCLR(torch.nn.Identity(), layer)

    def correction(rank: int, world: int) -> tuple[Tensor, Tensor]:
        made, own = objective(), slice(rank * 6 // world, (rank + 1) * 6 // world)
        projector = made.networks["projector"]
        asked = iter([first, second])
        context = StepContext(
            step=0, progress=0.0, rng=torch.Generator(), rank=rank, world_size=world,
            gather=lambda tensor: projector(next(asked)).detach(),
        )  # fmt: skip
        views = type(two_views())(first=first[own], second=second[own])
        loss = made.losses(views, made.phases[0], context)["loss"]
        loss.backward()
        (parameter,) = projector.parameters()
        assert parameter.grad is not None
        return loss.detach(), parameter.grad

    alone, gradient = correction(0, 1)
    ranks = [correction(rank, 2) for rank in (0, 1)]
    for loss, _ in ranks:
        torch.testing.assert_close(loss, alone, rtol=0, atol=1e-12)
    torch.testing.assert_close((ranks[0][1] + ranks[1][1]) / 2, gradient, rtol=0, atol=1e-12)


def test_it_learns() -> None:
    assert falls(learn(make(), two_views()), 0.9)


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature"):
        SimCLR(encoder(), simclr_projector(FEATURES), temperature=0.0)
