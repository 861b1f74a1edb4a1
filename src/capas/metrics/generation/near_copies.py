"""Near copies: samples that are closer to a training example than examples that were not learnt from ever are.

For each sample the distance to its nearest training example is held against how far real examples lie from theirs:
those that were kept apart, which are no copies. A sample is a near copy where it is nearer than ``SHARE`` of the
distance that only one kept example in a hundred falls below. (Carlini et al., "Extracting Training Data from Diffusion
Models", USENIX Security 2023, hold distances against those of other examples too.)

Shapes: M samples, N training examples, K kept examples, D numbers.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.metrics.rate import Rate, rate

SHARE: Final = 0.5
LOWEST: Final = 0.01
CHUNK: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class NearCopies:
    """Samples beside their nearest training examples.

    Attributes:
        nearest: The nearest training example of each sample, int64 (M,).
        distances: How far it is, (M,).
        threshold: Below it a sample is a near copy.
        kept_distance: The median distance of kept examples to theirs.
    """

    nearest: Int[Tensor, " M"]
    distances: Float[Tensor, " M"]
    threshold: float
    kept_distance: float

    @property
    def distance_ratio(self) -> float:
        """The median distance of samples over that of kept examples: about 1 for samples that are new as those are;
        infinite where kept examples are themselves in the training data.
        """
        return float(self.distances.median()) / self.kept_distance if self.kept_distance else math.inf

    @property
    def copied(self) -> Tensor:
        """Which samples are near copies, bool (M,)."""
        return self.distances <= self.threshold

    @property
    def share(self) -> Rate:
        """The share of them."""
        return rate(int(self.copied.sum()), len(self.copied))


def near_copies(made: Float[Tensor, "M D"], train: Float[Tensor, "N D"], kept: Float[Tensor, "K D"]) -> NearCopies:
    """Compare samples with the training examples. Raises ValueError where any of the three is empty."""
    if not (len(made) and len(train) and len(kept)):
        raise ValueError(f"{len(made)} samples, {len(train)} training and {len(kept)} kept examples; expected some")
    nearest, distances = nearest_rows(made, train)
    _, usual = nearest_rows(kept, train)
    return NearCopies(
        nearest=nearest, distances=distances, threshold=SHARE * float(usual.quantile(LOWEST)),
        kept_distance=float(usual.median()),
    )  # fmt: skip


def nearest_rows(rows: Float[Tensor, "M D"], among: Float[Tensor, "N D"]) -> tuple[Tensor, Tensor]:
    """Return the index of the nearest of ``among`` for each row, (M,), and its distance, (M,)."""
    found, distances = [], []
    for part in torch.split(rows, CHUNK):
        found.append(torch.cdist(part, among).argmin(1))
        # cdist goes by products, which is fast and finds the nearest, but says up to 0.01 of what is equal.
        distances.append((part - among[found[-1]]).norm(dim=1))
    return torch.cat(found), torch.cat(distances)
