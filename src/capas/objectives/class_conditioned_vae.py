"""How a class-conditioned VAE learns; the model is that of ``capas.networks.generative.class_conditioned_vae``.

The bound on the joint log-likelihood, by Jensen's inequality with q(z_c, z_s | x, y) = q(z_c | x, y) q(z_s | x):

    log p(x, y) ≥ E_q[log p(x | z_c, z_s)] − KL(q(z_c | x, y) ‖ N(μ_y, I)) − KL(q(z_s | x) ‖ N(0, I)) + log p(y)

q(y | x) is not part of it and is learnt beside it, as in Kingma et al., "Semi-supervised Learning with Deep Generative
Models", NIPS 2014, eq. 9: what is minimised is −bound / (numbers of an image) + cross-entropy.

The bound alone makes the class in z_s cost nats that it need not pay in z_c, where μ_y holds it for nothing, but does
not forbid it: style correlates with class. Hence two further terms, ours: the dependence of the mean of q(z_s | x) on
the class within a batch, of any kind (HSIC, ``dependence``) and linear (Pillai's trace, ``linear_dependence``). HSIC
sees any dependence, but the faint one of a number that hardly varies only faintly: a linear probe still found it. An
adversary that learns to tell the class from z_s was tried first, and is worse: on a toy the class could then be told
from z_s in 92 % (chance: 50 %), with HSIC in 51 % (docs/adr/0021).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.classification import Classification, ClassificationBatch
from capas.objectives.dependence import class_dependence, linear_class_dependence
from capas.objectives.similarity import full_precision

INDEPENDENCE: Final = 1.0  # weight of the dependence of the shared latent on the class, of any kind
LINEAR_INDEPENDENCE: Final = 2.0  # weight of the linear one
_LOG_2PI: Final = math.log(2 * math.pi)


@runtime_checkable
class LatentPosterior(Protocol):
    """The distribution of a latent of D numbers."""

    @property
    def mean(self) -> Tensor:
        """(B, D)."""

    def sample(self, noise: Tensor) -> Tensor:
        """Return the sample that standard normal ``noise`` (B, D) stands for."""

    def divergence(self, prior_mean: Tensor | None = None) -> Tensor:
        """Return KL(self ‖ N(prior_mean, I)) of each number (B, D), in nats; without a mean it is 0."""


@runtime_checkable
class ImagePosteriors(Protocol):
    """What a model makes of images."""

    @property
    def logits(self) -> Tensor:
        """Those of q(y | x), (B, K)."""

    @property
    def class_latent(self) -> LatentPosterior:
        """q(z_c | x, y)."""

    @property
    def shared_latent(self) -> LatentPosterior:
        """q(z_s | x)."""


@runtime_checkable
class LatentModel(Protocol):
    """What the bound needs of a model."""

    @property
    def deviation(self) -> Tensor:
        """σ of the pixels, a scalar."""

    def posteriors(self, images_BCHW: Tensor, classes: Tensor) -> ImagePosteriors:
        """Return the distributions of the latents."""

    def prior_means(self, classes: Tensor) -> Tensor:
        """Return μ_y (B, L)."""

    def follow_error(self, mean_square: Tensor) -> None:
        """Move σ towards the square root of the mean squared error of the pixels."""

    def decode(self, class_latent: Tensor, shared_latent: Tensor) -> Tensor:
        """Return the mean of the images."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LowerBound:
    """The terms of the bound on log p(x, y) for each example, in nats.

    Attributes:
        log_likelihood: Of one sample of the latents, (B,).
        class_divergence: Of each number of z_c, (B, L).
        shared_divergence: Of each number of z_s, (B, S).
        log_prior: log p(y), (B,).
        mean_square: Mean squared error of the pixels, a scalar.
    """

    log_likelihood: Tensor
    class_divergence: Tensor
    shared_divergence: Tensor
    log_prior: Tensor
    mean_square: Tensor

    @property
    def value(self) -> Tensor:
        """The bound, (B,)."""
        return self.log_likelihood - self.class_divergence.sum(1) - self.shared_divergence.sum(1) + self.log_prior


