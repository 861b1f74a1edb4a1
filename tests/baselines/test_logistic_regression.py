"""The baselines: honest frequencies, and the same linear model as scikit-learn's."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression as Reference

from capas.baselines.logistic_regression import LogisticRegression, downscaled_pixels
from capas.baselines.majority_class import MajorityClass
from capas.data.sources.samples import open_sample


def test_the_majority_answers_the_commonest_class_with_its_frequencies() -> None:
    model = MajorityClass.fit(torch.tensor([1, 1, 0, 1, 3]), 5)
    assert torch.equal(model.predict(3), torch.tensor([[0.2, 0.6, 0.0, 0.2, 0.0]] * 3))
    assert model.predict(1).argmax() == 1


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_logistic_regression_is_scikit_learns(c: float) -> None:
    sample = open_sample("digits")
    images = torch.from_numpy(sample.images.arrays).permute(0, 3, 1, 2)[::3]
    labels = torch.tensor([int(label) for label in sample.labels])[::3]
    features = downscaled_pixels(images)
    ours = LogisticRegression.fit(features[:450], labels[:450], 10, c=c, steps=400)
    standard = (features - ours.centre) / ours.scale
    theirs = Reference(C=c, max_iter=5000, tol=1e-8).fit(standard[:450], labels[:450])
    expected = torch.from_numpy(theirs.predict_proba(standard[450:]))
    assert (ours.predict(features[450:]) - expected).abs().max() < 1e-3


def test_constant_features_do_no_harm() -> None:
    features = torch.zeros(20, 3)
    model = LogisticRegression.fit(features, torch.arange(20) % 2, 2)
    torch.testing.assert_close(model.predict(features), torch.full((20, 2), 0.5))


def test_pixels_are_the_picture_or_its_means() -> None:
    small = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    assert torch.equal(downscaled_pixels(small), (small.float() / 255).flatten(1))
    large = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8)
    means = large.float().view(2, 3, 16, 2, 16, 3).mean((3, 5)) / 255
    torch.testing.assert_close(downscaled_pixels(large), means.flatten(1))
    assert downscaled_pixels(torch.zeros(1, 1, 10, 40, dtype=torch.uint8)).shape == (1, 160)
