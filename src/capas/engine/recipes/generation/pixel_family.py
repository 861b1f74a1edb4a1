"""Networks that draw an image number by number as a family: its likelihood is exact, and drawing takes long."""

from collections.abc import Sequence
from typing import Final, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.engine.recipes.generation.batches import GenerationBatch
from capas.engine.recipes.generation.settings import GeneratorSettings
from capas.networks.generative.gated_pixelcnn import GatedPixelCNN, GatedPixelCNNConfig
from capas.objectives.base import Objective
from capas.objectives.generative.autoregression import Autoregression, bits_of_levels, from_levels
from capas.sampling.generator import USUAL, SamplingChoice, SamplingOptions, draw_in_turn
from capas.sampling.pixels import to_pixels

MAX_SIDE: Final = 32


class PixelGenerator:
    """A Gated PixelCNN that draws and completes images (``ImageGenerator``, ``CompletesImages``, ``RatesImages``)."""

    choices: frozenset[SamplingChoice] = frozenset()
    likelihood: Literal["exact", "bound"] = "exact"

    def __init__(self, network: nn.Module, shape: tuple[int, int, int]) -> None:
        self.network = cast(GatedPixelCNN, network)
        self.shape = shape

    @property
    def evaluations(self) -> int:
        """How often the network is asked for an image."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def draw(
        self, rngs: Sequence[torch.Generator], condition: Tensor | None, options: SamplingOptions = USUAL
    ) -> Tensor:
        blank = torch.zeros(len(rngs), *self.shape)
        return self.complete(blank, torch.zeros(len(rngs), 1, *self.shape[1:], dtype=torch.bool), rngs, condition)

    @torch.no_grad()
    def complete(
        self, images: Tensor, known: Tensor, rngs: Sequence[torch.Generator], condition: Tensor | None,
        options: SamplingOptions = USUAL,
    ) -> Tensor:  # fmt: skip
        """Return the images with what is not ``known`` drawn, each number given all before it: what is known further on
        is not looked at.
        """
        config, device = self.network.config, next(self.network.parameters()).device
        # All chance of an image is drawn at once, so that it is the same whatever is known.
        uniform = torch.stack([torch.rand(self.shape, generator=rng) for rng in rngs]).to(device)
        wanted = None if condition is None else condition.to(device)
        drawn, seen = torch.where(known, images, torch.zeros_like(images)).to(device), known.to(device)
        colours, height, width = self.shape
        for row in range(height):
            if bool(seen[:, 0, row].all()):
                continue
            top = max(0, row - config.reach)
            for column in range(width):
                for colour in range(colours):
                    logits = self.network(drawn[:, :, top : row + 1], wanted)[:, :, colour, -1, column]
                    below = logits.float().softmax(1).cumsum(1) < uniform[:, colour, row, column, None]
                    level = below.sum(1).clamp(max=config.levels - 1)
                    here = from_levels(level[:, None, None, None], config.levels)[:, 0, 0, 0]
                    kept = seen[:, 0, row, column]
                    drawn[:, colour, row, column] = torch.where(kept, drawn[:, colour, row, column], here)
        return drawn.cpu()

    @torch.no_grad()
    def bits(self, images: Tensor, condition: Tensor | None, rng: torch.Generator) -> Tensor:
        device = next(self.network.parameters()).device
        given = images.to(device)
        return bits_of_levels(self.network(given, None if condition is None else condition.to(device)), given).cpu()


class PixelAutoregression(Autoregression):
    """``Autoregression`` of images that can be looked at while it learns (``Samples``)."""

    def __init__(self, network: nn.Module, settings: GeneratorSettings) -> None:
        super().__init__(network)
        self.settings = settings
        self.generator = PixelGenerator(network, settings.shape)

    def sample(self, count: int, rng: torch.Generator) -> NDArray[np.uint8]:
        """Return images of ``count`` draws, of all classes in turn."""
        return to_pixels(draw_in_turn(self.generator, count, self.settings.classes, rng))

    def validation_loss(self, batch: GenerationBatch, rng: torch.Generator) -> Tensor:
        """Return the loss on images that were kept apart."""
        return bits_of_levels(self.network(batch.inputs, batch.condition), batch.inputs).mean()


class PixelFamily:
    """``GeneratorFamily`` of van den Oord et al. 2016."""

    width = 32
    clip = 1.0
    max_batch = 128
    takes_captions = False

    def side(self, wanted: int) -> int:
        return max(4, min(MAX_SIDE, wanted))

    def objective(self, settings: GeneratorSettings) -> Objective[GenerationBatch]:
        return PixelAutoregression(self.network(settings), settings)

    def network(self, settings: GeneratorSettings) -> nn.Module:
        return GatedPixelCNN(
            GatedPixelCNNConfig(channels=settings.channels, width=settings.width, classes=settings.classes)
        )

    def generator(self, network: nn.Module, settings: GeneratorSettings) -> PixelGenerator:
        return PixelGenerator(network, settings.shape)
