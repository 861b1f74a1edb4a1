"""What a denoising network is told beside the noisy data: how much noise there is, and what is wanted, as one vector.

The timestep becomes sines and cosines of many frequencies (Ho, Jain & Abbeel, "Denoising Diffusion Probabilistic
Models", NeurIPS 2020, Appendix B, after Vaswani et al. 2017) and goes through two layers. A class or a vector of
context is embedded and added to it (Dhariwal & Nichol, "Diffusion Models Beat GANs", NeurIPS 2021, Section 3.1). "No
condition" is a condition of its own, for classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598): one more
class, or a vector of zeros.

Shapes: B batch, F frequencies (sines and cosines together), E width of the result, V numbers of a context vector.
"""

import math
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

MAX_PERIOD: Final = 10_000.0


def timestep_embedding(timesteps: Float[Tensor, " B"], numbers: int) -> Float[Tensor, "B F"]:
    """Return sines, then cosines, of the timesteps at ``numbers`` / 2 frequencies from 1 down to 1/10,000, float32.

    Timesteps need not be whole. ``numbers`` is even and 4 or more.
    """
    half = numbers // 2
    exponents = -math.log(MAX_PERIOD) * torch.arange(half, dtype=torch.float32, device=timesteps.device) / (half - 1)
    angles = timesteps.float()[:, None] * exponents.exp()
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class NoiseConditioning(nn.Module):
    """Timesteps (B,) and conditions → vectors (B, E).

    Args:
        frequencies: F, even, 4 or more.
        width: E.
        num_classes: Classes to choose from; 0 for none.
        context_width: V; 0 for none. A network has classes or context, not both.

    Raises ValueError for sizes that do not fit.
    """

    def __init__(self, frequencies: int, width: int, *, num_classes: int = 0, context_width: int = 0) -> None:
        super().__init__()
        if frequencies < 4 or frequencies % 2:
            raise ValueError(f"frequencies is {frequencies}; expected an even number, 4 or more")
        if min(num_classes, context_width) < 0 or (num_classes and context_width):
            received = f"num_classes {num_classes}, context_width {context_width}"
            raise ValueError(f"{received}; expected classes or context or none, each 0 or more")
        self.frequencies = frequencies
        self.num_classes = num_classes
        self.context_width = context_width
        self.first = nn.Linear(frequencies, width)
        self.second = nn.Linear(width, width)
        if num_classes:
            self.classes = nn.Embedding(num_classes + 1, width)
        elif context_width:
            # Without bias: zeros, "no condition", add nothing.
            self.context = nn.Linear(context_width, width, bias=False)

    def forward(self, timesteps: Float[Tensor, " B"], condition: Tensor | None = None) -> Float[Tensor, "B E"]:
        """Return the vectors; without a condition, those of "no condition".

        Args:
            timesteps: Level of noise, in steps of the schedule; need not be whole.
            condition: Class indices (B,), int64, where ``num_classes`` stands for "no condition"; or context (B, V).

        Raises ValueError for a condition of another kind than the network was made for.
        """
        embedded = timestep_embedding(timesteps, self.frequencies).to(self.first.weight.dtype)
        vectors: Tensor = self.second(F.silu(self.first(embedded)))
        if condition is not None:
            self._check(condition, len(timesteps))
        if self.num_classes:
            if condition is None:
                condition = torch.full_like(timesteps, self.num_classes, dtype=torch.int64)
            vectors = vectors + self.classes(condition)
        elif condition is not None:
            vectors = vectors + self.context(condition)
        return vectors

    def null_condition(self, condition: Tensor) -> Tensor:
        """Return conditions of the same shape that all say "no condition"."""
        return torch.full_like(condition, self.num_classes) if self.num_classes else torch.zeros_like(condition)

    def _check(self, condition: Tensor, count: int) -> None:
        shape = (count,) if self.num_classes else (count, self.context_width)
        if not (self.num_classes or self.context_width) or condition.shape != shape:
            kind = f"{self.num_classes} classes" if self.num_classes else f"a context of {self.context_width} numbers"
            raise ValueError(f"the condition has the shape {tuple(condition.shape)}; made for {kind}, batch of {count}")
