"""Maps and places for answers that are numbers or tags: ``saliency_checks`` and ``places`` with a score of one's own.

Deletion and insertion: Petsiuk, Das & Saenko, "RISE", BMVC 2018; the score takes the place of a class's probability.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from capas.tasks.metrics import rate
from capas.trust.adversarial import Forward
from capas.trust.places import Place, windows
from capas.trust.saliency_checks import Curve

Score = Callable[[Tensor, Tensor], Tensor]
"""Pictures (B, C, H, W), their numbers among the examples (B) → what is to fall or rise (B)."""


@torch.no_grad()
def value_curve(
    score: Score,
    first: Float[Tensor, "N C H W"],
    last: Float[Tensor, "N C H W"],
    maps: Float[Tensor, "N H W"],
    *,
    steps: int = 20,
    batch: int = 256,
) -> Curve:
    """The score while ``first`` turns into ``last``, the most important pixels first."""
    order = maps.flatten(1).sort(dim=1, descending=True, stable=True).indices
    place = order.argsort(1).reshape(len(maps), 1, *maps.shape[1:])
    rows, columns = torch.arange(len(first)), []
    for step in range(steps + 1):
        inputs = torch.where(place < round(order.shape[1] * step / steps), last, first)
        parts = zip(torch.split(inputs, batch), torch.split(rows, batch), strict=True)
        columns.append(torch.cat([score(part, some) for part, some in parts]))
    scores = torch.stack(columns, dim=1)
    areas = torch.trapezoid(scores, dx=1 / steps, dim=1)
    return Curve(shares=torch.linspace(0, 1, steps + 1), mean=scores.mean(0), areas=areas)


@torch.no_grad()
def value_places(
    forward: Forward,
    pictures: Float[Tensor, "N C H W"],
    right: Callable[[Tensor], Tensor],
    background: Float[Tensor, "C H W"],
    *,
    parts: int = 4,
    step: float = 0.5,
) -> list[Place]:
    """As ``places``: every window covered, and alone; ``right`` says of the outputs of all N pictures which are."""
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


def sided(maps: Float[Tensor, "N H W"], sign: Float[Tensor, " N"]) -> Float[Tensor, "N H W"]:
    """Signed maps of numbers, so that what moved the number away from that of the background is above zero."""
    return maps * sign[:, None, None]
