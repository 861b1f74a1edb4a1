"""The objective of metric learning: an encoder, an embedder, and one of the losses of this package.

Losses of pairs and triplets see the examples of all ranks. A loss finds pairs only where a batch holds several examples
of an identity; with many identities, sample batches accordingly.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.global_batch import gather_with_gradient, scale_gradient
from capas.objectives.metric_learning.angular_margin import Prototypes, angular_margin_loss
from capas.objectives.metric_learning.contrastive import contrastive_loss
from capas.objectives.metric_learning.supervised_contrastive import supervised_contrastive_loss
from capas.objectives.metric_learning.triplet import triplet_loss

MetricLoss = Literal[
    "contrastive", "triplet-hard", "triplet-semi-hard", "supervised-contrastive", "angular-margin"
]  # fmt: skip


@runtime_checkable
class PairLoss(Protocol):
    """A loss of embeddings that are held against each other."""

    def __call__(self, embeddings: Float[Tensor, "N D"], labels: Int[Tensor, " N"]) -> Float[Tensor, ""]:
        """Return the mean loss."""


PAIR_LOSSES: Final[Mapping[str, PairLoss]] = {
    "contrastive": contrastive_loss,
    "triplet-hard": partial(triplet_loss, mining="hard"),
    "triplet-semi-hard": triplet_loss,
    "supervised-contrastive": supervised_contrastive_loss,
}


@runtime_checkable
class IdentityBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> Tensor:
        """The encoder's input."""

    @property
    def targets(self) -> Tensor:
        """Identities as class indices, shape (N,)."""


class MetricLearning:
    """Objective of an embedding in which the same identity is close. Encoder and embedder are both deployed.

    Args:
        encoder: Inputs → features (B, D).
        embedder: Features (B, D) → embeddings (B, E), which are compared by cosine.
        loss: Which loss.
        num_classes: Number of identities.
        embedding_dim: E.
    """

    deployed: Sequence[str] = ("encoder", "embedder")

    def __init__(
        self,
        encoder: nn.Module,
        embedder: nn.Module,
        *,
        loss: MetricLoss,
        num_classes: int,
        embedding_dim: int,
    ) -> None:
        networks: dict[str, nn.Module] = {"encoder": encoder, "embedder": embedder}
        if loss == "angular-margin":
            networks["prototypes"] = Prototypes(num_classes, embedding_dim)
        self.networks: Mapping[str, nn.Module] = networks
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=tuple(networks)),)
        self.kind = loss

    def losses(self, batch: IdentityBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        embeddings = self.networks["embedder"](self.networks["encoder"](batch.inputs))
        if self.kind == "angular-margin":
            return {"loss": angular_margin_loss(embeddings, batch.targets, self.networks["prototypes"]())}
        everyone = gather_with_gradient(embeddings, context)
        loss = PAIR_LOSSES[self.kind](everyone, context.gather(batch.targets))
        return {"loss": scale_gradient(loss, context.world_size)}
