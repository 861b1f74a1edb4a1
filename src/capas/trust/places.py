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

from capas.tasks.metrics import Rate, rate
from capas.trust.adversarial import Forward
from capas.trust.saliency import firsts


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A window, ``top``, ``left``, ``height`` and ``width`` in pixels; the share right with it ``covered``, and with it
    ``alone``."""

    top: int
    left: int
    height: int
    width: int
    covered: Rate
    alone: Rate


def windows(height: int, width: int, *, parts: int, step: float) -> Iterator[tuple[int, int, int, int]]:
    """Windows of a ``parts``-th of each side that move by the share ``step`` of themselves, the last at the border."""
    tall, wide = max(1, height // parts), max(1, width // parts)
    for top in firsts(height, tall, max(1, int(tall * step))):
        for left in firsts(width, wide, max(1, int(wide * step))):
            yield top, left, tall, wide


@torch.no_grad()
def places(
    forward: Forward,
    pictures: Float[Tensor, "N C H W"],
    right: Callable[[Tensor], Tensor],
    background: Float[Tensor, "C H W"],
    *,
    parts: int = 4,
    step: float = 0.5,
) -> list[Place]:
    """Every window, the one that decides most by itself first; what is covered shows the ``background``, and ``right``
    says of the outputs of all N pictures (N, K) which are right (N)."""
    found = []
    for top, left, tall, wide in windows(*pictures.shape[2:], parts=parts, step=step):
        rows, columns = slice(top, top + tall), slice(left, left + wide)
        covered, alone = pictures.clone(), background.expand_as(pictures).clone()
        covered[:, :, rows, columns] = background[:, rows, columns]
        alone[:, :, rows, columns] = pictures[:, :, rows, columns]
        hits = [rate(int(right(_outputs(forward, shown)).sum()), len(pictures)) for shown in (covered, alone)]
        found.append(Place(top=top, left=left, height=tall, width=wide, covered=hits[0], alone=hits[1]))
    return sorted(found, key=lambda place: -place.alone.value)


def _outputs(forward: Forward, pictures: Tensor) -> Tensor:
    return torch.cat([forward(part) for part in torch.split(pictures, 256)])