def lower_bound(
    model: LatentModel, images: Float[Tensor, "B ..."], classes: Int[Tensor, " B"], posteriors: ImagePosteriors,
    *, class_noise: Float[Tensor, "B L"], shared_noise: Float[Tensor, "B S"], shares: Float[Tensor, " K"],
) -> LowerBound:  # fmt: skip
    """Return the bound with the latents that standard normal noise stands for.

    Args:
        model: The model.
        images: Normalised images.
        classes: Their classes.
        posteriors: What the model makes of them.
        class_noise: Of z_c.
        shared_noise: Of z_s.
        shares: p(y), > 0, which sum to one.
    """
    class_latent = posteriors.class_latent.sample(class_noise)
    shared_latent = posteriors.shared_latent.sample(shared_noise)
    deviation = full_precision(model.deviation)
    residuals = (full_precision(images) - full_precision(model.decode(class_latent, shared_latent))) / deviation
    densities = -(residuals.square() + _LOG_2PI) / 2 - deviation.log()
    return LowerBound(
        log_likelihood=densities.flatten(1).sum(1),
        class_divergence=posteriors.class_latent.divergence(full_precision(model.prior_means(classes))),
        shared_divergence=posteriors.shared_latent.divergence(),
        log_prior=shares.log()[classes],
        mean_square=residuals.square().mean() * deviation.square(),
    )


class ClassConditionedLearning:
    """Objective of a class-conditioned VAE.

    Args:
        network: A ``ClassConditionedVAE``: images → logits, and a ``LatentModel``.
        shares: Shares of the classes in the training split, (K,).
        label_smoothing: That of the cross-entropy.
        class_weights: Its weights by class.
        independence: Weight of the dependence of z_s on the class; 0, here and below, for the bound alone.
        linear_independence: Weight of the linear dependence.
    """

    def __init__(
        self, network: nn.Module, shares: Float[Tensor, " K"], *, label_smoothing: float = 0.0,
        class_weights: Tensor | None = None, independence: float = INDEPENDENCE,
        linear_independence: float = LINEAR_INDEPENDENCE,
    ) -> None:  # fmt: skip
        assert isinstance(network, LatentModel)
        self.model: LatentModel = network
        self.networks: Mapping[str, nn.Module] = {"network": cast(nn.Module, network)}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=("network",)),)
        self.classification = Classification(
            cast(nn.Module, network), label_smoothing=label_smoothing, class_weights=class_weights
        )
        self.shares = shares.clamp(min=1e-6)
        self.independence = independence
        self.linear_independence = linear_independence

    def losses(self, batch: ClassificationBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        images, classes = cast(Tensor, batch.inputs), batch.targets
        if batch.mix is not None:  # of a blend of two images the one that weighs more says what it is
            classes = torch.where(batch.mix.weight >= 0.5, classes, classes[batch.mix.partner])
        posteriors = self.model.posteriors(images, classes)
        noise = {
            name: context.normal(len(images), latent.mean.shape[1]).to(images.device)
            for name, latent in (("class_noise", posteriors.class_latent), ("shared_noise", posteriors.shared_latent))
        }
        shares = self.shares.to(images.device)
        bound = lower_bound(self.model, images, classes, posteriors, shares=shares, **noise)
        context.shared["mean_square"] = bound.mean_square.detach()
        cross_entropy = self.classification.loss(posteriors.logits, batch)
        shared = posteriors.shared_latent.mean
        dependence, linear = class_dependence(shared, classes), linear_class_dependence(shared, classes)
        loss = cross_entropy - bound.value.mean() / images[0].numel()
        loss = loss + self.independence * dependence + self.linear_independence * linear
        return {
            "loss": loss, "cross_entropy": cross_entropy, "bound": bound.value.mean(), "dependence": dependence,
            "linear_dependence": linear,
        }  # fmt: skip

    def after(self, phase: Phase, context: StepContext) -> None:
        """Let σ follow the error: for a decoder as it is, that is the σ which makes the bound largest."""
        self.model.follow_error(context.gather(context.shared["mean_square"].reshape(1)).mean())
