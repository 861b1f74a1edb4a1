"""The squared error of what is rebuilt, and that of principal components."""

import pytest
import torch
from torch import Tensor, nn

from capas.engine import recipe
from capas.engine.recipes.embedding.reconstruction import (
    PrincipalComponents,
    reconstruction_errors,
    with_reconstruction,
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
