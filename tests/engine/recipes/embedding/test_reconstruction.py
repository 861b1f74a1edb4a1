"""The squared error of what is rebuilt, and that of principal components."""

import math

import pytest
import torch
from torch import Tensor, nn

from capas.core.number_format import format_metric
from capas.engine import recipe
from capas.engine.recipes.embedding.reconstruction import (
    PrincipalComponents,
    reconstruction_errors,
    with_reconstruction,
    with_word_cross_entropy,
    word_cross_entropies,
)


def test_principal_components_rebuild_what_lies_in_their_plane() -> None:
    rng = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(6, 6, generator=rng))[0]
    examples = torch.randn(200, 2, generator=rng) @ directions[:2] + 3
    fitted = PrincipalComponents.fit(examples, 2)
    assert fitted.encode(examples).shape == (200, 2)
    assert float(fitted.errors(examples).max()) < 1e-6
    # A unit off the plane costs a unit squared: the plane is what is rebuilt.
    beside = fitted.errors(examples + 2 * directions[4])
    torch.testing.assert_close(beside, torch.full_like(beside, 4.0), atol=1e-4, rtol=0)
    assert PrincipalComponents.fit(examples[:3], 30).encode(examples).shape == (200, 3)


class Halving(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5))

    def reconstruct(self, inputs: Tensor) -> Tensor:
        return self.share * inputs


def test_errors_are_sums_over_an_example() -> None:
    inputs = torch.tensor([[[[2.0, 0.0]]], [[[4.0, 2.0]]]])
    assert reconstruction_errors(Halving(), inputs).tolist() == [1.0, 5.0]
    empty = recipe.TestResult(n=2, metrics={"view_recall": 1.0}, baseline={"pca": {"view_recall": 0.5}}, rows=[])
    result = with_reconstruction(empty, torch.tensor([1.0, 5.0]), {"pca": lambda: torch.tensor([2.0, 4.0])})
    own, beside = result.metrics["squared_error"], result.baseline["pca"]["squared_error"]
    assert isinstance(own, dict) and isinstance(beside, dict)
    assert (own["value"], beside["value"]) == (pytest.approx(3.0), pytest.approx(3.0))
    assert list(result.metrics) == ["view_recall", "squared_error"]
    assert format_metric(own).startswith("3.00") and "%" not in format_metric(own)


class Shares(nn.Module):
    """Takes every document for half a, half b."""

    def __init__(self) -> None:
        super().__init__()
        self.shares = nn.Parameter(torch.tensor([0.5, 0.5, 0.0]))

    def reconstruct(self, inputs: Tensor) -> Tensor:
        return self.shares.expand_as(inputs)


def test_cross_entropy_of_words() -> None:
    documents = torch.tensor([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0]])
    entropies = word_cross_entropies(Shares(), documents)
    torch.testing.assert_close(entropies, torch.full((2,), math.log(2), dtype=torch.float64))
    # A word that was thought impossible costs a lot, but not everything.
    assert float(word_cross_entropies(Shares(), torch.tensor([[0.0, 0.0, 1.0]]))[0]) == pytest.approx(-math.log(1e-12))
    empty = recipe.TestResult(n=2, metrics={"view_recall": 1.0}, baseline={"untrained": {"view_recall": 0.5}}, rows=[])
    result = with_word_cross_entropy(empty, entropies, untrained=3 * entropies, frequencies=2 * entropies)
    assert format_metric(result.metrics["word_cross_entropy"]).startswith("0.693 nats")
    assert format_metric(result.baseline["untrained"]["word_cross_entropy"]).startswith("2.08 nats")
    assert format_metric(result.further["word_cross_entropy_of_frequencies"]).startswith("1.39 nats")
