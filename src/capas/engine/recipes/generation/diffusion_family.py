"""Diffusion as a family of generative networks."""

from collections.abc import Sequence
from typing import Final, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.engine.recipes.generation.batches import GenerationBatch
from capas.engine.recipes.generation.settings import GeneratorSettings
from capas.networks.generative.diffusion_unet import DiffusionUNet, small_diffusion_unet
from capas.objectives.base import Objective, StepContext
from capas.objectives.generative.diffusion import Diffusion
from capas.sampling.diffusion.diffusion_editing import image_to_image, inpaint
from capas.sampling.diffusion.diffusion_sampler import denoise_from
from capas.sampling.diffusion.noise_schedule import NoiseSchedule, ScheduleName, noise_schedule
from capas.sampling.diffusion.prediction import Denoise, DenoisingModel, Prediction, guided
from capas.sampling.diffusion.solvers import SOLVERS, DiffusionSolver
from capas.sampling.diffusion.variational_bound import variational_bound
from capas.sampling.generator import USUAL, SamplerName, SamplingChoice, SamplingOptions, draw_in_turn
from capas.sampling.noise import normal_noise, sample_generators
from capas.sampling.pixels import to_pixels

STEPS: Final = 20
SAMPLER: Final[SamplerName] = "dpm-solver"
EVALUATIONS: Final = 50  # for the bound of a batch of images
JUMPS, RESAMPLINGS = 10, 5  # RePaint: how often a completion goes back, and how often it draws each stretch
MULTIPLE: Final = 4  # the network halves images twice
SMALLEST: Final = 8


