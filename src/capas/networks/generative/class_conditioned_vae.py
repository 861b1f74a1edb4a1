"""A variational autoencoder with one latent space conditioned on the class and one that all classes share, after
Antorán & Miguel, "Disentangling and Learning Robust Representations with Natural Clustering", ICMLA 2019.

Of the paper we have the abstract: a lower bound on the joint log-likelihood of inputs and class labels, with one
class-conditioned latent space and one shared by all classes. Our reading of it:

    generative:  y ~ p(y),   z_c ~ N(μ_y, I) with learnt μ_y,   z_s ~ N(0, I),   x ~ N(f(z_c, z_s), σ² I)
    inference:   q(y | x),   q(z_c | x, y),   q(z_s | x)

so that z_c holds what is particular to a class, in a cluster of its own, and z_s what they have in common, such as
slant and thickness of writing. Our choice are layers and sizes; σ, one number for all pixels that follows the error
(Rybkin et al., "Simple and Effective VAE Training with Calibrated Decoders", ICML 2021); and that q(z_c | x, y) is
N(μ_y + δ(x, y), s²): the clusters are there from the first step, and the network learns how an image differs from the
middle of its own. Objective: ``capas.objectives.class_conditioned_vae``.

Shapes: B batch, K classes, L numbers of the class latent, S numbers of the shared latent.
"""

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.layers import ConvBatchNorm
from capas.networks.representation.image_decoder import ImageDecoder

