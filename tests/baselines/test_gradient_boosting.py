"""Gradient boosting: it learns what a line cannot, bears what is missing, and is the same whenever it is fitted."""

import pytest
import torch

from capas.baselines.gradient_boosting import fit_boosted_classes, fit_boosted_regression


def table(n: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Two columns whose product decides, one that says nothing; some cells are missing."""
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    y = x[:, 0] * x[:, 1]
    x[::17, 2] = torch.nan
    return x, y


def test_numbers_that_no_line_fits_are_learnt_and_always_alike() -> None:
    x, y = table()
    found = fit_boosted_regression(x[:300], y[:300])(x[300:])
    assert found.dtype == torch.float64 and found.shape == (100,)
    assert float((found - y[300:]).square().mean()) < 0.35 * float(y[300:].var())
    assert torch.equal(found, fit_boosted_regression(x[:300], y[:300])(x[300:]))


@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_are_of_all_classes_also_those_without_examples(classes: int) -> None:
    x, y = table()
    labels = (y > 0).long() if classes == 2 else (x[:, 0] > 0).long() + 2 * (y > 0).long()
    found = fit_boosted_classes(x[:300], labels[:300], classes + 1)(x[300:])
    assert found.shape == (100, classes + 1) and torch.equal(found[:, classes], torch.zeros(100))
    torch.testing.assert_close(found.sum(1), torch.ones(100))
    assert float((found.argmax(1) == labels[300:]).float().mean()) > 0.75


def test_missing_says_something_where_it_means_something() -> None:
    x = torch.zeros(200, 1)
    x[::2] = torch.nan
    labels = torch.arange(200) % 2
    found = fit_boosted_classes(x, labels, 2)(torch.tensor([[torch.nan], [0.0]]))
    assert found.argmax(1).tolist() == [0, 1]
