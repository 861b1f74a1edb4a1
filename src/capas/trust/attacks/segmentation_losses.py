"""Per-image losses and correctness of semantic segmentation, as attacks maximise them.

The loss of an image is the mean over its labelled pixels, by cross-entropy (as in Arnab, Miksik & Torr, CVPR 2018) or
by the margin of the pixels that are still correct. The second has no gradient left for pixels that are wrong already
and is not silenced by a saturated softmax; on a small U-Net the first does a little more harm at small ε.

Shapes: B images, K classes; ``y`` is B×H×W with VOID where the class is unknown.
"""

from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from capas.data.image.masks import IGNORE_INDEX
from capas.trust.attacks.classification_losses import margin
from capas.trust.attacks.robust_accuracy import AttackFunction
from capas.trust.attacks.sanity_checks import AttackTaskSpec
from capas.trust.subjects.model_functions import ForwardFunction


def pixel_loss(logits: Float[Tensor, "B K H W"], y: Int[Tensor, "B H W"]) -> Float[Tensor, " B"]:
    """Return the mean cross-entropy of each image's labelled pixels, in nats."""
    losses = functional.cross_entropy(logits, y, ignore_index=IGNORE_INDEX, reduction="none")
    return losses.sum((1, 2)) / (y != IGNORE_INDEX).sum((1, 2)).clamp(min=1)


def pixel_margin(logits: Float[Tensor, "B K H W"], y: Int[Tensor, "B H W"]) -> Float[Tensor, " B"]:
    """Return the mean over each image's labelled pixels of min(0, max_{j≠y} z_j − z_y)."""
    known = y != IGNORE_INDEX
    behind = margin(logits, y.masked_fill(~known, 0)).clamp(max=0) * known
    return behind.sum((1, 2)) / known.sum((1, 2)).clamp(min=1)


def pixel_accuracy(logits: Float[Tensor, "B K H W"], y: Int[Tensor, "B H W"]) -> Float[Tensor, " B"]:
    """Return the share of each image's labelled pixels whose arg max is the target, 0..1."""
    # No class is called VOID, so what is unknown is never right.
    return (logits.argmax(1) == y).sum((1, 2)) / (y != IGNORE_INDEX).sum((1, 2)).clamp(min=1)


def _some_right(logits: Float[Tensor, "B K H W"], y: Int[Tensor, "B H W"]) -> Bool[Tensor, " B"]:
    return pixel_accuracy(logits, y) > 0


def _pixels_left(forward: ForwardFunction, x: Tensor, y: Tensor, attack: AttackFunction, batch: int) -> float:
    shares = []
    for some, targets in zip(torch.split(x, batch), torch.split(y, batch), strict=True):
        adversarial = attack(some, targets)
        with torch.no_grad():
            shares.append(pixel_accuracy(forward(adversarial), targets))
    return float(torch.cat(shares).mean())


# Pixels hang together, and one step serves all of them: 3 to 7 % of them outlast 10 to 40 steps without a limit.
PER_PIXEL_TASK: Final = AttackTaskSpec(
    losses=(pixel_loss, pixel_margin),
    surviving_share=_pixels_left,
    is_correct=_some_right,
    tie=0.01,
    max_unlimited_accuracy=0.15,
)
