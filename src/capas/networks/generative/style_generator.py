"""A style-based generator: Karras, Laine & Aila, "A Style-Based Generator Architecture for Generative Adversarial
Networks", CVPR 2019 (arXiv:1812.04948).

A mapping network makes a latent w of noise z; each layer of the synthesis network is told what to draw by w alone. So
layers can be told different latents (style mixing, Section 3.1), and a latent can be drawn towards the mean latent w̄
(truncation, Appendix B of that paper): w' = w̄ + ψ (w − w̄).

Where we deviate: with classes each class has a mean latent of its own, so that what is truncated stays of its class.

Shapes: B batch, Z numbers of noise, W of a latent, L layers that are told a latent.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.generative.style_layers import EPSILON, EqualizedLinear, leaky_relu


@runtime_checkable
class Synthesis(Protocol):
    """A network that makes images of latents."""

    @property
    def num_styles(self) -> int:
        """Layers that are told a latent, L."""

    @property
    def noise_shapes(self) -> Sequence[tuple[int, int]]:
        """(H, W) of the noise that is added within, layer by layer; empty for none."""

    def __call__(
        self, styles: Float[Tensor, "B L N"], noises: Sequence[Tensor] | None = None, shift: Tensor | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Return images.

        Args:
            styles: The latent of each layer.
            noises: (B, 1, H, W) for each of ``noise_shapes``; None for those that belong to the network.
            shift: Pixels (B, 2), to the right and down, by which all is moved before the first layer; None for none.
        """


@runtime_checkable
class FollowsMagnitudes(Protocol):
    """A synthesis network of which layers are normalised by running means of what goes through them."""

    def follow_magnitudes(self, gather: Callable[[Tensor], Tensor]) -> None:
        """Move them towards what went through last, on all ranks together."""


class MappingNetwork(nn.Module):
    """Noise (B, Z) and classes (B,) → latents (B, W).

    Args:
        noise: Numbers of noise Z.
        latent: Numbers of a latent W.
        layers: How many.
        classes: Classes to choose from; 0 for none.
    """

    mean_latent: Tensor

    def __init__(self, noise: int, latent: int, layers: int, classes: int = 0) -> None:
        super().__init__()
        check_at_least_one(noise=noise, latent=latent, layers=layers)
        self.noise = noise
        self.classes = classes
        self.embedding = EqualizedLinear(classes, noise) if classes else None
        first = 2 * noise if classes else noise
        self.layers = nn.ModuleList(EqualizedLinear(before, latent) for before in (first, *[latent] * (layers - 1)))
        self.register_buffer("mean_latent", torch.zeros(max(1, classes), latent))

    def forward(self, noise: Float[Tensor, "B Z"], classes: Int[Tensor, " B"] | None = None) -> Float[Tensor, "B N"]:
        """Return the latents. Raises ValueError where ``classes`` are missing or superfluous."""
        if (classes is None) != (self.embedding is None):
            raise ValueError(f"classes are {'missing' if classes is None else 'superfluous'}; made for {self.classes}")
        hidden = _unit_length(noise)
        if classes is not None and self.embedding is not None:
            marks = F.one_hot(classes, self.classes).to(noise)
            hidden = torch.cat([hidden, _unit_length(self.embedding(marks))], 1)
        for layer in self.layers:
            hidden = leaky_relu(layer(hidden))
        return hidden

    def truncated(
        self, latents: Float[Tensor, "B N"], classes: Int[Tensor, " B"] | None, truncation: float
    ) -> Float[Tensor, "B N"]:
        """Return latents drawn towards the mean latent: 1 leaves them, 0 gives the mean."""
        return self.mean_of(classes).to(latents).lerp(latents, truncation)

    def mean_of(self, classes: Int[Tensor, " B"] | None) -> Float[Tensor, "B N"]:
        """Return the mean latent (B or 1, W)."""
        return self.mean_latent if classes is None else self.mean_latent[classes]

    @torch.no_grad()
    def follow_mean(self, latents: Float[Tensor, "B N"], classes: Int[Tensor, " B"] | None, weight: float) -> None:
        """Move the mean latent of each class that occurs towards these latents, by ``weight`` in [0, 1]."""
        numbers = torch.zeros(len(latents), dtype=torch.int64, device=latents.device) if classes is None else classes
        for number in set(numbers.tolist()):
            mean = latents[numbers == number].float().mean(0)
            self.mean_latent[number] = self.mean_latent[number].lerp(mean, weight)


class StyleGenerator(nn.Module):
    """Noise (B, Z) and classes (B,) → images (B, C, S, S), in [-1, 1] once it has learnt.

    Args:
        mapping: Makes latents.
        synthesis: Makes images of them (``Synthesis``).
    """

    def __init__(self, mapping: MappingNetwork, synthesis: nn.Module) -> None:
        super().__init__()
        if not isinstance(synthesis, Synthesis):
            raise TypeError(f"{type(synthesis).__name__} makes no images of latents")
        self.mapping = mapping
        self.synthesis = synthesis

    @property
    def num_styles(self) -> int:
        """Layers that are told a latent, L."""
        return self.synthesis.num_styles

    @property
    def noise_shapes(self) -> Sequence[tuple[int, int]]:
        """(H, W) of the noise within."""
        return self.synthesis.noise_shapes

    def forward(
        self, noise: Float[Tensor, "B Z"], classes: Int[Tensor, " B"] | None = None, truncation: float = 1.0
    ) -> Float[Tensor, "B C H W"]:
        """Return images, with the network's own noise within. Raises ValueError as ``MappingNetwork``."""
        latents = self.mapping.truncated(self.latents(noise, classes), classes, truncation)
        return self.draw(self.styles(latents))

    def latents(self, noise: Float[Tensor, "B Z"], classes: Int[Tensor, " B"] | None = None) -> Float[Tensor, "B N"]:
        """Return the latents of noise, see ``MappingNetwork``."""
        latents: Tensor = self.mapping(noise, classes)
        return latents

    def styles(self, latents: Float[Tensor, "B N"]) -> Float[Tensor, "B L N"]:
        """Return the same latent for every layer."""
        return latents[:, None].expand(-1, self.num_styles, -1)

    def mixed(
        self, coarse: Float[Tensor, "B N"], fine: Float[Tensor, "B N"], crossover: Int[Tensor, " B"]
    ) -> Float[Tensor, "B L N"]:
        """Return ``coarse`` for the layers before ``crossover``, in 0 … L, and ``fine`` for those from there on."""
        layers = torch.arange(self.num_styles, device=coarse.device)
        return torch.where((layers < crossover[:, None])[:, :, None], coarse[:, None], fine[:, None])

    def draw(
        self, styles: Float[Tensor, "B L N"], noises: Sequence[Tensor] | None = None, shift: Tensor | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Return images, see ``Synthesis``."""
        images: Tensor = self.synthesis(styles, noises, shift)
        return images

    def follow_latents(self, latents: Float[Tensor, "B N"], classes: Int[Tensor, " B"] | None, weight: float) -> None:
        """Move the mean latents towards these, see ``MappingNetwork``."""
        self.mapping.follow_mean(latents, classes, weight)

    def follow_magnitudes(self, gather: Callable[[Tensor], Tensor]) -> None:
        """Move the running means within the synthesis network where it has any."""
        if isinstance(self.synthesis, FollowsMagnitudes):
            self.synthesis.follow_magnitudes(gather)


def _unit_length(vectors: Tensor) -> Tensor:
    """Vectors (B, N) whose mean square is 1."""
    return vectors * (vectors.square().mean(1, keepdim=True) + EPSILON).rsqrt()
