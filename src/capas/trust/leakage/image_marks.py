"""What images say of their class without showing anything: the colour, the grain of the ground, the corners.

A watermark, a caption burnt in, a camera's noise or a coloured slide per class tell it, whatever the network learns. So
each of these alone, measured so that what is shown hardly counts, is asked to tell one class from all others, by the
best threshold:

- colour: medians of red − green and blue − green;
- grain: the second difference along four directions, of each its median over the cells of a 6×6 grid, for a thing
  that is shown fills only some of them;
- corners and edges: mean and deviation of eight cells along the border.

Shapes: images (N, C, H, W) in 0..1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

MIN_EXAMPLES: Final = 60
MIN_OF_CLASS: Final = 15
MIN_ACCURACY: Final = 0.97
MIN_EXPLAINED: Final = 0.8  # of the spread of a number
MIN_GAIN: Final = 0.9  # of the errors of whoever always says the commoner of the two
_GRID: Final = 6
_DIRECTIONS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))
PLACES: Final = ("top_left", "top_middle", "top_right", "middle_left", "middle_right", "bottom_left", "bottom_middle",
                 "bottom_right")  # fmt: skip
STRIPS: Final = ("top_middle", "bottom_middle", "middle_left", "middle_right")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A feature that tells a class.

    Attributes:
        feature: "colour", "grain" or one of ``PLACES``.
        label: The class that it tells from all others.
        accuracy: How often, with the best threshold.
    """

    feature: str
    label: int
    accuracy: float


def mark_features(images: Float[Tensor, "N C H W"]) -> Mapping[str, Float[Tensor, "N D"]]:
    """Return features by name: "grain", "colour" (of colour images), and each of ``PLACES``."""
    grey = images.mean(1)
    found = {"grain": torch.stack([_grain(grey, *step) for step in _DIRECTIONS], 1)}
    if images.shape[1] == 3:
        red, green, blue = images.flatten(2).unbind(1)
        found["colour"] = torch.stack([(red - green).median(1).values, (blue - green).median(1).values], 1)
    height, width = (max(2, side // 7) for side in grey.shape[1:])
    rows, columns = (
        (slice(0, size), slice((side - size) // 2, (side + size) // 2), slice(side - size, side))
        for side, size in zip(grey.shape[1:], (height, width), strict=True)
    )
    cells = [grey[:, row, column].flatten(1) for row in rows for column in columns]
    del cells[4]  # the middle, where things are shown
    for name, cell in zip(PLACES, cells, strict=True):
        found[name] = torch.stack([cell.mean(1), cell.std(1)], 1)
    return found


def explaining_strip(images: Float[Tensor, "N C H W"], targets: Float[Tensor, " N"]) -> tuple[str, float] | None:
    """Return the strip along the border whose brightness alone tells a number nearly always, and the share of its
    spread that it explains, by the best straight line; None where none does. ``STRIPS`` names them.
    """
    grey = images.mean(1)
    high, wide = (max(2, side // 7) for side in grey.shape[1:])
    strips = (grey[:, :high], grey[:, -high:], grey[:, :, :wide], grey[:, :, -wide:])
    if len(targets) < MIN_EXAMPLES:
        return None
    both = (torch.stack([strip.flatten(1).mean(1), targets.float()]) for strip in strips)
    shares = [float(torch.corrcoef(one)[0, 1].nan_to_num().square()) for one in both]
    best = max(range(len(STRIPS)), key=lambda k: shares[k])
    return (STRIPS[best], shares[best]) if shares[best] >= MIN_EXPLAINED else None


def _grain(grey: Float[Tensor, "N H W"], down: int, across: int) -> Float[Tensor, " N"]:
    """The median over cells of the mean |x₋₁ − 2x₀ + x₁| along a direction."""
    before, after = (torch.roll(grey, (sign * down, sign * across), dims=(1, 2)) for sign in (1, -1))
    second = (before - 2 * grey + after).abs()[:, 1:-1, 1:-1]
    return functional.adaptive_avg_pool2d(second[:, None], _GRID).flatten(1).median(1).values


def telling_marks(images: Float[Tensor, "N C H W"], labels: Int[Tensor, " N"]) -> list[Mark]:
    """Return the features that tell a class from all others nearly always, the best first."""
    counts = torch.bincount(labels)
    if len(labels) < MIN_EXAMPLES or int((counts > 0).sum()) < 2:
        return []
    found = []
    for name, features in mark_features(images).items():
        for k in (counts >= MIN_OF_CLASS).nonzero()[:, 0].tolist():
            own = labels == k
            accuracy = max(best_cut_accuracy(values, own) for values in features.T)
            chance = max(float(own.float().mean()), 1 - float(own.float().mean()))
            if accuracy >= MIN_ACCURACY and accuracy - chance >= MIN_GAIN * (1 - chance):
                found.append(Mark(feature=name, label=k, accuracy=accuracy))
    return sorted(found, key=lambda one: -one.accuracy)


def best_cut_accuracy(values: Float[Tensor, " N"], own: Bool[Tensor, " N"]) -> float:
    """Return how often the best threshold tells the ``own`` values from the others, 0.5..1."""
    order = values.argsort()
    ordered, inside = values[order], own[order].long()
    below = inside.cumsum(0)  # of ``own`` up to each value
    right = below + (len(own) - int(inside.sum())) - (torch.arange(1, len(own) + 1) - below)
    real = torch.ones_like(inside, dtype=torch.bool)
    real[:-1] = ordered[1:] > ordered[:-1]  # no cut between equal values
    best = torch.maximum(right, len(own) - right)[real].max()
    return float(best) / len(own)
