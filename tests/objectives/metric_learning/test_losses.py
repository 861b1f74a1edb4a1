"""The losses of metric learning against pytorch-metric-learning and their definitions, and what a bad batch gives."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from capas.objectives.metric_learning.angular_margin import angular_margin_loss
from capas.objectives.metric_learning.contrastive import contrastive_loss
from capas.objectives.metric_learning.supervised_contrastive import supervised_contrastive_loss
from capas.objectives.metric_learning.triplet import triplet_loss
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "representation" / "embedding_losses.safetensors")
LABELS = RECORDED["labels"]
PAIR_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "triplet.hard": lambda x, y: triplet_loss(x, y, mining="hard"),
    "triplet.semi_hard": lambda x, y: triplet_loss(x, y, mining="semi-hard"),
    "supervised_contrastive": supervised_contrastive_loss,
    "contrastive": contrastive_loss,
}


def embeddings() -> Tensor:
    return RECORDED["embeddings"].clone().requires_grad_()


@pytest.mark.parametrize("name", [name for name in PAIR_LOSSES if name != "contrastive"])
def test_it_equals_the_library(name: str) -> None:
    x = embeddings()
    loss = PAIR_LOSSES[name](x, LABELS)
    loss.backward()
    torch.testing.assert_close(loss, RECORDED[f"{name}.loss"], rtol=0, atol=1e-10)
    torch.testing.assert_close(x.grad, RECORDED[f"{name}.embeddings"], rtol=0, atol=1e-10)
    assert RECORDED["triplet.semi_hard.count"].item() > 3, "the fixture holds semi-hard triplets"


def test_the_angular_margin_equals_the_librarys() -> None:
    x, weight = embeddings(), RECORDED["weight"].T.clone().requires_grad_()
    loss = angular_margin_loss(x, LABELS, weight, margin=math.radians(28.6))
    loss.backward()
    torch.testing.assert_close(loss, RECORDED["arcface.loss"], rtol=0, atol=1e-10)
    torch.testing.assert_close(x.grad, RECORDED["arcface.embeddings"], rtol=0, atol=1e-10)
    torch.testing.assert_close(weight.grad, RECORDED["arcface.weight"].T, rtol=0, atol=1e-10)


def test_the_angular_margin_goes_on_falling_beyond_the_far_side() -> None:
    """The loss rises with the angle from 0 to π, also where cos(θ + m) would turn back."""
    angles = torch.linspace(0, math.pi, 30, dtype=torch.float64)
    prototypes = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    losses = [
        angular_margin_loss(torch.stack([a.cos(), a.sin()])[None], torch.tensor([0]), prototypes, scale=4.0)
        for a in angles
    ]
    assert all(later > earlier for earlier, later in itertools.pairwise(losses))
    # At 0 the margin is all there is: the other class has cosine 0.
    assert losses[0].item() == pytest.approx(math.log1p(math.exp(-4 * math.cos(0.5))), abs=1e-5)


def test_an_embedding_on_its_prototype_has_a_finite_gradient() -> None:
    x = torch.tensor([[1.0, 0.0]], requires_grad=True)
    angular_margin_loss(x, torch.tensor([0]), torch.eye(2)).backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_contrastive_is_hadsells_pair_by_pair() -> None:
    x = torch.nn.functional.normalize(RECORDED["embeddings"], dim=1)
    pull, push = [], []
    for i, j in itertools.combinations(range(len(x)), 2):
        distance = (x[i] - x[j]).norm()
        if LABELS[i] == LABELS[j]:
            pull.append(distance**2 / 2)
        else:
            push.append(max(0.0, 1 - distance) ** 2 / 2)
    assert any(push) and not all(push)
    expected = sum(pull) / len(pull) + sum(push) / len(push)
    torch.testing.assert_close(contrastive_loss(RECORDED["embeddings"], LABELS), torch.as_tensor(expected))


@pytest.mark.parametrize("name", PAIR_LOSSES)
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 0]])
def test_a_batch_without_pairs_teaches_nothing_wrong(name: str, labels: list[int]) -> None:
    """All of different identities, or all of one; two embeddings are the same besides."""
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], requires_grad=True)
    loss = PAIR_LOSSES[name](x, torch.tensor(labels))
    loss.backward()
    assert loss.isfinite() and x.grad is not None and x.grad.isfinite().all()
    if name.startswith("triplet") or (name == "supervised_contrastive" and labels[1]):
        assert loss.item() == 0 and not x.grad.any()


def test_a_lonely_example_is_no_anchor() -> None:
    x = RECORDED["embeddings"][:3]
    expected = [
        -(math.log(math.exp(s01 / 0.1) / (math.exp(s01 / 0.1) + math.exp(other / 0.1))))
        for s01, other in [(cosine(x, 0, 1), cosine(x, 0, 2)), (cosine(x, 0, 1), cosine(x, 1, 2))]
    ]
    found = supervised_contrastive_loss(x, torch.tensor([4, 4, 2]))
    assert found.item() == pytest.approx(sum(expected) / 2)


def cosine(x: Tensor, i: int, j: int) -> float:
    return torch.nn.functional.cosine_similarity(x[i], x[j], dim=0).item()
