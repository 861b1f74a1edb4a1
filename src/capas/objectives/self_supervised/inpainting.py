"""Inpainting, rebuild what is hidden: Pathak, Krähenbühl, Donahue, Darrell & Efros, "Context Encoders: Feature Learning
by Inpainting", CVPR 2016 (arXiv:1604.07379).

Part of an image is hidden from the encoder; a decoder paints it from the feature vector. The loss is the mean squared
error of the hidden pixels (eq. 1). What is hidden: the central quarter, or blocks at random places (Section 3.3).

Where we deviate: the reconstruction loss alone, without the paper's adversarial loss of weight 0.001, which makes
pictures sharper and features no better (Section 5.2 trains those for features without it too); the decoder paints
the whole image, so that it need not know where the blocks are; no overlap of weight 10 around the centre.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.self_supervised.batches import UnlabelledBatch
from capas.objectives.similarity import full_precision

Region = Literal["centre", "blocks"]
BLOCKS = 4


def hidden_region(count: int, height: int, width: int, region: Region, context: StepContext) -> Bool[Tensor, "B 1 H W"]:
    """Return which pixels are hidden: True inside the central half of both sides, or in four blocks of a quarter of the
    sides at random places of each image, which may overlap.
    """
    if region == "centre":
        tops, lefts = torch.full((count, 1), height // 4), torch.full((count, 1), width // 4)
        sides = height - 2 * (height // 4), width - 2 * (width // 4)
    else:
        sides = max(1, height // 4), max(1, width // 4)
        tops, lefts = (
            (context.uniform(count, BLOCKS) * (length - side + 1)).long()
            for length, side in zip((height, width), sides, strict=True)
        )
    rows = _within(tops, sides[0], height)[:, :, :, None]
    columns = _within(lefts, sides[1], width)[:, :, None, :]
    return (rows & columns).any(1, keepdim=True)


def _within(starts: Tensor, side: int, length: int) -> Tensor:
    """Whether each of ``length`` places is among the ``side`` from each start (B, N): bool (B, N, length)."""
    places = torch.arange(length)
    return (places >= starts[:, :, None]) & (places < starts[:, :, None] + side)


class Inpainting:
    """Objective of a context encoder; images are normalised, so that a hidden pixel of 0 is the mean.

    Args:
        encoder: Images (B, C, H, W) → features (B, D).
        decoder: Features (B, D) → images (B, C, H, W); ``ImageDecoder`` of ``capas.networks.representation``.
        region: What is hidden.
    """

    deployed: Sequence[str] = ("encoder",)

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, region: Region = "blocks") -> None:
        self.networks: Mapping[str, nn.Module] = {"encoder": encoder, "decoder": decoder}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=tuple(self.networks)),)
        self.region = region

    def losses(self, batch: UnlabelledBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        images = batch.inputs
        hidden = hidden_region(len(images), images.shape[2], images.shape[3], self.region, context).to(images.device)
        painted = self.networks["decoder"](self.networks["encoder"](images.masked_fill(hidden, 0.0)))
        return {"loss": hidden_error(painted, images, hidden)}


def hidden_error(
    painted: Float[Tensor, "B C H W"], images: Float[Tensor, "B C H W"], hidden: Bool[Tensor, "B 1 H W"]
) -> Float[Tensor, ""]:
    """Return the mean squared error over the hidden pixels and their channels."""
    errors = (full_precision(painted) - full_precision(images)).square().mean(1, keepdim=True)
    return errors[hidden].mean()
