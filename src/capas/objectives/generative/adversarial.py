"""Two networks against each other: Goodfellow et al., "Generative Adversarial Networks", NIPS 2014.

The discriminator D learns to tell real images from generated ones, and the generator G to be taken for real:

    D minimises  −log σ(D(x)) − log (1 − σ(D(G(z)))),    G minimises  −log σ(D(G(z))),

the latter not the paper's log (1 − σ(D(G(z)))), which has hardly a slope as long as D wins (its Section 3). One
correction of each a step. With classes both see them (Mirza & Osindero 2014). The generator alone is averaged and
deployed; optimizers are those of Radford, Metz & Chintala 2016: Adam, 0.0002, first moment 0.5.

Further losses are only reported: ``taken_for_real``, the share of generated images that D takes for real, and
``spread``, the mean deviation of a generated pixel over the batch as a share of that of a real one: near 0 the
generator has collapsed to one image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.objectives.base import OptimizerSpec, Phase, StepContext
from capas.sampling.noise import classes_in_turn
from capas.sampling.pixels import to_pixels

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
AVERAGE: Final = 0.995


@runtime_checkable
class ImageBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> Tensor:
        """Images (B, C, H, W) in [-1, 1]."""

    @property
    def condition(self) -> Tensor | None:
        """Their classes (B,), int64; None without."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseSource:
    """What a generator starts from.

    Attributes:
        numbers: Of noise for an image.
        classes: Classes to choose from; 0 for none.
    """

    numbers: int
    classes: int = 0

    @torch.no_grad()
    def drawn(self, generator: nn.Module, count: int, rng: torch.Generator) -> NDArray[np.uint8]:
        """Return the images that ``generator`` makes of ``count`` draws, of all classes in turn."""
        device = next(generator.parameters()).device
        noise = torch.randn(count, self.numbers, generator=rng).to(device)
        classes = classes_in_turn(count, self.classes)
        return to_pixels(generator(noise, None if classes is None else classes.to(device)))


class Adversarial:
    """Objective of a generator and a discriminator.

    Args:
        generator: Maps noise (B, Z) and classes (B,) or None to images (B, C, H, W) in [-1, 1].
        discriminator: Maps images and classes to logits (B,).
        source: Of the noise.
        learning_rate: Of both.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, source: NoiseSource, *, learning_rate: float = 2e-4
    ) -> None:
        self.networks: Mapping[str, nn.Module] = {GENERATOR: generator, DISCRIMINATOR: discriminator}
        self.phases: Sequence[Phase] = (
            Phase(name=DISCRIMINATOR, loss=DISCRIMINATOR, networks=(DISCRIMINATOR,)),
            Phase(name=GENERATOR, loss=GENERATOR, networks=(GENERATOR,)),
        )
        adam = OptimizerSpec(kind="adam", learning_rate=learning_rate, betas=(0.5, 0.999), weight_decay=0.0,
                             schedule="constant")  # fmt: skip
        self.optimizers: Mapping[str, OptimizerSpec] = {DISCRIMINATOR: adam, GENERATOR: adam}
        self.averages: Mapping[str, float] = {GENERATOR: AVERAGE}
        self.deployed: Sequence[str] = (GENERATOR,)
        self.source = source

    def losses(self, batch: ImageBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        generator, discriminator = self.networks[GENERATOR], self.networks[DISCRIMINATOR]
        real, classes = batch.inputs, batch.condition
        made = generator(context.normal(len(real), self.source.numbers).to(real), classes)
        if phase.name == GENERATOR:
            return {GENERATOR: F.softplus(-discriminator(made, classes).float()).mean()}
        judged = discriminator(made.detach(), classes).float()
        loss = F.softplus(-discriminator(real, classes).float()).mean() + F.softplus(judged).mean()
        return {
            DISCRIMINATOR: loss,
            "taken_for_real": (judged > 0).float().mean(),
            "spread": spread_of(made) / spread_of(real).clamp(min=1e-6),
        }

    def sample(self, count: int, rng: torch.Generator) -> NDArray[np.uint8]:
        """Return images of ``count`` draws, of all classes in turn (``Samples``)."""
        return self.source.drawn(self.networks[GENERATOR], count, rng)


def spread_of(images: Tensor) -> Tensor:
    """Return the mean over pixels of their standard deviation over the batch (B, C, H, W)."""
    return images.detach().float().std(0, correction=0).mean()
