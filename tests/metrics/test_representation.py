"""The rank, the spread, and what neighbours and a linear probe read from embeddings: against closed forms."""

import math

import pytest
import torch
from torch import Tensor

from capas.metrics import representation
from capas.metrics.representation import (
    collapse,
    dimension_deviations,
    effective_rank,
    knn_accuracy,
    knn_predictions,
    linear_probe_accuracy,
    linear_probe_predictions,
    precision_at,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_effective_rank_of_known_spectra() -> None:
    rotation = torch.linalg.qr(normal(5, 5)).Q
    assert effective_rank(3 * torch.eye(5) @ rotation) == pytest.approx(5)
    assert effective_rank(normal(9, 1) @ normal(1, 6)) == pytest.approx(1, abs=1e-5)
    # Singular values 3 and 1: exp of the entropy of (3/4, 1/4).
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0, 0.0])) @ torch.eye(3)) == pytest.approx(math.exp(entropy))
    assert effective_rank(torch.zeros(4, 3)) == 0.0


def test_embeddings_that_are_all_the_same_have_collapsed() -> None:
    constant = collapse(torch.ones(10, 4) * torch.tensor([1.0, 2.0, 0.0, -1.0]))
    assert constant.collapsed and constant.constant_dimensions == 4
    assert constant.spread == pytest.approx(0, abs=1e-6) and constant.effective_rank < 1.5
    line = collapse(normal(10, 1) * torch.tensor([1.0, 2.0, 0.5]) + 1)
    assert line.collapsed and line.spread > 0.1 and line.effective_rank == pytest.approx(1, abs=1e-4)
    free = collapse(normal(400, 16))
    assert not free.collapsed and free.constant_dimensions == 0
    assert free.spread == pytest.approx(1, abs=0.03) and free.effective_rank > 15
    assert free.as_json()["collapsed"] is False and free.as_json()["n"] == 400


def test_an_offset_does_not_hide_what_is_there() -> None:
    free, offset = collapse(normal(400, 16)), collapse(normal(400, 16) + 100)
    assert offset.effective_rank == pytest.approx(free.effective_rank, rel=1e-3)
    assert effective_rank(normal(400, 16) + 100) < 1.5 and not offset.collapsed


def test_the_spread_does_not_depend_on_the_scale() -> None:
    embeddings = normal(50, 6) + 2
    assert collapse(1000 * embeddings).spread == pytest.approx(collapse(embeddings).spread)


def test_deviations_per_dimension() -> None:
    found = dimension_deviations(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    assert found.tolist() == [1.0, 0.0]


def test_one_embedding_says_nothing_of_collapse() -> None:
    with pytest.raises(ValueError, match="2 or more"):
        collapse(normal(1, 3))


def test_near_neighbours_outvote_many_far_ones() -> None:
    """Two at cosine 1 against three at cosine 0.8: exp(−0.2/0.07) = 0.06 each."""
    far = torch.tensor([0.8, 0.6])
    train = torch.stack([torch.tensor([1.0, 0.0])] * 2 + [far] * 3)
    labels = torch.tensor([1, 1, 0, 0, 0])
    asked = torch.tensor([[2.0, 0.0]])
    assert knn_predictions(train, labels, asked).tolist() == [1]
    assert knn_predictions(train, labels, asked, temperature=10.0).tolist() == [0]
    assert knn_predictions(train, labels, asked, k=2, temperature=10.0).tolist() == [1]


def test_the_vote_is_that_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representation, "CHUNK", 7)
    train, test, labels = normal(60, 5), normal(20, 5, seed=1), torch.arange(60) % 4
    expected = []
    for one in test:
        cosines = torch.nn.functional.cosine_similarity(one[None], train)
        nearest = cosines.argsort(descending=True)[:20]
        votes = [float((cosines[nearest] / 0.07).exp()[labels[nearest] == c].sum()) for c in range(4)]
        expected.append(votes.index(max(votes)))
    assert knn_predictions(train, labels, test).tolist() == expected
    right = int((torch.tensor(expected) == torch.arange(20) % 4).sum())
    accuracy = knn_accuracy(train, labels, test, torch.arange(20) % 4)
    assert (accuracy.value, accuracy.n) == (right / 20, 20) and accuracy.interval[0] < right / 20 < accuracy.interval[1]


def test_the_probe_reads_what_is_linear_and_only_that() -> None:
    train, test = normal(300, 6), normal(200, 6, seed=1)
    # One dimension of a small scale tells the class, among large ones that do not.
    scales = torch.tensor([0.001, 100.0, 1.0, 1.0, 1.0, 0.0])
    labels, answers = (train[:, 0] > 0).long(), (test[:, 0] > 0).long()
    accuracy = linear_probe_accuracy(train * scales + 5, labels, test * scales + 5, answers)
    assert accuracy.n == 200 and accuracy.value > 0.93
    product, expected = (train[:, 0] * train[:, 1] > 0).long(), (test[:, 0] * test[:, 1] > 0).long()
    assert linear_probe_accuracy(train, product, test, expected).value < 0.7


def test_the_probe_with_one_class_or_hardly_any_examples() -> None:
    assert linear_probe_predictions(normal(5, 2), torch.full((5,), 3), normal(4, 2)).tolist() == [3] * 4
    found = linear_probe_predictions(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 2]), torch.tensor([[-2.0], [2.0]]))
    assert found.tolist() == [0, 2]


def test_precision_among_the_nearest() -> None:
    # On a circle, at 0, 10, 30 and 200 degrees, and one without a vector.
    angles = torch.tensor([0.0, 10.0, 30.0, 200.0]).deg2rad()
    vectors = torch.cat([torch.stack([angles.cos(), angles.sin()], 1) * torch.tensor([[1.0], [5.0], [2.0], [1.0]]),
                         torch.zeros(1, 2)])  # fmt: skip
    labels = torch.tensor([[1, 0], [0, 1], [1, 1], [1, 0], [0, 1]]).bool()
    found = precision_at(vectors, labels, (1, 2, 9))
    # Nearest first: 1, 2, 4, 3 | 0, 2, … | 1, 0, 4, 3; what shares a label with 0 are 2 and 3, with 1 are 2 and 4.
    expected = torch.tensor([[0.0, 0.5, 0.5], [0.0, 0.5, 0.5], [1.0, 1.0, 1.0]])
    torch.testing.assert_close(found[:3], expected)
