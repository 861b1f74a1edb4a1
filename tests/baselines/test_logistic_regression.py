"""The baselines: honest frequencies; a linear model at the minimum of its loss."""

import pytest
import torch
import torch.nn.functional as F

from capas.baselines.logistic_regression import downscaled_pixels, fit_logistic_regression
from capas.baselines.majority_class import MajorityClass
from capas.data.sources.samples import open_sample


def test_the_majority_answers_the_commonest_class_with_its_frequencies() -> None:
    model = MajorityClass.fit(torch.tensor([1, 1, 0, 1, 3]), 5)
    assert torch.equal(model.predict(3), torch.tensor([[0.2, 0.6, 0.0, 0.2, 0.0]] * 3))
    assert model.predict(1).argmax() == 1


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_logistic_regression_is_at_the_minimum_of_its_loss(c: float) -> None:
    """No step away from its scores makes mean cross-entropy + ‖W‖² / (2·c·N) smaller: found by descent of our own."""
    sample = open_sample("digits")
    images = torch.from_numpy(sample.images.arrays).permute(0, 3, 1, 2)[::6]
    labels = torch.tensor([int(label) for label in sample.labels])[::6]
    features = downscaled_pixels(images)
    ours = fit_logistic_regression(features, labels, 10, c=c, steps=2000)(features)
    x = (features - features.mean(0)) / (features - features.mean(0)).square().mean().sqrt()
    weight, bias = torch.zeros(10, x.shape[1], requires_grad=True), torch.zeros(10, requires_grad=True)
    descent = torch.optim.LBFGS([weight, bias], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        descent.zero_grad()
        found = F.cross_entropy(x @ weight.T + bias, labels) + weight.square().sum() / (2 * c * len(x))
        found.backward()
        return found

    descent.step(loss)
    assert ((x @ weight.T + bias).softmax(1) - ours).abs().max() < 5e-3


def test_constant_features_and_classes_without_examples_do_no_harm() -> None:
    features = torch.zeros(20, 3)
    predict = fit_logistic_regression(features, torch.arange(20) % 2, 3)
    torch.testing.assert_close(predict(features), torch.tensor([0.5, 0.5, 0.0]).expand(20, 3))
    only = fit_logistic_regression(features, torch.ones(20, dtype=torch.int64), 3)
    assert torch.equal(only(features), torch.tensor([0.0, 1.0, 0.0]).expand(20, 3))


def test_pixels_are_the_picture_or_its_means() -> None:
    small = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    assert torch.equal(downscaled_pixels(small), (small.float() / 255).flatten(1))
    large = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8)
    means = large.float().view(2, 3, 16, 2, 16, 3).mean((3, 5)) / 255
    torch.testing.assert_close(downscaled_pixels(large), means.flatten(1))
    assert downscaled_pixels(torch.zeros(1, 1, 10, 40, dtype=torch.uint8)).shape == (1, 160)
