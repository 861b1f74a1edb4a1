"""Scores of single examples against brute force and scikit-learn, and saved = loaded."""

import pytest
import torch
from safetensors.torch import load, save
from sklearn.covariance import ledoit_wolf

from capas.engine.recipes.single_output.feature_hooks import concat_layer_features
from capas.trust.ood.scores import (
    KNNScore,
    Mahalanobis,
    class_balanced_indices,
    confidence,
    energy,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_confidence_and_energy_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    assert confidence(logits).tolist() == pytest.approx([-0.5, -0.952574], abs=1e-6)
    assert energy(logits).tolist() == pytest.approx([-0.693147, -3.048587], abs=1e-6)


def test_nearest_is_the_distance_to_the_kth_neighbour() -> None:
    held, asked = torch.randn(60, 5, generator=rng()), torch.randn(9, 5, generator=rng(1))
    model = KNNScore.fit(held, torch.zeros(60, dtype=torch.long), rng(), k=7)
    unit = lambda rows: rows / rows.norm(dim=1, keepdim=True)  # noqa: E731
    every = (unit(asked)[:, None] - unit(held)[None]).square().sum(2).sqrt()
    assert torch.allclose(model.score(asked), every.sort(1).values[:, 6], atol=1e-6)
    assert torch.allclose(model.score(asked, batch=2), model.score(asked), atol=1e-6)
    assert torch.allclose(model.score(3 * asked), model.score(asked), atol=1e-6)
    assert len(model.score(asked[:0])) == 0


def test_few_examples_lower_k_and_none_are_refused() -> None:
    assert KNNScore.fit(torch.eye(3), torch.arange(3), rng(), k=5).k == 3
    with pytest.raises(ValueError, match="expected 1 or more"):
        KNNScore.fit(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), rng())


def test_what_is_kept_is_even_over_the_classes() -> None:
    labels = torch.tensor([0] * 900 + [1] * 80 + [2] * 20)[torch.randperm(1000, generator=rng())]
    rows = class_balanced_indices(labels, 150, rng())
    assert torch.bincount(labels[rows]).tolist() == [65, 65, 20]
    assert torch.equal(rows, rows.unique()) and torch.equal(rows, class_balanced_indices(labels, 150, rng()))
    assert torch.equal(class_balanced_indices(labels, 1000, rng()), torch.arange(1000))


def test_mahalanobis_is_the_distance_to_the_nearest_mean() -> None:
    labels = torch.arange(90) % 3 * 2  # classes 0, 2, 4: some numbers do not occur
    features = torch.randn(90, 4, generator=rng()) * torch.tensor([1.0, 5.0, 0.2, 1.0]) + labels[:, None]
    asked = torch.randn(11, 4, generator=rng(1)) * 3
    means = torch.stack([features[labels == c].mean(0) for c in (0, 2, 4)]).double()
    covariance = torch.from_numpy(
        ledoit_wolf((features.double() - means[labels // 2]).numpy(), assume_centered=True)[0]
    )
    apart = asked.double()[:, None] - means
    wanted = torch.einsum("nkd,de,nke->nk", apart, covariance.inverse(), apart).amin(1).sqrt()
    model = Mahalanobis.fit(features, labels)
    assert torch.allclose(model.score(asked), wanted.float(), rtol=1e-4)
    assert torch.allclose(model.score(asked, batch=3), model.score(asked))


def test_a_feature_that_never_varied_keeps_the_score_finite() -> None:
    features = torch.randn(50, 3, generator=rng())
    features[:, 2] = 1.0
    model = Mahalanobis.fit(features, torch.zeros(50, dtype=torch.long))
    assert model.score(features).isfinite().all()
    assert model.score(torch.tensor([[0.0, 0.0, 9.0]])) > model.score(features).max()


def test_layers_weigh_the_same_and_maps_are_averaged() -> None:
    maps, rows = torch.rand(2, 3, 8, 8, generator=rng()), torch.rand(2, 5, generator=rng(1))
    table = concat_layer_features([100 * rows, maps])
    assert table.shape == (2, 5 + 3 * 4)
    assert torch.allclose(table[:, :5].norm(dim=1), torch.ones(2))
    assert torch.allclose(table[:, 5:].norm(dim=1), torch.ones(2))
    fields = maps[0, 0].reshape(2, 4, 2, 4).mean((1, 3)).flatten()
    assert torch.allclose(table[0, 5:9] / table[0, 5], fields / fields[0], atol=1e-5)
    with pytest.raises(ValueError, match="layers"):
        concat_layer_features([])


def test_loaded_is_saved() -> None:
    features, labels = torch.randn(200, 16, generator=rng()), torch.arange(200) % 4
    asked = torch.randn(30, 16, generator=rng(1))
    nearest, distance = KNNScore.fit(features, labels, rng()), Mahalanobis.fit(features, labels)
    assert torch.allclose(
        KNNScore.from_tensors(load(save(nearest.tensors()))).score(asked), nearest.score(asked), atol=1e-3
    )
    assert torch.equal(Mahalanobis.from_tensors(load(save(distance.tensors()))).score(asked), distance.score(asked))
