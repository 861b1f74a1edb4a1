"""What draws samples: the one interface of all generative networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from capas.sampling.noise import classes_in_turn, sample_generators

SamplerName = Literal["ddpm", "ddim", "heun", "dpm-solver"]
MAX_STEPS = 1_000
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
SamplingChoice = Literal["steps", "sampler", "guidance", "truncation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingOptions:
    """How samples are drawn. None: as is usual for the network.

    Attributes:
        steps: Evaluations of the network for a sample, 1 to 1000: the steps of training.
        sampler: The rule by which noise becomes a sample.
        guidance: How strongly a sample follows its class or text, ≥ 0: 1 as learnt, more for clearer and less varied
            samples (classifier-free guidance).
        truncation: Share of a latent's way from the mean latent, 0 to 1: 1 as learnt, less for more usual and less
            varied samples.
    """

    steps: int | None = None
    sampler: SamplerName | None = None
    guidance: float | None = None
    truncation: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"steps is {self.steps}; expected 1 to {MAX_STEPS}")
        if self.guidance is not None and not 0 <= self.guidance < float("inf"):
            raise ValueError(f"guidance is {self.guidance}; expected 0 or more")
        if self.truncation is not None and not 0 <= self.truncation <= 1:
            raise ValueError(f"truncation is {self.truncation}; expected 0 to 1")

    @property
    def chosen(self) -> tuple[SamplingChoice, ...]:
        """The names of those that are not None."""
        choices: tuple[tuple[SamplingChoice, object], ...] = (
            ("steps", self.steps), ("sampler", self.sampler), ("guidance", self.guidance),
            ("truncation", self.truncation),
        )  # fmt: skip
        return tuple(name for name, value in choices if value is not None)


USUAL = SamplingOptions()


@runtime_checkable
class ImageGenerator(Protocol):
    """Draws images."""

    @property
    def choices(self) -> frozenset[SamplingChoice]:
        """The options that make a difference to it."""

    @property
    def evaluations(self) -> int:
        """How often the network is asked for an image, as is usual."""

    def draw(
        self, rngs: Sequence[torch.Generator], condition: Tensor | None, options: SamplingOptions = USUAL
    ) -> Float[Tensor, "N C H W"]:
        """Return images in [-1, 1]; image i depends on ``rngs[i]``, its condition and the options alone.

        Args:
            rngs: The source of chance of each image.
            condition: Its class, (N,) int64, or the vector of a text, (N, V); None where the network knows neither.
            options: How to draw. Those that are not among ``choices`` are ignored.
        """


def draw_in_turn(generator: ImageGenerator, count: int, classes: int, rng: torch.Generator) -> Tensor:
    """Return ``count`` images of all ``classes`` in turn, (count, C, H, W), with a seed that ``rng`` draws."""
    seed = int(torch.randint(2**62, (1,), generator=rng))
    return generator.draw(sample_generators(seed, count), classes_in_turn(count, classes))


@runtime_checkable
class StartsFromNoise(Protocol):
    """A generator that makes an image of noise, so that between two noises there are images."""

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the standard normal noise of one image."""

    def from_noise(
        self, noise: Tensor, rngs: Sequence[torch.Generator], condition: Tensor | None,
        options: SamplingOptions = USUAL,
    ) -> Float[Tensor, "N C H W"]:  # fmt: skip
        """Return the images of ``noise`` (N, *noise_shape); ``rngs`` are for what more chance there is."""


@runtime_checkable
class MixesStyles(Protocol):
    """A generator whose layers are each told a latent, so that two samples can share an image."""

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the standard normal noise of one image."""

    @property
    def num_styles(self) -> int:
        """Layers that are told a latent, L."""

    def mix(
        self, coarse: Float[Tensor, "N Z"], fine: Float[Tensor, "N Z"], crossover: Int[Tensor, " N"],
        condition: Tensor | None, options: SamplingOptions = USUAL,
    ) -> Float[Tensor, "N C H W"]:  # fmt: skip
        """Return images of which the layers before ``crossover``, in 0 … L, are told the latents of ``coarse`` noise,
        those from there on the latents of ``fine`` noise.
        """


@runtime_checkable
class ProjectsImages(Protocol):
    """A generator that finds what it can draw that is nearest to given images."""

    def project(
        self, images: Float[Tensor, "N C H W"], condition: Tensor | None, seed: int
    ) -> Float[Tensor, "N C H W"]:
        """Return the nearest images, of the given classes (N,), or of whichever class where there is no condition."""


@runtime_checkable
class InvertsImages(Protocol):
    """A generator that says of which noise it would make a given image."""

    def to_noise(self, images: Float[Tensor, "N C H W"], condition: Tensor | None) -> Float[Tensor, "N ..."]:
        """Return the noise (N, *noise_shape) of which ``from_noise`` makes the images again."""


@runtime_checkable
class RedrawsImages(Protocol):
    """A generator that changes given images."""

    def redraw(
        self, images: Float[Tensor, "N C H W"], rngs: Sequence[torch.Generator], condition: Tensor | None,
        options: SamplingOptions = USUAL, *, strength: float,
    ) -> Float[Tensor, "N C H W"]:  # fmt: skip
        """Return the images drawn anew; ``strength`` in (0, 1] says how freely."""


@runtime_checkable
class CompletesImages(Protocol):
    """A generator that fills in what is hidden of given images."""

    def complete(
        self, images: Float[Tensor, "N C H W"], known: Bool[Tensor, "N 1 H W"], rngs: Sequence[torch.Generator],
        condition: Tensor | None, options: SamplingOptions = USUAL,
    ) -> Float[Tensor, "N C H W"]:  # fmt: skip
        """Return the images with what is not ``known`` drawn anew, so that it fits what is."""


@runtime_checkable
class RatesImages(Protocol):
    """A generator that says how probable images are."""

    @property
    def likelihood(self) -> Literal["exact", "bound"]:
        """Whether what it says is −log₂ p itself, or no less than it: the two never stand in one column."""

    def bits(
        self, images: Float[Tensor, "N C H W"], condition: Tensor | None, rng: torch.Generator
    ) -> Float[Tensor, " N"]:
        """Return −log₂ p per number of each image of 256 levels in [-1, 1], or a bound of it, in bits."""
