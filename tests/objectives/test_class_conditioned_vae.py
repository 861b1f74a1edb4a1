"""The bound of the class-conditioned VAE against what is known in closed form, and what it learns on a toy."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from capas.networks.generative.class_conditioned_vae import (
    ClassConditionedVAE,
    ClassConditionedVAEConfig,
    DiagonalNormal,
    Posteriors,
)
from capas.objectives.base import StepContext
from capas.objectives.class_conditioned_vae import ClassConditionedLearning, lower_bound
from capas.objectives.classification import ClassificationBatch


@dataclass
class LinearModel:
    """x = A z_c + B z_s + σ ε with AᵀA diagonal and AᵀB = 0: log p(x, y) and both posteriors are known exactly.

    ``error`` moves and widens the posteriors away from the true ones.
    """

    error: float
    a: Tensor
    b: Tensor
    means: Tensor
    deviation: Tensor

    def posteriors(self, images: Tensor, classes: Tensor) -> Posteriors:
        def latent(directions: Tensor, prior: Tensor) -> DiagonalNormal:
            variance = 1 / (1 + directions.square().sum(0) / self.deviation**2)
            residual = images - prior @ directions.T
            mean = prior + variance * (residual @ directions) / self.deviation**2
            log_variance = variance.log().expand_as(mean)
            return DiagonalNormal(mean=mean + self.error, log_variance=log_variance + self.error)

        shared = torch.zeros(len(images), self.b.shape[1], dtype=images.dtype)
        return Posteriors(
            logits=torch.zeros(len(images), len(self.means)),
            class_latent=latent(self.a, self.means[classes]),
            shared_latent=latent(self.b, shared),
        )

    def prior_means(self, classes: Tensor) -> Tensor:
        return self.means[classes]

    def follow_error(self, mean_square: Tensor) -> None:
        raise NotImplementedError

    def decode(self, class_latent: Tensor, shared_latent: Tensor) -> Tensor:
        return class_latent @ self.a.T + shared_latent @ self.b.T

    def log_joint(self, images: Tensor, classes: Tensor, shares: Tensor) -> Tensor:
        covariance = self.a @ self.a.T + self.b @ self.b.T + self.deviation**2 * torch.eye(len(self.a)).double()
        normal = torch.distributions.MultivariateNormal(torch.zeros(len(self.a)).double(), covariance)
        return normal.log_prob(images - self.means[classes] @ self.a.T) + shares.log()[classes]


@pytest.mark.parametrize("error", [0.0, -0.4, 0.3, 0.8])
def test_the_bound_is_never_above_the_log_likelihood_and_meets_it_at_the_true_posterior(error: float) -> None:
    rng = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(5, 3, generator=rng).double())[0] * torch.tensor([1.5, 0.7, 2.0])
    model = LinearModel(
        error=error, a=directions[:, :2], b=directions[:, 2:], means=torch.randn(3, 2, generator=rng).double(),
        deviation=torch.tensor(0.6).double(),
    )  # fmt: skip
    images = torch.randn(4, 5, generator=rng).double()
    classes, shares = torch.tensor([0, 1, 2, 1]), torch.tensor([0.5, 0.3, 0.2]).double()
    exact = model.log_joint(images, classes, shares)
    draws = 20_000
    many, of = images.repeat(draws, 1), classes.repeat(draws)
    bound = lower_bound(
        model, many, of, model.posteriors(many, of), shares=shares,
        class_noise=torch.randn(len(many), 2, generator=rng).double(),
        shared_noise=torch.randn(len(many), 1, generator=rng).double(),
    )  # fmt: skip
    values = bound.value.view(draws, -1)
    mean, doubt = values.mean(0), 4 * values.std(0) / math.sqrt(draws)
    assert bool((mean <= exact + doubt).all())
    if error == 0:
        torch.testing.assert_close(mean, exact, atol=0.05, rtol=0)
    else:
        assert bool((mean < exact - 0.05).all())


def test_divergences_are_those_of_torch() -> None:
    rng = torch.Generator().manual_seed(0)
    found = DiagonalNormal.of(torch.randn(3, 8, generator=rng))
    prior = torch.randn(3, 4, generator=rng)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(found.mean, (found.log_variance / 2).exp()), torch.distributions.Normal(prior, 1.0)
    )
    torch.testing.assert_close(found.divergence(prior), expected)


def bars(count: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures 8×8: a line on the left (class 0) or right (class 1); in the middle a bar, its height the style."""
    classes = torch.randint(2, (count,), generator=rng)
    styles = torch.rand(count, generator=rng)
    images = torch.full((count, 1, 8, 8), -1.0)
    for i in range(count):
        column, rows = (1, 6)[int(classes[i])], 2 + int(styles[i] * 6)
        images[i, 0, :, column] = 1.5
        images[i, 0, 8 - rows :, 3:5] = 1.5
    return images, classes, styles


