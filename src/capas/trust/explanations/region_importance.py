"""Region importance over a whole test set: accuracy with one fixed window covered, and with only that window visible.

A model that has learnt a shortcut (a date in a corner, a coloured frame) is correct from that corner alone. Where the
object itself fills the middle of every image, covering the middle costs much too, but the middle alone is not enough
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
    """A window with the accuracies that show its importance.

    Attributes:
        top: Upper edge in pixels.
        left: Left edge in pixels.
        height: Height in pixels.
        width: Width in pixels.
        accuracy_covered: Accuracy with the window covered in every image.
        accuracy_alone: Accuracy with everything else covered.
    """

    top: int
    left: int
    height: int
    width: int
    accuracy_covered: Rate
    accuracy_alone: Rate


def sliding_windows(height: int, width: int, *, divisions: int, step: float) -> Iterator[tuple[int, int, int, int]]:
    """Iterate over windows of 1/``divisions`` of each side, ``step`` of themselves apart, the last at the border."""
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
    """Measure every window, that of the highest accuracy alone first.

    Args:
        forward: Maps images (N, C, H, W) to logits (N, K).
        images: Images in 0..1.
        is_correct: Maps the outputs (N, K) of all images to booleans (N).
        background: What covered pixels show.
        divisions: Windows per side.
        step: Stride as a share of the window.
    """
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