class DiffusionGenerator:
    """A denoising network that draws images (``ImageGenerator``, ``StartsFromNoise``,
    ``RedrawsImages``, ``CompletesImages``, ``RatesImages``).

    Args:
        network: The network, in evaluation mode.
        schedule: That of its training.
        predicts: What it predicts.
        shape: (C, H, W) of an image.
    """

    choices: frozenset[SamplingChoice] = frozenset({"steps", "sampler", "guidance"})
    evaluations = STEPS
    likelihood: Literal["exact", "bound"] = "bound"

    def __init__(
        self, network: nn.Module, schedule: NoiseSchedule, predicts: Prediction, shape: tuple[int, int, int]
    ) -> None:
        self.network = cast(DiffusionUNet, network)
        self.schedule = schedule
        self.predicts = predicts
        self.shape = shape

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return self.shape

    def draw(
        self, rngs: Sequence[torch.Generator], condition: Tensor | None, options: SamplingOptions = USUAL
    ) -> Tensor:
        return self.from_noise(normal_noise(rngs, *self.shape), rngs, condition, options)

    def from_noise(
        self, noise: Tensor, rngs: Sequence[torch.Generator], condition: Tensor | None, options: SamplingOptions = USUAL
    ) -> Tensor:
        solver, steps = _solver_and_steps(options)
        times = solver.times(self.schedule, steps)
        return denoise_from(self._model(condition, options), solver, noise.to(self._device), times, rngs).float().cpu()

    def redraw(
        self, images: Tensor, rngs: Sequence[torch.Generator], condition: Tensor | None,
        options: SamplingOptions = USUAL, *, strength: float,
    ) -> Tensor:  # fmt: skip
        solver, steps = _solver_and_steps(options)
        model, given = self._model(condition, options), images.to(self._device)
        return image_to_image(model, solver, given, rngs, steps, strength=strength).float().cpu()

    def complete(
        self, images: Tensor, known: Tensor, rngs: Sequence[torch.Generator], condition: Tensor | None,
        options: SamplingOptions = USUAL,
    ) -> Tensor:  # fmt: skip
        solver, steps = _solver_and_steps(options)
        model, jump = self._model(condition, options), max(1, steps // JUMPS)
        given, seen = images.to(self._device), known.to(self._device)
        drawn = inpaint(model, solver, given, seen, rngs, steps, jump=jump, resamplings=RESAMPLINGS).float().cpu()
        return torch.where(known, images, drawn)

    @torch.no_grad()
    def bits(self, images: Tensor, condition: Tensor | None, rng: torch.Generator) -> Tensor:
        model = self._model(condition, USUAL)
        bound = variational_bound(model, images.to(self._device), rng, evaluations=EVALUATIONS)
        return bound.bits_per_dim.float().cpu()

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _model(self, condition: Tensor | None, options: SamplingOptions) -> DenoisingModel:
        denoise: Denoise = self.network
        if condition is not None:
            scale = 1.0 if options.guidance is None else options.guidance
            denoise = guided(self.network, condition.to(self._device), scale)
        return DenoisingModel(denoise=denoise, schedule=self.schedule, predicts=self.predicts, clip=1.0)


def _solver_and_steps(options: SamplingOptions) -> tuple[DiffusionSolver, int]:
    """The solver, and as many of its steps as ask the network as often as is wanted."""
    solver = SOLVERS[options.sampler or SAMPLER]
    return solver, max(1, (options.steps or STEPS) // solver.evaluations)


class ImageDiffusion(Diffusion):
    """``Diffusion`` of images that can be looked at while it learns (``Samples``).

    Args:
        network: The network.
        schedule: How noise grows.
        predicts: What the network predicts.
        settings: Of the network.
    """

    def __init__(
        self, network: nn.Module, schedule: NoiseSchedule, predicts: Prediction, settings: GeneratorSettings
    ) -> None:
        super().__init__(network, schedule, predicts=predicts)
        self.settings = settings
        self.generator = DiffusionGenerator(network, schedule, predicts, settings.shape)
        self.shown: Tensor | None = None

    def start_from(self, batch: GenerationBatch, rng: torch.Generator) -> None:
        """Remember captions to draw while it learns (``StartsFromData``)."""
        self.shown = batch.condition if self.settings.context else None

    def sample(self, count: int, rng: torch.Generator) -> NDArray[np.uint8]:
        """Return images of ``count`` draws, of all classes in turn, or for captions of the training part."""
        if self.shown is None:
            return to_pixels(draw_in_turn(self.generator, count, self.settings.classes, rng))
        seed = int(torch.randint(2**62, (1,), generator=rng))
        numbers = torch.arange(count) % len(self.shown)
        return to_pixels(self.generator.draw(sample_generators(seed, count), self.shown[numbers]))

    def validation_loss(self, batch: GenerationBatch, rng: torch.Generator) -> Tensor:
        """Return the loss on images that were kept apart, its noise drawn from ``rng``."""
        return self.losses(batch, self.phases[0], StepContext(step=0, progress=0.0, rng=rng))["loss"]


class DiffusionFamily:
    """``GeneratorFamily`` of Ho, Jain & Abbeel 2020."""

    width = 32
    clip = 1.0
    max_batch = 128
    takes_captions = True

    def side(self, wanted: int) -> int:
        return max(SMALLEST, wanted // MULTIPLE * MULTIPLE)

    def objective(self, settings: GeneratorSettings) -> Objective[GenerationBatch]:
        return ImageDiffusion(self.network(settings), _schedule(settings), _predicts(settings), settings)

    def network(self, settings: GeneratorSettings) -> nn.Module:
        return small_diffusion_unet(
            image_size=settings.image_size, channels=settings.channels, num_classes=settings.classes,
            context_width=settings.context, width=settings.width,
        )  # fmt: skip

    def generator(self, network: nn.Module, settings: GeneratorSettings) -> DiffusionGenerator:
        return DiffusionGenerator(network, _schedule(settings), _predicts(settings), settings.shape)


def _schedule(settings: GeneratorSettings) -> NoiseSchedule:
    name: ScheduleName = "linear" if settings.schedule == "linear" else "cosine"
    return noise_schedule(name)


def _predicts(settings: GeneratorSettings) -> Prediction:
    known: tuple[Prediction, ...] = ("epsilon", "x0")
    return next((kind for kind in known if kind == settings.prediction), "v")