def learning() -> ClassConditionedLearning:
    torch.manual_seed(0)
    config = ClassConditionedVAEConfig(num_classes=2, image_size=8, width=4, class_numbers=2, shared_numbers=3)
    return ClassConditionedLearning(ClassConditionedVAE(config), torch.tensor([0.5, 0.5]))


@pytest.fixture(scope="module")
def trained() -> Iterator[ClassConditionedVAE]:
    objective, rng = learning(), torch.Generator().manual_seed(0)
    network = objective.networks["network"]
    optimizer = torch.optim.Adam(network.parameters(), lr=8e-3)
    images, classes, _ = bars(256, rng)
    for step in range(70):
        some = torch.randint(256, (48,), generator=rng)
        batch = cast(ClassificationBatch, SimpleNamespace(inputs=images[some], targets=classes[some], mix=None))
        context = StepContext(step=step, progress=step / 70, rng=rng)
        optimizer.zero_grad()
        objective.losses(batch, objective.phases[0], context)["loss"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            objective.after(objective.phases[0], context)
    network.eval()
    assert isinstance(network, ClassConditionedVAE)
    yield network


@torch.no_grad()
def test_the_shared_latent_holds_the_style_and_not_the_class(trained: ClassConditionedVAE) -> None:
    images, classes, styles = bars(300, torch.Generator().manual_seed(1))
    found = trained.posteriors(images, classes)
    assert float((found.logits.argmax(1) == classes).float().mean()) > 0.97
    shared = found.shared_latent.mean.numpy()
    probe = LogisticRegression().fit(shared[:200], classes[:200].numpy())
    assert probe.score(shared[200:], classes[200:].numpy()) < 0.65  # chance: 0.5
    _, residuals, *_ = np.linalg.lstsq(np.c_[shared, np.ones(300)], styles.numpy(), rcond=None)
    assert 1 - float(residuals[0]) / float(styles.var() * 299) > 0.6  # R² of the style


@torch.no_grad()
def test_another_class_keeps_the_style(trained: ClassConditionedVAE) -> None:
    images, classes, _ = bars(100, torch.Generator().manual_seed(2))
    shared = trained.posteriors(images, classes).shared_latent.mean
    edited = trained.decode(trained.prior_means(1 - classes), shared)
    left, right = edited[..., 1].mean((1, 2)), edited[..., 6].mean((1, 2))
    assert float(((right > left).long() == 1 - classes).float().mean()) > 0.95
    heights = (images[..., 3:5] > 0).sum((1, 2, 3)).float() / 2
    drawn = (edited[..., 3:5] > 0).sum((1, 2, 3)).float() / 2
    # Nothing in the bound says that a number means the same in every class: in a failed training this was -0.95.
    assert float(torch.corrcoef(torch.stack([heights, drawn]))[0, 1]) > 0.8


def test_the_deviation_follows_the_error() -> None:
    network = ClassConditionedVAE(ClassConditionedVAEConfig(image_size=8, width=2))
    for _ in range(200):
        network.follow_error(torch.tensor(0.09))
    assert float(network.deviation) == pytest.approx(0.3, rel=1e-4)
