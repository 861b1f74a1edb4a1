"""The families of generative networks: what each needs to be trained, and to draw images when trained.

A new family is a class in a file of its own, and a row of ``FAMILIES``.
"""

from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

from torch import nn

from capas.core.errors import CapasError
from capas.engine.recipes.generation.adversarial_families import DCGANFamily, GANFamily
from capas.engine.recipes.generation.batches import GenerationBatch
from capas.engine.recipes.generation.diffusion_family import DiffusionFamily
from capas.engine.recipes.generation.flow_family import FlowFamily
from capas.engine.recipes.generation.pixel_family import PixelFamily
from capas.engine.recipes.generation.settings import GeneratorSettings
from capas.engine.recipes.generation.style_families import StyleGAN2Family, StyleGAN3Family
from capas.objectives.base import Objective
from capas.sampling.generator import ImageGenerator


@runtime_checkable
class GeneratorFamily(Protocol):
    """One family."""

    @property
    def width(self) -> int:
        """The usual width."""

    @property
    def clip(self) -> float:
        """The usual bound on the norm of a gradient; 0 for none."""

    @property
    def max_batch(self) -> int:
        """The usual batch where there are many examples."""

    @property
    def takes_captions(self) -> bool:
        """Whether it can be told in words what to draw."""

    def side(self, wanted: int) -> int:
        """Return the largest side in pixels that it can make and that is not above ``wanted``, or its smallest."""

    def objective(self, settings: GeneratorSettings) -> Objective[GenerationBatch]:
        """Build its networks, with weights drawn from the global generator, and their objective."""

    def network(self, settings: GeneratorSettings) -> nn.Module:
        """Build the network that is deployed, to be filled with weights."""

    def generator(self, network: nn.Module, settings: GeneratorSettings) -> ImageGenerator:
        """Return what draws images with the deployed network, which is in evaluation mode."""


FAMILIES: Final[Mapping[str, GeneratorFamily]] = {
    "ddpm": DiffusionFamily(), "gated-pixelcnn": PixelFamily(), "glow": FlowFamily(), "dcgan": DCGANFamily(),
    "gan": GANFamily(), "stylegan2": StyleGAN2Family(), "stylegan3": StyleGAN3Family(),
}  # fmt: skip


def family_named(name: str) -> GeneratorFamily:
    """Return the family of a network. Raises CapasError ``network_not_for``."""
    if name not in FAMILIES:
        raise CapasError("network_not_for", where="network.name", received=name, names=", ".join(FAMILIES))
    return FAMILIES[name]
