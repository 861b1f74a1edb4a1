"""How StyleGAN2 and StyleGAN3 learn: Karras et al., CVPR 2020 (arXiv:1912.04958), NeurIPS 2020 (arXiv:2006.06676) and
NeurIPS 2021 (arXiv:2106.12423).

Both networks minimise the losses of ``adversarial``; the discriminator sees all images through adaptive augmentation.
Two penalties are due only now and then (lazy regularisation, Appendix B of the first paper), with their weight times
how seldom:

    R1, every 16 steps:           γ/2 · E |∇ₓ D(x)|² of real images x (Mescheder, Geiger & Nowozin, ICML 2018),
    path length, every 4 steps:   2 · E (|Jᵀy| − a)², J the slope of the image by the latents, y normal noise divided
                                  by √(H W), a a running mean of the lengths (eq. 4).

A step of the image is then as long wherever the latent moves, which makes what lies between two images smooth. Adam's
rate and momenta are those of c = k / (k + 1) of a step, because a penalty and its network share an optimizer.

Further losses are reported as in ``adversarial``, and ``augmented``, the probability p.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.objectives.base import OptimizerSpec, Phase, StepContext
from capas.objectives.generative.adaptive_augmentation import DRAWS, AdaptiveAugmentation
from capas.objectives.generative.adversarial import (
    AVERAGE,
    DISCRIMINATOR,
    GENERATOR,
    ImageBatch,
    NoiseSource,
    spread_of,
)

GRADIENT_PENALTY, PATH_LENGTH = "r1", "path_length"
MAPPING_RATE: Final = 0.01
PATH_DECAY: Final = 0.01
PATH_SHARE: Final = 2  # one in so many examples of a batch takes part in the path length
LATENT_DECAY: Final = 0.005


@runtime_checkable
class StyleBased(Protocol):
    """A generator that makes latents of noise, and images of latents, each layer told one."""

    @property
    def num_styles(self) -> int:
        """Layers that are told a latent, L."""

    @property
    def noise_shapes(self) -> Sequence[tuple[int, int]]:
        """(H, W) of the noise within, layer by layer."""

    def latents(self, noise: Tensor, classes: Tensor | None) -> Tensor:
        """Return latents (B, W) of noise (B, Z)."""

    def styles(self, latents: Tensor) -> Tensor:
        """Return the same latent for every layer, (B, L, W)."""

    def mixed(self, coarse: Tensor, fine: Tensor, crossover: Tensor) -> Tensor:
        """Return the one latent for the layers before ``crossover`` (B,), the other for those from there on."""

    def draw(self, styles: Tensor, noises: Sequence[Tensor] | None = None) -> Tensor:
        """Return images (B, C, H, W)."""

    def follow_latents(self, latents: Tensor, classes: Tensor | None, weight: float) -> None:
        """Move the mean latents towards these."""

    def follow_magnitudes(self, gather: Callable[[Tensor], Tensor]) -> None:
        """Move what layers are normalised by towards what went through them last, on all ranks together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleRegularization:
    """How the networks are kept smooth.

    Attributes:
        gamma: Weight γ of R1.
        gradient_every: Steps from one R1 to the next.
        path_length: Weight of the path length; 0 for none.
        path_every: Steps from one path length to the next.
        mixing: Share of images of which the layers are told two latents.
        augment: Whether the discriminator sees images through adaptive augmentation.
    """

    gamma: float
    gradient_every: int = 16
    path_length: float = 2.0
    path_every: int = 4
    mixing: float = 0.9
    augment: bool = True


