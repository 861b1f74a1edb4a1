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
SamplingChoice = Literal["steps", "sampler", "guidance"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingOptions:
    """How samples are drawn. None: as is usual for the network.

    Attributes:
        steps: Evaluations of the network for a sample, 1 to 1000: the steps of training.
        sampler: The rule by which noise becomes a sample.
        guidance: How strongly a sample follows its class, ≥ 0: 1 as learnt, more for clearer and less varied samples
            (classifier-free guidance).
    """

    steps: int | None = None
    sampler: SamplerName | None = None
    guidance: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"steps is {self.steps}; expected 1 to {MAX_STEPS}")
        if self.guidance is not None and not 0 <= self.guidance < float("inf"):
            raise ValueError(f"guidance is {self.guidance}; expected 0 or more")

    @property
    def chosen(self) -> tuple[SamplingChoice, ...]:
        """The names of those that are not None."""
        choices: tuple[tuple[SamplingChoice, object], ...] = (
            ("steps", self.steps), ("sampler", self.sampler), ("guidance", self.guidance),
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
        self, rngs: Sequence[torch.Generator], classes: Int[Tensor, " N"] | None, options: SamplingOptions = USUAL
    ) -> Float[Tensor, "N C H W"]:
        """Return images in [-1, 1]; image i depends on ``rngs[i]``, its class and the options alone.

        Args:
            rngs: The source of chance of each image.
            classes: Its class; None where the network knows none.
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
        self, noise: Tensor, rngs: Sequence[torch.Generator], classes: Int[Tensor, " N"] | None,
        options: SamplingOptions = USUAL,
    ) -> Float[Tensor, "N C H W"]:  # fmt: skip
        """Return the images of ``noise`` (N, *noise_shape); ``rngs`` are for what more chance there is."""


@runtime_checkable
class RedrawsImages(Protocol):
    """A generator that changes given images."""

    def redraw(
        self, images: Float[Tensor, "N C H W"], rngs: Sequence[torch.Generator], classes: Int[Tensor, " N"] | None,
        options: SamplingOptions = USUAL, *, strength: float,
    ) -> Float[Tensor, "N C H W"]:  # fmt: skip
        """Return the images drawn anew; ``strength`` in (0, 1] says how freely."""


@runtime_checkable
class CompletesImages(Protocol):
    """A generator that fills in what is hidden of given images."""

    def complete(
        self, images: Float[Tensor, "N C H W"], known: Bool[Tensor, "N 1 H W"], rngs: Sequence[torch.Generator],
        classes: Int[Tensor, " N"] | None, options: SamplingOptions = USUAL,
    ) -> Float[Tensor, "N C H W"]:  # fmt: skip
        """Return the images with what is not ``known`` drawn anew, so that it fits what is."""


@runtime_checkable
class RatesImages(Protocol):
    """A generator that says how probable images are."""

    @property
    def likelihood(self) -> Literal["exact", "bound"]:
        """Whether what it says is −log₂ p itself, or no less than it: the two never stand in one column."""

    def bits(
        self, images: Float[Tensor, "N C H W"], classes: Int[Tensor, " N"] | None, rng: torch.Generator
    ) -> Float[Tensor, " N"]:
        """Return −log₂ p per number of each image of 256 levels in [-1, 1], or a bound of it, in bits."""
