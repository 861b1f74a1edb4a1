"""Single-label classification: cross-entropy with label smoothing, class weights and Mixup.

Label smoothing after Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7. Auxiliary outputs (of a
network that returns a tuple while training, such as GoogLeNet) weigh 0.3 as in Szegedy et al. 2014, section 5.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext

AUXILIARY_WEIGHT = 0.3


@runtime_checkable
class MixupWeights(Protocol):
    """The Mixup pairing of a batch: partner indices (N,) and own weights (N,) in 0..1."""

    @property
    def partner(self) -> Tensor:
        """Index in the batch of each example's partner, shape (N,)."""

    @property
    def weight(self) -> Tensor:
        """Weight of each example itself, shape (N,)."""


@runtime_checkable
class ClassificationBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> object:
        """The network's input."""

    @property
    def targets(self) -> Tensor:
        """Class indices, shape (N,)."""

    @property
    def mix(self) -> MixupWeights | None:
        """The Mixup pairing; None where examples were not mixed."""


class Classification:
    """Objective of a classifier: ``network`` maps a batch's inputs to logits (N, K), or to a tuple with them first."""

    def __init__(
        self, network: nn.Module, *, label_smoothing: float = 0.0, class_weights: Tensor | None = None
    ) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is {label_smoothing}; expected 0 ≤ value < 1")
        self.network = network
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: ClassificationBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        outputs = self.network(batch.inputs)
        if isinstance(outputs, Tensor):
            return {"loss": self.loss(outputs, batch)}
        main, *auxiliary = outputs
        loss = self.loss(main, batch)
        return {"loss": loss + AUXILIARY_WEIGHT * sum(self.loss(logits, batch) for logits in auxiliary)}

    def loss(self, logits: Float[Tensor, "N K"], batch: ClassificationBatch) -> Float[Tensor, ""]:
        """Return the mean cross-entropy, in nats, of ``logits`` (N, K)."""
        if batch.mix is None:
            return self.example_losses(logits, batch.targets).mean()
        own = self.example_losses(logits, batch.targets) * batch.mix.weight
        other = self.example_losses(logits, batch.targets[batch.mix.partner]) * (1 - batch.mix.weight)
        return (own + other).mean()

    def example_losses(self, outputs: Float[Tensor, "N K"], targets: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
        """Return the cross-entropy of each example, in nats."""
        weights = None if self.class_weights is None else self.class_weights.to(outputs.device)
        return F.cross_entropy(
            outputs.float(), targets, weight=weights, label_smoothing=self.label_smoothing, reduction="none"
        )


def balanced_class_weights(labels: Int[Tensor, " N"], num_classes: int) -> Float[Tensor, " K"]:
    """Return class weights inverse to the frequency in ``labels``; their mean over the examples is one."""
    counts = torch.bincount(labels, minlength=num_classes).clamp(min=1).float()
    return len(labels) / (num_classes * counts)
