"""Style-based adversarial networks as families: latents that can be mixed, truncated and found for a given image."""

from collections.abc import Sequence
from typing import Final, cast

import torch
from torch import Tensor, nn

from capas.core.rng import seeded_generator
from capas.engine.recipes.generation.adversarial_families import NoiseToImage
from capas.engine.recipes.generation.batches import GenerationBatch
from capas.engine.recipes.generation.settings import GeneratorSettings
from capas.networks.generative.dcgan import dcgan_side
from capas.networks.generative.style_discriminator import StyleDiscriminator
from capas.networks.generative.style_generator import StyleGenerator
from capas.networks.generative.stylegan2 import StyleGAN2Config, small_stylegan2, stylegan2_generator
from capas.networks.generative.stylegan3 import StyleGAN3Config, small_stylegan3, stylegan3_generator
from capas.objectives.base import Objective
from capas.objectives.generative.adversarial import NoiseSource
from capas.objectives.generative.style_adversarial import StyleAdversarial, StyleRegularization
from capas.sampling.generator import USUAL, SamplingChoice, SamplingOptions
from capas.sampling.latent_projection import find_latent

# Ten times the heuristic of StyleGAN2-ADA, γ = 0.0002 · S² / batch at a batch of 32: a choice by eye, not by measuring.
GAMMA_PER_PIXEL: Final = 0.002 / 32
# Twice the paper's: small networks learn for minutes. Chosen by single runs of 600 steps on MNIST-5k, whose FIDs on the
# test digits (92 with it, 106 and 115 with the paper's) are no further apart than runs are (docs/log.md).
LEARNING_RATE: Final = 5e-3
STARTS: Final = 256  # latents of which a projection starts from the nearest


class StyleToImage(NoiseToImage):
    """A style-based generator that draws images (``ImageGenerator``, ``StartsFromNoise``, ``MixesStyles``,
    ``ProjectsImages``). The noise within it is always the same: an image depends on the noise of its latent alone.
    """

    choices: frozenset[SamplingChoice] = frozenset({"truncation"})

    def __init__(self, network: nn.Module, noise: int) -> None:
        super().__init__(network, noise)
        self.styled = cast(StyleGenerator, network)

    @torch.no_grad()
    def from_noise(
        self, noise: Tensor, rngs: Sequence[torch.Generator], condition: Tensor | None, options: SamplingOptions = USUAL
    ) -> Tensor:
        return self._drawn(self.styled.styles(self._latents(noise, condition, options)))

    @property
    def num_styles(self) -> int:
        return self.styled.num_styles

    @torch.no_grad()
    def mix(
        self, coarse: Tensor, fine: Tensor, crossover: Tensor, condition: Tensor | None,
        options: SamplingOptions = USUAL,
    ) -> Tensor:  # fmt: skip
        first, second = (self._latents(noise, condition, options) for noise in (coarse, fine))
        return self._drawn(self.styled.mixed(first, second, crossover.to(self._device)))

    def project(self, images: Tensor, condition: Tensor | None, seed: int) -> Tensor:
        found = []
        for number, image in enumerate(images):
            rng = seeded_generator(seed, "projection")
            noise = torch.randn(STARTS, self.noise, generator=rng)
            classes = self._classes(STARTS) if condition is None else condition[number].expand(STARTS)
            with torch.no_grad():
                drawn = self._latents(noise, classes, USUAL)
            found.append(find_latent(self._of_latents, drawn, image.to(self._device), rng))
        with torch.no_grad():
            return self._drawn(self.styled.styles(torch.stack(found)))

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _classes(self, count: int) -> Tensor | None:
        """All classes in turn: the image may be of any."""
        classes = self.styled.mapping.classes
        return torch.arange(count) % classes if classes else None

    def _latents(self, noise: Tensor, condition: Tensor | None, options: SamplingOptions) -> Tensor:
        classes = None if condition is None else condition.to(self._device)
        latents = self.styled.latents(noise.to(self._device), classes)
        if options.truncation is None:
            return latents
        return self.styled.mapping.truncated(latents, classes, options.truncation)

    def _of_latents(self, latents: Tensor) -> Tensor:
        return self.styled.draw(self.styled.styles(latents)).float()

    def _drawn(self, styles: Tensor) -> Tensor:
        return self.styled.draw(styles).float().clamp(-1, 1).cpu()


class StyleGAN2Family:
    """``GeneratorFamily`` of Karras et al. 2020."""

    width = 16
    clip = 0.0
    max_batch = 32
    takes_captions = False

    def side(self, wanted: int) -> int:
        return dcgan_side(wanted)

    def objective(self, settings: GeneratorSettings) -> Objective[GenerationBatch]:
        config = _stylegan2(settings)
        regularization = StyleRegularization(gamma=_gamma(settings), path_length=settings.path_length)
        source = NoiseSource(numbers=config.noise, classes=settings.classes)
        return StyleAdversarial(
            stylegan2_generator(config), StyleDiscriminator(config), source, regularization, learning_rate=LEARNING_RATE
        )

    def network(self, settings: GeneratorSettings) -> nn.Module:
        return stylegan2_generator(_stylegan2(settings))

    def generator(self, network: nn.Module, settings: GeneratorSettings) -> StyleToImage:
        return StyleToImage(network, _stylegan2(settings).noise)


class StyleGAN3Family:
    """``GeneratorFamily`` of Karras et al. 2021: neither mixed latents nor path lengths while it learns."""

    width = 16
    clip = 0.0
    max_batch = 32
    takes_captions = False

    def side(self, wanted: int) -> int:
        return dcgan_side(wanted)

    def objective(self, settings: GeneratorSettings) -> Objective[GenerationBatch]:
        config = _stylegan3(settings)
        regularization = StyleRegularization(gamma=_gamma(settings), path_length=0.0, mixing=0.0)
        source = NoiseSource(numbers=config.noise, classes=settings.classes)
        judge = StyleDiscriminator(_stylegan2(settings))
        return StyleAdversarial(stylegan3_generator(config), judge, source, regularization, learning_rate=LEARNING_RATE)

    def network(self, settings: GeneratorSettings) -> nn.Module:
        return stylegan3_generator(_stylegan3(settings))

    def generator(self, network: nn.Module, settings: GeneratorSettings) -> StyleToImage:
        return StyleToImage(network, _stylegan3(settings).noise)


def _stylegan3(settings: GeneratorSettings) -> StyleGAN3Config:
    return small_stylegan3(settings.image_size, settings.channels, settings.width, settings.classes)


def _stylegan2(settings: GeneratorSettings) -> StyleGAN2Config:
    return small_stylegan2(settings.image_size, settings.channels, settings.width, settings.classes)


def _gamma(settings: GeneratorSettings) -> float:
    return GAMMA_PER_PIXEL * settings.image_size**2
