"""Adversarial patches: one universal patch optimised inside a mask, compared with plain black, white and random
patches.

Brown et al., "Adversarial Patch", arXiv 1712.09665: the patch p that maximises the expected loss over images x and
transformations t of the patch,

    min_p E_{x,t} [ ℓ(f(stick(x, t(p)))) ] + λ_tv · TV(p) + λ_nps · NPS(p),

with ℓ the hinge max(0, κ + z_y − max_{j≠y} z_j), or towards a target c max(0, κ + max_{j≠c} z_j − z_c) (Carlini &
Wagner 2017): images that are misclassified already no longer pull. TV is the total variation and NPS the
non-printability score of Sharif et al., CCS 2016. Where we deviate: NPS is the mean distance to the nearest printable
colour (as Thys et al., CVPR workshops 2019), since the published product over all colours vanishes in float32.

Most of the effect of a patch at the centre is occlusion. So black, white and random patches at the same places are part
of the result. A patch must be optimised on other images than those it is evaluated on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from capas.metrics.rate import Rate, rate
from capas.trust.attacks.classification_losses import is_top1_correct, margin
from capas.trust.attacks.patch_placement import (
    NO_AUGMENTATION,
    PatchAugmentation,
    Placement,
    apply_patch,
    sample_placement,
)
from capas.trust.attacks.robust_accuracy import paired_batches
from capas.trust.subjects.model_functions import ForwardFunction

PATCH_FILLINGS = ("none", "black", "white", "random", "optimised")


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchConfig:
    """Hyper-parameters of the patch optimisation.

    Attributes:
        steps: Steps of Adam.
        batch: Images per step.
        learning_rate: Learning rate of Adam.
        kappa: Margin κ of the hinge loss, in logits.
        smoothness: Weight λ_tv of the total variation.
        printability: Weight λ_nps of the non-printability score.
        augmentation: Random transformations of the patch (expectation over transformations).
    """

    steps: int = 100
    batch: int = 64
    learning_rate: float = 0.1
    kappa: float = 5.0
    smoothness: float = 0.1
    printability: float = 0.1
    augmentation: PatchAugmentation = NO_AUGMENTATION

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.learning_rate <= 0:
            raise ValueError(f"steps {self.steps}, batch {self.batch}, learning rate {self.learning_rate}")


def optimize_patch(
    forward: ForwardFunction,
    x: Float[Tensor, "N C H W"],
    y: Int[Tensor, " N"],
    mask: Bool[Tensor, "H W"],
    generator: torch.Generator,
    *,
    config: PatchConfig | None = None,
    target: int | None = None,
) -> Float[Tensor, "C H W"]:
    """Optimise one patch that moves the predictions on ``x`` away from ``y`` or towards ``target``.

    Args:
        forward: Maps images (N, C, H, W) in 0..1 to logits (N, K).
        x: Images to optimise on, in 0..1.
        y: Their target classes.
        mask: Pixels that the patch covers.
        generator: Source of randomness.
        config: Hyper-parameters; the defaults of ``PatchConfig`` if None.
        target: Class of a targeted attack; None for an untargeted one.

    Returns:
        The patch in 0..1, 0.5 outside ``mask``.

    Raises:
        ValueError: The mask is empty.
    """
    if not mask.any():
        raise ValueError("the mask is empty")
    chosen = config or PatchConfig()
    palette = printable_colors(x.shape[1]).to(x)
    start = torch.rand(x.shape[1:], generator=generator, device=generator.device).to(x)
    patch = torch.where(mask, start, 0.5).requires_grad_()
    optimiser = torch.optim.Adam([patch], lr=chosen.learning_rate)
    with torch.enable_grad():
        for _ in range(chosen.steps):
            rows = torch.randint(0, len(x), (chosen.batch,), generator=generator, device=generator.device).to(x.device)
            placement = sample_placement(len(rows), mask, chosen.augmentation, generator)
            logits = forward(apply_patch(x[rows], patch, mask, placement))
            cost = _hinge(logits, y[rows], target, chosen.kappa)
            cost = cost + chosen.smoothness * total_variation(patch, mask)
            cost = cost + chosen.printability * non_printability(patch, mask, palette)
            (patch.grad,) = torch.autograd.grad(cost, patch)
            optimiser.step()
            with torch.no_grad():
                patch.clamp_(0, 1)
    return patch.detach()


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchAccuracy:
    """Accuracy with one patch at one position.

    Attributes:
        position: Key of the mask.
        filling: Kind of patch, one of ``PATCH_FILLINGS``.
        covered_share: Share of the image that the patch covers, 0..1.
        accuracy: Share of correct predictions.
    """

    position: str
    filling: str
    covered_share: float
    accuracy: Rate


def patch_accuracy_table(
    forward: ForwardFunction,
    x: Float[Tensor, "N C H W"],
    y: Int[Tensor, " N"],
    masks: Mapping[str, Tensor],
    optimised: Mapping[str, Tensor],
    generator: torch.Generator,
    *,
    augmentation: PatchAugmentation = NO_AUGMENTATION,
    batch: int = 256,
) -> tuple[PatchAccuracy, ...]:
    """Measure the accuracy with each filling at each position, on images that the optimised patches have not seen.

    All fillings of a position share their random placements.

    Args:
        forward: Maps images (N, C, H, W) in 0..1 to logits (N, K).
        x: Test images in 0..1.
        y: Their target classes.
        masks: Mask (H, W) by position.
        optimised: Optimised patch (C, H, W) by position.
        generator: Source of randomness.
        augmentation: Random transformations of the patch.
        batch: Images per forward pass.

    Raises:
        ValueError: The positions of masks and patches disagree.
    """
    if masks.keys() != optimised.keys():
        raise ValueError(f"masks at {sorted(masks)}, patches at {sorted(optimised)}")
    rows = []
    for position, mask in masks.items():
        placements = [sample_placement(len(part), mask, augmentation, generator) for part in torch.split(x, batch)]
        noise = torch.rand(x.shape[1:], generator=generator, device=generator.device).to(x)
        black = torch.zeros_like(noise)
        patches = dict(zip(PATCH_FILLINGS, (None, black, black + 1, noise, optimised[position]), strict=True))
        covered = float(mask.float().mean())
        for filling, patch in patches.items():
            right = _right_with(forward, x, y, patch, mask, placements, batch)
            accuracy = rate(right, len(x))
            rows.append(PatchAccuracy(position=position, filling=filling, covered_share=covered, accuracy=accuracy))
    return tuple(rows)


def patch_image(patch: Float[Tensor, "C H W"], mask: Bool[Tensor, "H W"]) -> NDArray[np.uint8]:
    """Return the patch for printing, uint8 (h, w, C), cropped to ``mask`` and white outside it."""
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    paper = torch.where(mask, patch, 1.0)[:, int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
    pixels: NDArray[np.uint8] = (paper * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return pixels


def total_variation(patch: Float[Tensor, "C H W"], mask: Bool[Tensor, "H W"]) -> Float[Tensor, ""]:
    """Return the mean absolute difference between neighbouring pixels that both lie in ``mask``, 0..1."""
    down = (patch[:, 1:] - patch[:, :-1]).abs() * (mask[1:] & mask[:-1])
    across = (patch[:, :, 1:] - patch[:, :, :-1]).abs() * (mask[:, 1:] & mask[:, :-1])
    return (down.sum() + across.sum()) / (2 * len(patch) * mask.sum())


def non_printability(
    patch: Float[Tensor, "C H W"], mask: Bool[Tensor, "H W"], palette: Float[Tensor, "P C"]
) -> Float[Tensor, ""]:
    """Return the mean Euclidean distance of the pixels in ``mask`` to the nearest colour of ``palette``."""
    pixels = patch[:, mask].T
    # Squares first: the root has no gradient where a pixel is of a printable colour.
    nearest = (pixels[:, None] - palette).square().sum(2).amin(1)
    return (nearest + 1e-12).sqrt().mean()


def printable_colors(channels: int) -> Float[Tensor, "P C"]:
    """Return the approximate colour gamut of an office printer: neither full black nor white, and no saturated colours.

    Greys from 0.05 to 0.95 for one channel; for more, five levels per channel, mixed one fifth with their grey.
    """
    levels = torch.linspace(0.05, 0.95, 5 if channels > 1 else 19)
    colours = torch.cartesian_prod(*[levels] * channels).reshape(-1, channels)
    return colours + 0.2 * (colours.mean(1, keepdim=True) - colours)


def _hinge(logits: Tensor, y: Tensor, target: int | None, kappa: float) -> Tensor:
    if target is None:
        return (kappa - margin(logits, y)).relu().mean()
    return (kappa + margin(logits, torch.full_like(y, target))).relu().mean()


def _right_with(
    forward: ForwardFunction,
    x: Tensor,
    y: Tensor,
    patch: Tensor | None,
    mask: Tensor,
    placements: list[Placement],
    batch: int,
) -> int:
    right = 0
    with torch.no_grad():
        for (some, targets), placement in zip(paired_batches(x, y, batch), placements, strict=True):
            patched = some if patch is None else apply_patch(some, patch, mask, placement)
            right += int(is_top1_correct(forward(patched), targets).sum())
    return right
