"""The methods that learn what is the same identity, by name: a literal table from ``method.name`` to its loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from capas.core.rng import derive_seed
from capas.objectives.metric_learning.objective import MetricLearning, MetricLoss

EMBEDDING_DIM: Final = 128
DEFAULT_METHOD: Final = "supcon"


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationMethod:
    """A row of the table.

    Attributes:
        loss: The loss, as ``MetricLearning`` calls it.
        paper: Citation.
    """

    loss: MetricLoss
    paper: str


METHODS: Final[Mapping[str, VerificationMethod]] = {
    "contrastive": VerificationMethod(
        loss="contrastive",
        paper="Hadsell, Chopra & LeCun, Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006",
    ),
    "triplet": VerificationMethod(
        loss="triplet-semi-hard", paper="Schroff, Kalenichenko & Philbin, FaceNet, CVPR 2015, arXiv:1503.03832"
    ),
    "supcon": VerificationMethod(
        loss="supervised-contrastive",
        paper="Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, arXiv:2004.11362",
    ),
    "arcface": VerificationMethod(
        loss="angular-margin", paper="Deng, Guo, Xue & Zafeiriou, ArcFace, CVPR 2019, arXiv:1801.07698"
    ),
}


def verification_objective(
    name: str, encoder: nn.Module, embedder: nn.Module, *, num_identities: int, seed: int
) -> MetricLearning:
    """Return the objective of a method; what it learns besides has weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(seed, "prototypes"))
    return MetricLearning(
        encoder, embedder, loss=METHODS[name].loss, num_classes=num_identities, embedding_dim=EMBEDDING_DIM
    )
