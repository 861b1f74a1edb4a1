"""Generative adversarial networks as families: an image is made of noise at once."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from capas.engine.recipes.generation.batches import GenerationBatch
from capas.engine.recipes.generation.settings import GeneratorSettings
from capas.networks.generative.dcgan import DCGANConfig, DCGANDiscriminator, DCGANGenerator, dcgan_side
from capas.networks.generative.gan import GANConfig, GANDiscriminator, GANGenerator
from capas.objectives.base import Objective
from capas.objectives.generative.adversarial import Adversarial, NoiseSource
from capas.sampling.generator import USUAL, SamplingChoice, SamplingOptions
from capas.sampling.noise import normal_noise


class NoiseToImage:
    """A network that makes an image of noise at once (``ImageGenerator``, ``StartsFromNoise``)."""

    choices: frozenset[SamplingChoice] = frozenset()
    evaluations = 1

    def __init__(self, network: nn.Module, noise: int) -> None:
        self.network = network
        self.noise = noise

    def draw(
        self, rngs: Sequence[torch.Generator], condition: Tensor | None, options: SamplingOptions = USUAL
    ) -> Tensor:
        return self.from_noise(normal_noise(rngs, *self.noise_shape), rngs, condition, options)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.noise,)

    @torch.no_grad()
    def from_noise(
        self, noise: Tensor, rngs: Sequence[torch.Generator], condition: Tensor | None, options: SamplingOptions = USUAL
    ) -> Tensor:
        device = next(self.network.parameters()).device
        images: Tensor = self.network(noise.to(device), None if condition is None else condition.to(device))
        return images.float().cpu()


class DCGANFamily:
    """``GeneratorFamily`` of Radford, Metz & Chintala 2016."""

    width = 64
    clip = 0.0
    max_batch = 128
    takes_captions = False

    def side(self, wanted: int) -> int:
        return dcgan_side(wanted)

    def objective(self, settings: GeneratorSettings) -> Objective[GenerationBatch]:
        config = _dcgan(settings)
        source = NoiseSource(numbers=config.noise, classes=settings.classes)
        return Adversarial(DCGANGenerator(config), DCGANDiscriminator(config), source)

    def network(self, settings: GeneratorSettings) -> nn.Module:
        return DCGANGenerator(_dcgan(settings))

    def generator(self, network: nn.Module, settings: GeneratorSettings) -> NoiseToImage:
        return NoiseToImage(network, _dcgan(settings).noise)


class GANFamily:
    """``GeneratorFamily`` of Goodfellow et al. 2014."""

    width = 1200
    clip = 0.0
    max_batch = 128
    takes_captions = False

    def side(self, wanted: int) -> int:
        return max(4, wanted)

    def objective(self, settings: GeneratorSettings) -> Objective[GenerationBatch]:
        config = _gan(settings)
        source = NoiseSource(numbers=config.noise, classes=settings.classes)
        return Adversarial(GANGenerator(config), GANDiscriminator(config), source)

    def network(self, settings: GeneratorSettings) -> nn.Module:
        return GANGenerator(_gan(settings))

    def generator(self, network: nn.Module, settings: GeneratorSettings) -> NoiseToImage:
        return NoiseToImage(network, _gan(settings).noise)


def _dcgan(settings: GeneratorSettings) -> DCGANConfig:
    return DCGANConfig(
        side=settings.image_size, channels=settings.channels, width=settings.width, classes=settings.classes
    )


def _gan(settings: GeneratorSettings) -> GANConfig:
    # The discriminator is a fifth as wide as the generator, as in the paper's code for digits.
    return GANConfig(
        shape=settings.shape, width=settings.width, maxout=max(1, settings.width // 5), classes=settings.classes
    )
