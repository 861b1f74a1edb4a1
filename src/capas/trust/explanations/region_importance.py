"""Whether one place of the pictures decides by itself: what is right when it is covered in all of them, and what is
still right when it is all that can be seen.

A model that has learnt a shortcut (a date in a corner, a coloured frame) is right from that corner alone. Where a
thing itself fills the middle of every picture, covering the middle costs much too, but the middle alone is not enough
for a quarter of the side.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.rate import Rate, rate
from capas.trust.explanations.saliency import window_starts
from capas.trust.subjects.model_functions import ForwardFunction


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionImportance:
    """A window, ``top``, ``left``, ``height`` and ``width`` in pixels; the share right with it ``accuracy_covered``, and with it
    ``accuracy_alone``."""

    top: int
    left: int
    height: int
    width: int
    accuracy_covered: Rate
    accuracy_alone: Rate


def sliding_windows(height: int, width: int, *, divisions: int, step: float) -> Iterator[tuple[int, int, int, int]]:
    """Windows of a ``divisions``-th of each side that move by the share ``step`` of themselves, the last at the border."""
    tall, wide = max(1, height // divisions), max(1, width // divisions)
    for top in window_starts(height, tall, max(1, int(tall * step))):
        for left in window_starts(width, wide, max(1, int(wide * step))):
            yield top, left, tall, wide


@torch.no_grad()
def region_importances(
    forward: ForwardFunction,
    images: Float[Tensor, "N C H W"],
    is_correct: Callable[[Tensor], Tensor],
    background: Float[Tensor, "C H W"],
    *,
    divisions: int = 4,
    step: float = 0.5,
) -> list[RegionImportance]:
    """Every window, the one that decides most by itself first; what is covered shows the ``background``, and ``is_correct``
    says of the outputs of all N pictures (N, K) which are right (N)."""
    found = []
    for top, left, tall, wide in sliding_windows(*images.shape[2:], divisions=divisions, step=step):
        rows, columns = slice(top, top + tall), slice(left, left + wide)
        covered, alone = images.clone(), background.expand_as(images).clone()
        covered[:, :, rows, columns] = background[:, rows, columns]
        alone[:, :, rows, columns] = images[:, :, rows, columns]
        hits = [rate(int(is_correct(_outputs(forward, shown)).sum()), len(images)) for shown in (covered, alone)]
        found.append(
            RegionImportance(
                top=top, left=left, height=tall, width=wide, accuracy_covered=hits[0], accuracy_alone=hits[1]
            )
        )
    return sorted(found, key=lambda place: -place.accuracy_alone.value)


def _outputs(forward: ForwardFunction, pictures: Tensor) -> Tensor:
    return torch.cat([forward(part) for part in torch.split(pictures, 256)])
