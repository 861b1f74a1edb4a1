"""Invertible networks as a family: an image is what the inverse makes of noise, and its likelihood is exact."""

from collections.abc import Sequence
from typing import Final, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.engine.recipes.generation.batches import GenerationBatch
from capas.engine.recipes.generation.settings import GeneratorSettings
from capas.networks.generative.glow import Glow, GlowConfig
from capas.objectives.base import Objective, StepContext
from capas.objectives.generative.flow import Flow
from capas.sampling.dequantization import bits_per_dimension, dequantized, quantized
from capas.sampling.generator import USUAL, SamplingChoice, SamplingOptions, draw_in_turn
from capas.sampling.noise import normal_noise
from capas.sampling.pixels import to_pixels

TEMPERATURE: Final = 0.7  # of the noise: less varied than what was learnt and clearer, as in the paper (Section 5)
STEPS: Final = 8
SMALLEST: Final = 8


class FlowGenerator:
    """A Glow that draws images (``ImageGenerator``, ``StartsFromNoise``, ``InvertsImages``, ``RatesImages``)."""

    choices: frozenset[SamplingChoice] = frozenset()
    evaluations = 1
    likelihood: Literal["exact", "bound"] = "exact"

    def __init__(self, network: nn.Module) -> None:
        self.network = cast(Glow, network)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (sum(channels * height * width for channels, height, width in self.network.config.noise_shapes),)

    def draw(
        self, rngs: Sequence[torch.Generator], condition: Tensor | None, options: SamplingOptions = USUAL
    ) -> Tensor:
        return self.from_noise(normal_noise(rngs, *self.noise_shape), rngs, condition, options)

    @torch.no_grad()
    def from_noise(
        self, noise: Tensor, rngs: Sequence[torch.Generator], condition: Tensor | None, options: SamplingOptions = USUAL
    ) -> Tensor:
        device = next(self.network.parameters()).device
        shapes = self.network.config.noise_shapes
        parts = torch.split(TEMPERATURE * noise.to(device), [c * h * w for c, h, w in shapes], dim=1)
        levels = [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]
        with torch.autocast(device.type, enabled=False):
            numbers = self.network.inverse(levels, None if condition is None else condition.to(device))
        # Far from what was learnt the inverse can overflow: black is what is left.
        return quantized(numbers.nan_to_num(nan=-1.0)).cpu()

    @torch.no_grad()
    def to_noise(self, images: Tensor, condition: Tensor | None) -> Tensor:
        device = next(self.network.parameters()).device
        numbers = dequantized(images, torch.full_like(images, 0.5)).to(device)  # the middle of each level
        with torch.autocast(device.type, enabled=False):
            levels, _ = self.network(numbers, None if condition is None else condition.to(device))
        return torch.cat([level.flatten(1) for level in levels], 1).cpu() / TEMPERATURE

    @torch.no_grad()
    def bits(self, images: Tensor, condition: Tensor | None, rng: torch.Generator) -> Tensor:
        device = next(self.network.parameters()).device
        noisy = dequantized(images, torch.rand(images.shape, generator=rng)).to(device)
        with torch.autocast(device.type, enabled=False):
            likelihood = self.network.log_likelihood(noisy, None if condition is None else condition.to(device))
        return bits_per_dimension(likelihood, images[0].numel()).cpu()


class ImageFlow(Flow):
    """``Flow`` of images that begins with what the data are like and can be looked at while it learns (``Samples``)."""

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__(network)
        self.classes = classes
        self.generator = FlowGenerator(network)

    def start_from(self, batch: GenerationBatch, rng: torch.Generator) -> None:
        """Fit the actnorms to training images (Section 3.1)."""
        cast(Glow, self.network).fit_actnorm(dequantized(batch.inputs, torch.rand(batch.inputs.shape, generator=rng)))

    def sample(self, count: int, rng: torch.Generator) -> NDArray[np.uint8]:
        """Return images of ``count`` draws, of all classes in turn."""
        return to_pixels(draw_in_turn(self.generator, count, self.classes, rng))

    def validation_loss(self, batch: GenerationBatch, rng: torch.Generator) -> Tensor:
        """Return the loss on images that were kept apart."""
        return self.losses(batch, self.phases[0], StepContext(step=0, progress=0.0, rng=rng))["bits"]


class FlowFamily:
    """``GeneratorFamily`` of Kingma & Dhariwal 2018."""

    width = 64
    clip = 1.0
    max_batch = 128
    takes_captions = False

    def side(self, wanted: int) -> int:
        return max(SMALLEST, wanted // 4 * 4)

    def objective(self, settings: GeneratorSettings) -> Objective[GenerationBatch]:
        return ImageFlow(self.network(settings), settings.classes)

    def network(self, settings: GeneratorSettings) -> nn.Module:
        levels = 3 if settings.image_size % 8 == 0 and settings.image_size >= 16 else 2
        return Glow(
            GlowConfig(shape=settings.shape, levels=levels, steps=STEPS, width=settings.width, classes=settings.classes)
        )

    def generator(self, network: nn.Module, settings: GeneratorSettings) -> FlowGenerator:
        return FlowGenerator(network)
