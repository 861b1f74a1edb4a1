"""Shift equivariance: whether a generator's image moves as a whole where its input is moved. EQ-T of Karras et al.,
"Alias-Free Generative Adversarial Networks", NeurIPS 2021 (arXiv:2106.12423), eq. 1:

    10 log₁₀ (I² / E (g(t(x)) − t(g(x)))²),

in decibels, with I = 2 the range of pixels in [-1, 1], over the pixels that are seen on both sides. Details that stick
to the pixels, where everything else moves, make it small.
"""

import math
from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

RANGE: Final = 2.0
MAX_SHARE: Final = 0.125  # of the side that images are moved by, at most


def shift_equivariance(draw: Callable[[Tensor | None], Tensor], shifts: Int[Tensor, "N 2"]) -> float:
    """Return EQ-T in dB; infinite where nothing differs.

    Args:
        draw: Draws N images (N, C, H, W), the same ones each time, moved by whole pixels (N, 2) to the right and down
            before the first layer; None for not at all.
        shifts: By what they are moved, less than the side.

    Raises ValueError without a shift that is within the image.
    """
    still, moved = draw(None), draw(shifts.float())
    height, width = still.shape[2:]
    if not len(shifts) or (shifts.abs() >= torch.tensor([width, height])).any():
        raise ValueError(f"shifts are {shifts.tolist()[:3]}; expected some, less than {width}×{height}")
    errors = torch.cat([
        (_seen(image, across, down) - _seen(other, -across, -down)).double().square().flatten()
        for image, other, (across, down) in zip(moved, still, shifts.tolist(), strict=True)
    ])  # fmt: skip
    error = float(errors.mean())
    return 10 * math.log10(RANGE**2 / error) if error else math.inf


def whole_shifts(count: int, side: int, rng: torch.Generator) -> Int[Tensor, "N 2"]:
    """Return shifts by whole pixels, uniform up to an eighth of the side each way, as in the paper."""
    most = max(1, int(side * MAX_SHARE))
    return torch.randint(-most, most + 1, (count, 2), generator=rng)


def _seen(image: Float[Tensor, "C H W"], across: int, down: int) -> Tensor:
    """What of an image that was moved so far had been in sight before."""
    height, width = image.shape[1:]
    return image[:, max(0, down) : height + min(0, down), max(0, across) : width + min(0, across)]