class StyleAdversarial:
    """Objective of a style-based generator and its discriminator.

    Args:
        generator: Makes images (``StyleBased``).
        discriminator: Maps images and classes to logits (B,).
        source: Of the noise.
        regularization: How they are kept smooth.
        learning_rate: Of both, before the share c.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, source: NoiseSource,
        regularization: StyleRegularization, *, learning_rate: float = 2.5e-3,
    ) -> None:  # fmt: skip
        if not isinstance(generator, StyleBased):
            raise TypeError(f"{type(generator).__name__} is not a style-based generator")
        self.generator: StyleBased = generator
        self.networks: Mapping[str, nn.Module] = {GENERATOR: generator, DISCRIMINATOR: discriminator}
        self.regularization = regularization
        self.source = source
        phases = [
            Phase(name=DISCRIMINATOR, loss=DISCRIMINATOR, networks=(DISCRIMINATOR,), optimizer=DISCRIMINATOR),
            Phase(name=GRADIENT_PENALTY, loss=GRADIENT_PENALTY, networks=(DISCRIMINATOR,), optimizer=DISCRIMINATOR,
                  every=regularization.gradient_every),
            Phase(name=GENERATOR, loss=GENERATOR, networks=(GENERATOR,), optimizer=GENERATOR),
        ]  # fmt: skip
        if regularization.path_length:
            phases.append(Phase(name=PATH_LENGTH, loss=PATH_LENGTH, networks=(GENERATOR,), optimizer=GENERATOR,
                                every=regularization.path_every))  # fmt: skip
        self.phases: Sequence[Phase] = tuple(phases)
        self.optimizers: Mapping[str, OptimizerSpec] = {
            DISCRIMINATOR: _adam(learning_rate, regularization.gradient_every, {}),
            GENERATOR: _adam(learning_rate, regularization.path_every if regularization.path_length else None,
                             {f"{GENERATOR}.mapping.layers": MAPPING_RATE}),
        }  # fmt: skip
        self.averages: Mapping[str, float] = {GENERATOR: AVERAGE}
        self.deployed: Sequence[str] = (GENERATOR,)
        self.augmentation = AdaptiveAugmentation()
        self.mean_path = torch.zeros(())

    def losses(self, batch: ImageBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        real, classes = batch.inputs, batch.condition
        if phase.name == GRADIENT_PENALTY:
            return {GRADIENT_PENALTY: phase.every * self._gradient_penalty(real, classes, context)}
        if phase.name == PATH_LENGTH:
            return {PATH_LENGTH: phase.every * self._path_length(real, classes, context)}
        if phase.name == GENERATOR:
            made = self._made(real, classes, context)
            return {GENERATOR: F.softplus(-self._judged(made, classes, context)).mean()}
        with torch.no_grad():
            made = self._made(real, classes, context)
        judged, truly = (self._judged(images, classes, context) for images in (made, real))
        context.shared["judged_real"] = truly.detach()
        return {
            DISCRIMINATOR: F.softplus(-truly).mean() + F.softplus(judged).mean(),
            "taken_for_real": (judged > 0).float().mean(),
            "spread": spread_of(made) / spread_of(real).clamp(min=1e-6),
            "augmented": torch.tensor(self.augmentation.probability),
        }

    def after(self, phase: Phase, context: StepContext) -> None:
        """Let p follow the discriminator, and the means what went through the generator."""
        if phase.name == DISCRIMINATOR:
            if self.regularization.augment:
                self.augmentation.follow(context.gather(context.shared["judged_real"]))
            self.generator.follow_magnitudes(context.gather)
        if phase.name == GENERATOR:
            classes = context.shared.get("classes")
            self.generator.follow_latents(
                context.gather(context.shared["latents"]), None if classes is None else context.gather(classes),
                max(LATENT_DECAY, 1 / (1 + context.step)),
            )  # fmt: skip
        if phase.name == PATH_LENGTH:
            self.mean_path = context.shared["mean_path"]

    def state_dict(self) -> Mapping[str, Tensor]:
        return {"mean_path": self.mean_path, **self.augmentation.state_dict()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.mean_path = state["mean_path"].clone()
        self.augmentation.load_state_dict(state)

    def sample(self, count: int, rng: torch.Generator) -> NDArray[np.uint8]:
        """Return images of ``count`` draws, of all classes in turn (``Samples``)."""
        return self.source.drawn(self.networks[GENERATOR], count, rng)

    def _made(self, real: Tensor, classes: Tensor | None, context: StepContext) -> Tensor:
        return self.generator.draw(self._styles(real, classes, context), self._noises(real, context))

    def _styles(self, real: Tensor, classes: Tensor | None, context: StepContext) -> Tensor:
        """Latents for every layer, of most images two: (B, L, W)."""
        layers = self.generator.num_styles
        first = self.generator.latents(self._noise(real, context), classes)
        context.shared["latents"] = first.detach()
        if classes is not None:
            context.shared["classes"] = classes
        if not self.regularization.mixing:
            return self.generator.styles(first)
        second = self.generator.latents(self._noise(real, context), classes)
        chance = context.uniform(len(real), 2)
        crossover = 1 + (chance[:, 1] * (layers - 1)).long()
        crossover = torch.where(chance[:, 0] < self.regularization.mixing, crossover, layers).to(real.device)
        return self.generator.mixed(first, second, crossover)

    def _noise(self, real: Tensor, context: StepContext) -> Tensor:
        return context.normal(len(real), self.source.numbers).to(real)

    def _noises(self, real: Tensor, context: StepContext) -> list[Tensor]:
        return [context.normal(len(real), 1, *shape).to(real) for shape in self.generator.noise_shapes]

    def _judged(self, images: Tensor, classes: Tensor | None, context: StepContext) -> Tensor:
        """Logits (B,) of the images as the augmentation shows them."""
        seen = self.augmentation(images, context.uniform(len(images), DRAWS))
        logits: Tensor = self.networks[DISCRIMINATOR](seen, classes)
        return logits.float()

    def _gradient_penalty(self, real: Tensor, classes: Tensor | None, context: StepContext) -> Tensor:
        real = real.detach().requires_grad_()
        (slopes,) = torch.autograd.grad(self._judged(real, classes, context).sum(), real, create_graph=True)
        return self.regularization.gamma / 2 * slopes.float().square().sum((1, 2, 3)).mean()

    def _path_length(self, real: Tensor, classes: Tensor | None, context: StepContext) -> Tensor:
        count = max(1, len(real) // PATH_SHARE)
        some = real[:count]
        styles = self._styles(some, None if classes is None else classes[:count], context)
        made = self.generator.draw(styles, self._noises(some, context))
        noise = context.normal(count, *made.shape[1:]).to(made) / math.sqrt(made.shape[2] * made.shape[3])
        (slopes,) = torch.autograd.grad((made * noise).sum(), styles, create_graph=True)
        lengths = slopes.float().square().sum(2).mean(1).sqrt()
        mean = self.mean_path.to(lengths).lerp(context.gather(lengths.detach()).mean(), PATH_DECAY)
        context.shared["mean_path"] = mean
        return self.regularization.path_length * (lengths - mean).square().mean()


def _adam(learning_rate: float, every: int | None, factors: Mapping[str, float]) -> OptimizerSpec:
    """Adam for a network that is corrected once more every so many steps, for a penalty; None for never."""
    share = 1.0 if every is None else every / (every + 1)
    return OptimizerSpec(
        kind="adam", learning_rate=learning_rate * share, betas=(0.0, 0.99**share), weight_decay=0.0,
        schedule="constant", rate_factors=factors,
    )  # fmt: skip
