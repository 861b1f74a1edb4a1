"""Models of scikit-learn as tensors: they say what scikit-learn's say."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from capas.engine.recipes.single_output.tabular.parts import (
    PartTargets,
    boosted_trees,
    fit_boosting,
    fit_forest,
    fit_linear,
)


def rows(n: int = 300) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(n, 4, generator=rng)
    x[torch.rand(x.shape, generator=rng) < 0.1] = torch.nan
    x[:, 3] = (x[:, 3] * 2).round()  # many equal values, which lie on thresholds
    return x


X = rows()
SCORE = X.nan_to_num()[:, 0] + X.nan_to_num()[:, 1] ** 2


def classes(k: int) -> PartTargets:
    edges = SCORE.quantile(torch.linspace(0, 1, k + 1)[1:-1])
    return PartTargets(kind="class", values=torch.bucketize(SCORE, edges), outputs=k)


@pytest.mark.parametrize("k", [2, 3])
def test_boosted_classes_are_scikit_learns(k: int) -> None:
    targets = classes(k)
    model = HistGradientBoostingClassifier(random_state=0).fit(X.numpy(), targets.values.numpy())
    found = fit_boosting(X, targets)(X).softmax(1)
    np.testing.assert_allclose(found.numpy(), model.predict_proba(X.numpy()), atol=1e-5)
    assert boosted_trees(targets) == (100 if k == 2 else 300)


def test_boosted_numbers_and_tags_are_scikit_learns() -> None:
    numbers = PartTargets(kind="numbers", values=torch.stack([SCORE, -2 * SCORE], 1), outputs=2)
    found = fit_boosting(X, numbers)(X)
    model = HistGradientBoostingRegressor(random_state=0).fit(X.numpy(), -2 * SCORE.numpy())
    np.testing.assert_allclose(found[:, 1].numpy(), model.predict(X.numpy()), atol=1e-4)
    tags = PartTargets(kind="tags", values=torch.stack([SCORE > 1, SCORE > 99], 1).float(), outputs=2)
    tagged = fit_boosting(X, tags)(X).sigmoid()
    chooser = HistGradientBoostingClassifier(random_state=0).fit(X.numpy(), (SCORE > 1).numpy())
    np.testing.assert_allclose(tagged[:, 0].numpy(), chooser.predict_proba(X.numpy())[:, 1], atol=1e-5)
    assert float(tagged[:, 1].max()) < 1e-6  # a tag that no row has


def test_forests_are_scikit_learns() -> None:
    targets = classes(3)
    model = RandomForestClassifier(random_state=0).fit(X.numpy(), targets.values.numpy())
    np.testing.assert_allclose(fit_forest(X, targets)(X).numpy(), model.predict_proba(X.numpy()), atol=1e-5)
    numbers = PartTargets(kind="numbers", values=torch.stack([SCORE, SCORE + X.nan_to_num()[:, 2]], 1), outputs=2)
    other = RandomForestRegressor(random_state=0).fit(X.numpy(), numbers.values.numpy())
    np.testing.assert_allclose(fit_forest(X, numbers)(X).numpy(), other.predict(X.numpy()), atol=1e-4)


def test_a_class_without_rows_is_next_to_impossible() -> None:
    targets = PartTargets(kind="class", values=2 * (SCORE > 1).long(), outputs=4)
    for found in (fit_boosting(X, targets)(X).softmax(1), fit_forest(X, targets)(X)):
        assert float(found[:, [1, 3]].max()) < 1e-6 and float(found[:, [0, 2]].sum(1).min()) > 0.999
    linear = fit_linear(X.nan_to_num(), targets)(X.nan_to_num()).softmax(1)
    assert float(linear[:, [1, 3]].max()) < 1e-6


def test_a_constant_number_needs_no_tree() -> None:
    targets = PartTargets(kind="numbers", values=torch.full((300, 1), 0.25), outputs=1)
    assert not targets.varied and classes(2).varied
    assert fit_boosting(X, targets)(X).unique().tolist() == [0.25]


def test_a_line_is_found_by_the_linear_model() -> None:
    x = X.nan_to_num()
    found = fit_linear(x, PartTargets(kind="numbers", values=(2 * x[:, :1] - x[:, 1:2] + 3), outputs=1))
    torch.testing.assert_close(found.weight[:, 0], torch.tensor([2.0, -1, 0, 0]), atol=0.02, rtol=0)
    assert float(found.bias) == pytest.approx(3, abs=0.02)
    tags = PartTargets(kind="tags", values=torch.stack([x[:, 0] > 0, x[:, 1] > 0], 1).float(), outputs=2)
    called = fit_linear(x, tags)(x) > 0
    assert float((called == tags.values.bool()).float().mean()) > 0.97
    assert fit_linear(x, tags, (0.5, 0.5)).penalties == (0.5, 0.5)
