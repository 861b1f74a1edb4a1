"""Trained translators in use."""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.objectives.generative.cycle_consistency import A_TO_B, B_TO_A

CHUNK: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Directions:
    """Both directions.

    Attributes:
        networks: The translators by name, in evaluation mode.
    """

    networks: nn.ModuleDict

    @torch.no_grad()
    def translate(self, images: Float[Tensor, "N C H W"], toward: int) -> Float[Tensor, "N C H W"]:
        """Return images, both in [-1, 1], as those of the first collection (``toward`` 0) or the second (1)."""
        network = self.networks[A_TO_B if toward else B_TO_A]
        device = next(network.parameters()).device
        parts = [network(part.to(device)).float().cpu() for part in torch.split(images, CHUNK)]
        return torch.cat(parts) if parts else images

    def back_and_forth(self, images: Float[Tensor, "N C H W"], own: int) -> tuple[Tensor, Tensor]:
        """Return images of collection ``own`` as those of the other one, and these led back again."""
        made = self.translate(images, 1 - own)
        return made, self.translate(made, own)
