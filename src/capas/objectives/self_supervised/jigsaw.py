"""Jigsaw puzzles: Noroozi & Favaro, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles", ECCV
2016 (arXiv:1603.09246).

Nine tiles of an image are put in one of a set of orders; say which. Each tile goes through the same encoder, and a
classifier sees the nine feature vectors side by side (Section 3.2). The orders should differ as much as possible
(Section 4.1), or several would be solved by the same few tiles.

Where we deviate: the paper finds 1000 orders greedily. Ours are the affine maps x → a x + b, a ≠ 0, of the field of
nine elements: any two of them agree in at most one tile, because a x + b = c x + d has at most one solution. There is
no larger set with that property: where two tiles go, in 9 · 8 = 72 ways, decides an order.

Shapes: B batch, D features, K orders.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.self_supervised.batches import UnlabelledBatch
from capas.objectives.self_supervised.patch_grid import PATCHES, PatchGrid

MAX_PERMUTATIONS = 72


def distant_permutations(count: int) -> Int[Tensor, "K 9"]:
    """Return ``count`` orders of nine tiles, any two of which differ in eight or nine places; the first is in order.

    Raises:
        ValueError: ``count`` is not in 2..72.
    """
    if not 2 <= count <= MAX_PERMUTATIONS:
        raise ValueError(f"count is {count}; expected 2..{MAX_PERMUTATIONS}")
    # Number 3 u + v stands for u i + v, where i² = −1, modulo 3.
    u, v = torch.arange(PATCHES) // 3, torch.arange(PATCHES) % 3
    orders = [
        3 * ((p * v + q * u + r) % 3) + (q * v - p * u + s) % 3
        for p, q in ((0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2))
        for r in range(3)
        for s in range(3)
    ]
    return torch.stack(orders[:count])


class Jigsaw:
    """Objective of jigsaw puzzles, for images with sides of 24 pixels or more.

    Args:
        encoder: Tiles (B, C, S, S) → features (B, D).
        head: Features of nine tiles (B, 9 · D) → logits (B, K); ``jigsaw_head`` builds one.
        num_permutations: K, in 2..72.
    """

    deployed: Sequence[str] = ("encoder",)

    def __init__(self, encoder: nn.Module, head: nn.Module, *, num_permutations: int = MAX_PERMUTATIONS) -> None:
        self.networks: Mapping[str, nn.Module] = {"encoder": encoder, "head": head}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=tuple(self.networks)),)
        self.permutations = distant_permutations(num_permutations)

    def losses(self, batch: UnlabelledBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        images = batch.inputs
        tiles = PatchGrid.fit(images.shape[2], images.shape[3]).cut(images, context)
        chosen = (context.uniform(len(images)) * len(self.permutations)).long()
        # The encoder takes tiles one by one: its features are shuffled instead of them.
        features = self.networks["encoder"](tiles.flatten(0, 1)).unflatten(0, (-1, PATCHES))
        order = self.permutations[chosen].to(features.device)
        shuffled = features.gather(1, order[:, :, None].expand_as(features))
        logits = self.networks["head"](shuffled.flatten(1)).float()
        return {"loss": F.cross_entropy(logits, chosen.to(logits.device))}