DEFAULT_WIDTH: Final = 32
CLASS_NUMBERS: Final = 6
SHARED_NUMBERS: Final = 16
MAX_LOG_VARIANCE: Final = 6.0  # e⁶ of a prior's 1: beyond it there is nothing to say
STEP: Final = 0.1  # of σ, towards what the last batch says
MIN_LOG_DEVIATION: Final = -3.0  # of pixels whose deviation is about 1: finer than 8 bits can tell


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassConditionedVAEConfig:
    """Configuration of ``ClassConditionedVAE``.

    Attributes:
        in_channels: Channels of the images.
        num_classes: K.
        image_size: Pixels a side, 8 or more.
        width: Maps of the first layer.
        class_numbers: L.
        shared_numbers: S.
    """

    in_channels: int = 1
    num_classes: int = 10
    image_size: int = 28
    width: int = DEFAULT_WIDTH
    class_numbers: int = CLASS_NUMBERS
    shared_numbers: int = SHARED_NUMBERS

    def __post_init__(self) -> None:
        check_at_least_one(
            in_channels=self.in_channels, num_classes=self.num_classes, width=self.width,
            class_numbers=self.class_numbers, shared_numbers=self.shared_numbers,
        )  # fmt: skip
        if self.image_size < 8:
            raise ValueError(f"image_size is {self.image_size}; expected 8 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class DiagonalNormal:
    """A normal distribution with independent numbers.

    Attributes:
        mean: (B, D).
        log_variance: (B, D).
    """

    mean: Tensor
    log_variance: Tensor

    @staticmethod
    def of(numbers: Float[Tensor, "B E"]) -> "DiagonalNormal":
        """Return the distribution of mean and log-variance side by side (E = 2D), in float32 or finer."""
        mean, log_variance = (numbers.float() if numbers.element_size() < 4 else numbers).chunk(2, dim=1)
        bounded = MAX_LOG_VARIANCE * torch.tanh(log_variance / MAX_LOG_VARIANCE)
        return DiagonalNormal(mean=mean, log_variance=bounded)

    def shifted(self, by: Float[Tensor, "B D"]) -> "DiagonalNormal":
        """Return the same distribution around ``mean + by``."""
        return DiagonalNormal(mean=self.mean + by, log_variance=self.log_variance)

    def sample(self, noise: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return the sample that standard normal ``noise`` stands for."""
        return self.mean + (self.log_variance / 2).exp() * noise

    def divergence(self, prior_mean: Float[Tensor, "B D"] | None = None) -> Float[Tensor, "B D"]:
        """Return KL(self ‖ N(prior_mean, I)) of each number, in nats; without a mean it is 0."""
        mean = self.mean if prior_mean is None else self.mean - prior_mean
        return (mean.square() + self.log_variance.exp() - 1 - self.log_variance) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Posteriors:
    """What the encoder makes of images.

    Attributes:
        logits: Those of q(y | x), (B, K).
        class_latent: q(z_c | x, y) for the classes that were given.
        shared_latent: q(z_s | x).
    """

    logits: Tensor
    class_latent: DiagonalNormal
    shared_latent: DiagonalNormal


@runtime_checkable
class HasLatents(Protocol):
    """A classifier that can also be asked for the latents of images, and for the images of latents."""

    @property
    def shared_numbers(self) -> int:
        """S."""

    @property
    def deviation(self) -> Tensor:
        """σ of p(x | z_c, z_s), in units of the normalised images; a scalar."""

    def posteriors(self, images_BCHW: Tensor, classes: Tensor) -> Posteriors:
        """Return the distributions of the latents, given the images (B, C, H, W) and their ``classes`` (B,)."""

    def prior_means(self, classes: Tensor) -> Tensor:
        """Return μ_y (B, L)."""

    def follow_error(self, mean_square: Tensor) -> None:
        """Move σ towards the square root of the mean squared error of the pixels."""

    def decode(self, class_latent: Tensor, shared_latent: Tensor) -> Tensor:
        """Return the mean of the images."""


class ClassConditionedVAE(nn.Module):
    """Images (B, in_channels, H, W) → logits (B, K) of q(y | x); ``posteriors`` and ``decode`` for the rest.

    Its images are normalised, with deviations of about 1.
    """

    def __init__(self, config: ClassConditionedVAEConfig) -> None:
        super().__init__()
        self.config = config
        width, side = config.width, config.image_size
        self.trunk = nn.Sequential(
            ConvBatchNorm(config.in_channels, width, kernel=3),
            ConvBatchNorm(width, 2 * width, kernel=3), nn.MaxPool2d(2),
            ConvBatchNorm(2 * width, 4 * width, kernel=3), nn.MaxPool2d(2),
        )  # fmt: skip
        self.class_maps = nn.Sequential(
            ConvBatchNorm(4 * width, 4 * width, kernel=3), ConvBatchNorm(4 * width, 8 * width, kernel=3)
        )
        cells = (-(-(side // 4) // 2)) ** 2
        self.latent_maps = ConvBatchNorm(4 * width, 2 * width, kernel=3, stride=2)
        self.hidden = nn.Linear(2 * width * cells, 8 * width)
        self.shared_latent = nn.Linear(8 * width, 2 * config.shared_numbers)
        self.class_latent = nn.Linear(8 * width + config.num_classes, 2 * config.class_numbers)
        self.class_means = nn.Parameter(2 * torch.randn(config.num_classes, config.class_numbers))
        self.decoder = ImageDecoder(
            config.class_numbers + config.shared_numbers, channels=config.in_channels, height=side, width=side
        )
        self.log_deviation: Tensor
        self.register_buffer("log_deviation", torch.zeros(()))
        self.classifier = nn.Linear(8 * width, config.num_classes)  # last, where the catalogue looks for the head

    @property
    def shared_numbers(self) -> int:
        """S."""
        return self.config.shared_numbers

    def forward(self, images_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Return the logits of q(y | x)."""
        return self._logits(self.trunk(images_BCHW))

    def posteriors(self, images_BCHW: Float[Tensor, "B C H W"], classes: Int[Tensor, " B"]) -> Posteriors:
        """Return the distributions of the latents, given the images and their ``classes``."""
        maps = self.trunk(images_BCHW)
        hidden = F.relu(self.hidden(self.latent_maps(maps).flatten(1)))
        with_class = torch.cat([hidden, F.one_hot(classes, self.config.num_classes).to(hidden)], dim=1)
        return Posteriors(
            logits=self._logits(maps), shared_latent=DiagonalNormal.of(self.shared_latent(hidden)),
            class_latent=DiagonalNormal.of(self.class_latent(with_class)).shifted(self.prior_means(classes)),
        )  # fmt: skip

    def prior_means(self, classes: Int[Tensor, " B"]) -> Float[Tensor, "B L"]:
        """Return μ_y of the classes."""
        return self.class_means[classes]

    @property
    def deviation(self) -> Float[Tensor, ""]:
        """σ of p(x | z_c, z_s), in units of the normalised images."""
        return self.log_deviation.exp()

    def follow_error(self, mean_square: Float[Tensor, ""]) -> None:
        """Move σ a tenth of the way to the one that makes a mean squared error of the pixels most likely."""
        optimum = (mean_square.clamp(min=1e-12).log() / 2).clamp(min=MIN_LOG_DEVIATION)
        self.log_deviation.lerp_(optimum.to(self.log_deviation), STEP)

    def decode(
        self, class_latent: Float[Tensor, "B L"], shared_latent: Float[Tensor, "B S"]
    ) -> Float[Tensor, "B C H W"]:
        """Return the mean of p(x | z_c, z_s): normalised images."""
        images: Tensor = self.decoder(torch.cat([class_latent, shared_latent], dim=1))
        return images

    def _logits(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.class_maps(maps).amax(dim=(2, 3)))
        return logits


def class_conditioned_vae(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
    """Build a ClassConditionedVAE for the catalogue."""
    return ClassConditionedVAE(
        ClassConditionedVAEConfig(
            in_channels=in_channels, num_classes=num_classes, image_size=image_size,
            width=DEFAULT_WIDTH if width is None else width,
        )
    )  # fmt: skip
