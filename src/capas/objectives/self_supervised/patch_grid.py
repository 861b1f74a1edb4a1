"""Nine patches of an image, three rows of three, cut at random so that their borders give nothing away.

A network solves puzzles of patches by their borders, if it can: lines that go on, a pixel row that is shared, the same
brightness. So there is a gap between patches, each is moved by a jitter of its own (Doersch et al. 2015, Section 3.1),
and each is brought to mean 0 and deviation 1 by itself (Noroozi & Favaro 2016, Section 4.2).

Shapes: B batch, C channels, H and W pixels, S pixels a side of a patch.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from capas.objectives.base import StepContext
from capas.objectives.similarity import full_precision

PATCHES = 9
MINIMUM_PATCH = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchGrid:
    """Sizes in pixels.

    Attributes:
        patch: Side of a patch, ≥ 1.
        gap: Between patches that are not moved, ≥ 0.
        jitter: How far a patch may be moved each way, ≥ 0.
    """

    patch: int
    gap: int
    jitter: int

    @property
    def side(self) -> int:
        """Side of the square that the nine patches need."""
        return 3 * self.patch + 2 * self.gap + 2 * self.jitter

    @classmethod
    def fit(cls, height: int, width: int) -> "PatchGrid":
        """Return a grid that fills the shorter side of an image: patches of a quarter of it, 8 pixels at least.

        >>> PatchGrid.fit(32, 48)
        PatchGrid(patch=8, gap=3, jitter=1)

        Raises:
            ValueError: The image is too small for three patches of 8 pixels.
        """
        side = min(height, width)
        if side < 3 * MINIMUM_PATCH:
            raise ValueError(f"images are {height}×{width}; expected sides of {3 * MINIMUM_PATCH} pixels or more")
        patch = max(MINIMUM_PATCH, side // 4)
        spare = side - 3 * patch
        jitter = max(1, spare // 8) if spare >= 4 else 0
        return cls(patch=patch, gap=(spare - 2 * jitter) // 2, jitter=jitter)

    def cut(self, images: Float[Tensor, "B C H W"], context: StepContext) -> Float[Tensor, "B 9 C S S"]:
        """Return the patches, row by row, each normalised; the grid's place and the jitter are chance."""
        count, _, height, width = images.shape
        places = [self._corners(count, length, axis, context) for axis, length in enumerate((height, width))]
        rows, columns = ((corners[:, :, None] + torch.arange(self.patch)).to(images.device) for corners in places)
        example = torch.arange(count, device=images.device)[:, None, None, None]
        cut = images[example, :, rows[:, :, :, None], columns[:, :, None, :]]  # B, 9, S, S, C
        return normalise_patches(cut.permute(0, 1, 4, 2, 3))

    def _corners(self, count: int, length: int, axis: int, context: StepContext) -> Tensor:
        """First row (axis 0) or column (axis 1) of each patch, int64 (B, 9)."""
        if length < self.side:
            raise ValueError(f"images have a side of {length} pixels; expected {self.side} or more for {self}")
        numbers = torch.arange(PATCHES)
        number = numbers // 3 if axis == 0 else numbers % 3
        start = (context.uniform(count, 1) * (length - self.side + 1)).long()
        moved = (context.uniform(count, PATCHES) * (2 * self.jitter + 1)).long()
        return start + number * (self.patch + self.gap) + moved


def normalise_patches(patches: Float[Tensor, "B N C S S"]) -> Float[Tensor, "B N C S S"]:
    """Return each channel of each patch with mean 0 and deviation 1; what is constant becomes 0."""
    exact = full_precision(patches)
    centred = exact - exact.mean((3, 4), keepdim=True)
    deviation = centred.square().mean((3, 4), keepdim=True).sqrt()
    return (centred / deviation.clamp(min=1e-3)).to(patches.dtype)
