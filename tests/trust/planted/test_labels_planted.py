"""Wrong labels are accused where they stand out; where classes merely overlap, nothing is."""

import pytest
import torch
from torch import Tensor

from capas.trust.label_quality.noise_posterior import MIN_PRECISION, accuse_labels, one_sided_labels

N, K = 2000, 3


def drawn(distance: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Labels of three classes on a triangle of this side, in noise of 1, with the true probabilities."""
    rng = torch.Generator().manual_seed(seed)
    centres = distance / 3**0.5 * torch.tensor([[0.0, 1.0], [0.866, -0.5], [-0.866, -0.5]])
    labels = torch.randint(K, (N,), generator=rng)
    x = centres[labels] + torch.randn(N, 2, generator=rng)
    return (-(torch.cdist(x, centres) ** 2) / 2).softmax(1), labels


def flipped(labels: Tensor, share: float) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    chosen = torch.rand(N, generator=rng) < share
    return torch.where(chosen, (labels + torch.randint(1, K, (N,), generator=rng)) % K, labels)


@pytest.mark.parametrize("distance", [1.0, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_overlap_accuses_nothing_however_sure_the_model_is(distance: float, sharpness: float) -> None:
    probabilities, labels = drawn(distance)
    found = accuse_labels((probabilities.log() * sharpness).softmax(1), labels)
    assert not len(found.accused) and found.precision == 0
    assert found.disagreements == pytest.approx(found.expected, rel=0.15, abs=8)
    assert not one_sided_labels(probabilities, labels)


@pytest.mark.parametrize("sharpness", [0.7, 1.0, 2.0])
def test_one_label_in_twenty_at_random_is_found_at_the_stated_precision(sharpness: float) -> None:
    probabilities, labels = drawn(5.0)
    given = flipped(labels, 0.05)
    wrong = given != labels
    found = accuse_labels((probabilities.log() * sharpness).softmax(1), given)
    hits = wrong[found.accused]
    assert float(hits.float().mean()) >= found.precision - 0.05 >= MIN_PRECISION - 0.05
    assert int(hits.sum()) > 0.8 * int(wrong.sum())
    assert len(accuse_labels(probabilities, given, most=7).accused) == 7


def test_a_third_of_one_class_under_another_name_is_told_by_its_direction() -> None:
    probabilities, labels = drawn(5.0)
    turned = (torch.rand(N, generator=torch.Generator().manual_seed(2)) < 0.3) & (labels == 0)
    given = torch.where(turned, 1, labels)
    (pair,) = one_sided_labels(probabilities, given)
    assert (pair.looks, pair.label) == (0, 1) and pair.count == pytest.approx(int(turned.sum()), abs=15)
    assert pair.reverse < 15 and not one_sided_labels(probabilities, flipped(labels, 0.05))


def test_no_more_labels_are_accused_than_overlap_leaves_unexplained() -> None:
    probabilities, labels = drawn(3.5)
    found = accuse_labels(probabilities, flipped(labels, 0.05))
    assert 0 < len(found.accused) <= round(found.disagreements - found.expected)


@pytest.mark.parametrize(("wrong", "accused"), [(1, 0), (3, 3)])
def test_one_surprise_in_a_hundred_accuses_nothing_and_three_do(wrong: int, accused: int) -> None:
    probabilities = torch.tensor([[0.99, 0.01]]).repeat(100, 1)
    probabilities[:wrong] = torch.tensor([0.999, 0.001])
    labels = (torch.arange(100) < wrong).long()
    assert len(accuse_labels(probabilities, labels).accused) == accused
