"""Context prediction, are these parts of the same image and where: Doersch, Gupta & Efros, "Unsupervised Visual
Representation Learning by Context Prediction", ICCV 2015 (arXiv:1505.05192).

Given a patch of an image and one of its eight neighbours, say which neighbour it is. Both go through the same encoder;
a classifier sees the two feature vectors side by side (Section 3).

Where we deviate: all eight neighbours of a patch are asked for at once, so that nine patches encoded give eight pairs;
patches are normalised one by one, which the paper does for the mean alone; colours are kept, since chromatic
aberration, because of which the paper drops two of them, is less than a pixel in images scaled down for training here.

Shapes: B batch, D features.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.self_supervised.batches import UnlabelledBatch
from capas.objectives.self_supervised.patch_grid import PATCHES, PatchGrid

CENTRE = PATCHES // 2
NEIGHBOURS = 8


def neighbour_pairs(features: Float[Tensor, "B 9 D"]) -> tuple[Float[Tensor, "P E"], Int[Tensor, " P"]]:
    """Return the features of the centre and each neighbour side by side, (8 · B, 2 · D), and which neighbour it is.

    Neighbours are numbered row by row, without the centre: 0 above on the left, 1 above, … 7 below on the right.
    """
    around = torch.cat([features[:, :CENTRE], features[:, CENTRE + 1 :]], dim=1)
    pairs = torch.cat([features[:, CENTRE, None].expand_as(around), around], dim=2)
    directions = torch.arange(NEIGHBOURS, device=features.device).repeat(len(features))
    return pairs.flatten(0, 1), directions


class ContextPrediction:
    """Objective of context prediction, for images with sides of 24 pixels or more.

    Args:
        encoder: Patches (B, C, S, S) → features (B, D).
        head: Features of two patches (B, 2 · D) → logits (B, 8); ``context_head`` builds one.
    """

    deployed: Sequence[str] = ("encoder",)

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        self.networks: Mapping[str, nn.Module] = {"encoder": encoder, "head": head}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=tuple(self.networks)),)

    def losses(self, batch: UnlabelledBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        images = batch.inputs
        patches = PatchGrid.fit(images.shape[2], images.shape[3]).cut(images, context)
        features = self.networks["encoder"](patches.flatten(0, 1)).unflatten(0, (-1, PATCHES))
        pairs, directions = neighbour_pairs(features)
        return {"loss": F.cross_entropy(self.networks["head"](pairs).float(), directions)}
