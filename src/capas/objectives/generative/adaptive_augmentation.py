"""Adaptive discriminator augmentation: Karras et al., "Training Generative Adversarial Networks with Limited Data",
NeurIPS 2020 (arXiv:2006.06676).

The discriminator sees real and generated images through the same random changes, each made with probability p. As long
as p is well below 1 an image that was not changed stays the likeliest one, so that the generator does not learn to draw
changed ones (Section 2.2). p follows how much the discriminator overfits, r = E[sign D(real)] (eq. 1): it rises while
r is above 0.6, and falls below.

Of the paper's changes these are made: mirror images, quarter turns, shifts by whole pixels (up to an eighth of the
side, filled by reflection), brightness and contrast. All can be differentiated, twice.
"""

import math
from collections.abc import Mapping
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

DRAWS: Final = 11  # numbers of chance for an image
MAX_PROBABILITY: Final = 0.8  # from about there on changes leak into what is drawn (Figure 4)
TARGET: Final = 0.6
RISE_IMAGES: Final = 100_000  # images in which p goes from 0 to 1; the paper's 500,000 suit its 25 million
EVERY: Final = 4  # steps over which the sign is averaged
SHIFT: Final = 0.125  # of the side
BRIGHTNESS, CONTRAST = 0.2, 0.5  # standard deviations: of what is added, and of log₂ of the factor


class AdaptiveAugmentation:
    """The probability p, in [0, ``MAX_PROBABILITY``], and what steers it."""

    def __init__(self) -> None:
        self.probability = 0.0
        self._signs, self._steps, self._images = 0.0, 0, 0

    def __call__(self, images: Float[Tensor, "B C S S"], uniform: Float[Tensor, "B U"]) -> Float[Tensor, "B C S S"]:
        """Return the images changed, by chance (B, ``DRAWS``) uniform in [0, 1)."""
        return augmented(images, self.probability, uniform) if self.probability else images

    def follow(self, logits: Float[Tensor, " N"]) -> None:
        """Take note of the discriminator's logits on real images; every fourth time p moves."""
        self._signs += float(logits.sign().mean())
        self._steps += 1
        self._images += len(logits)
        if self._steps < EVERY:
            return
        step = math.copysign(self._images / RISE_IMAGES, self._signs / self._steps - TARGET)
        self.probability = min(MAX_PROBABILITY, max(0.0, self.probability + step))
        self._signs, self._steps, self._images = 0.0, 0, 0

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return all that it remembers."""
        held = (self.probability, self._signs, float(self._steps), float(self._images))
        return {"augmentation": torch.tensor(held, dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what ``state_dict`` gave."""
        self.probability, self._signs, steps, images = state["augmentation"].tolist()
        self._steps, self._images = int(steps), int(images)


def augmented(
    images: Float[Tensor, "B C S S"], probability: float, uniform: Float[Tensor, "B U"]
) -> Float[Tensor, "B C S S"]:
    """Return the images with each kind of change made with this probability."""
    # The even columns decide whether a change is made, the odd ones which; the last is the move downwards.
    made, which = (uniform[:, :10:2] < probability).to(images.device), uniform[:, 1:10:2].to(images.device)
    side = images.shape[-1]
    moves = _moves(which[:, 2], uniform[:, DRAWS - 1].to(images.device), side) * made[:, 2, None]
    turns = (which[:, 1] * 4).long() * made[:, 1]
    mirrored = (which[:, 0] < 0.5) & made[:, 0]
    images = _rearranged(images, mirrored, turns, moves)
    brightness = BRIGHTNESS * _normal(which[:, 3]) * made[:, 3]
    contrast = torch.exp2(CONTRAST * _normal(which[:, 4]) * made[:, 4])
    changed: Tensor = (images + brightness[:, None, None, None]) * contrast[:, None, None, None]
    return changed.to(images.dtype)


def _moves(across: Tensor, down: Tensor, side: int) -> Tensor:
    """Whole pixels (B, 2), of two uniform numbers."""
    return torch.stack([((2 * part - 1) * SHIFT * side).round() for part in (across, down)], 1).long()


def _normal(uniform: Tensor) -> Tensor:
    """Standard normal numbers of uniform ones."""
    return math.sqrt(2) * torch.erfinv((2 * uniform - 1).clamp(-1 + 1e-6, 1 - 1e-6))


def _rearranged(images: Tensor, mirrored: Tensor, turns: Tensor, moves: Tensor) -> Tensor:
    """Mirrored, then turned by so many quarters, then moved: all in one gathering of pixels (of square images)."""
    count, channels, side, _ = images.shape
    line = torch.arange(side, device=images.device)
    columns, rows = (_reflected(line - moves[:, axis, None], side) for axis in (0, 1))
    x, y = columns[:, None].expand(-1, side, -1), rows[:, :, None].expand(-1, -1, side)
    last, quarter = side - 1, turns[:, None, None]
    x, y = (
        torch.where(quarter == 1, y, torch.where(quarter == 2, last - x, torch.where(quarter == 3, last - y, x))),
        torch.where(quarter == 1, last - x, torch.where(quarter == 2, last - y, torch.where(quarter == 3, x, y))),
    )
    x = torch.where(mirrored[:, None, None], last - x, x)
    places = (y * side + x).reshape(count, 1, side * side).expand(-1, channels, -1)
    return images.flatten(2).gather(2, places).reshape(images.shape)


def _reflected(places: Tensor, side: int) -> Tensor:
    """Places beyond an edge as seen in a mirror that stands on the outermost pixel."""
    inside = places.abs()
    return torch.where(inside > side - 1, 2 * (side - 1) - inside, inside)
