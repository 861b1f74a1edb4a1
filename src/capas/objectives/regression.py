"""Regression: Huber or squared loss on standardised targets.

Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 1964.

Shapes: N examples, M numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext

RegressionLoss = Literal["huber", "mse"]


@runtime_checkable
class RegressionBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> object:
        """The network's input."""

    @property
    def targets(self) -> Tensor:
        """Targets (N, M) in the user's units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetScale:
    """Standardisation of a target, fitted to the training examples: its ``mean`` and standard ``deviation``."""

    mean: float
    deviation: float

    @classmethod
    def fit(cls, targets: Float[Tensor, " N"]) -> "TargetScale":
        """Fit to the training targets; a constant target has deviation 1, so that it is only centred."""
        values = targets.double()
        deviation = float(values.std(correction=0))
        return cls(mean=float(values.mean()), deviation=deviation if deviation > 0 else 1.0)

    def standardise(self, targets: Tensor) -> Tensor:
        """Convert from the user's unit to mean 0, standard deviation 1, float32."""
        return ((targets.double() - self.mean) / self.deviation).float()

    def restore(self, outputs: Tensor) -> Tensor:
        """Convert the network's outputs to the user's unit."""
        return outputs * self.deviation + self.mean


def standardise_columns(targets: Float[Tensor, "N M"], train: Int[Tensor, " T"]) -> Float[Tensor, "N M"]:
    """Return each number with mean 0 and deviation 1 over the examples ``train``, as the objective has them."""
    return torch.stack([TargetScale.fit(column[train]).standardise(column) for column in targets.T], dim=1)


class Regression:
    """Objective of a regressor: ``network`` maps inputs to standardised numbers (N, M), one for each of ``scales``."""

    def __init__(self, network: nn.Module, scales: Sequence[TargetScale], *, loss: RegressionLoss = "huber") -> None:
        self.network = network
        self.scales = tuple(scales)
        self.kind = loss

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: RegressionBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        return {"loss": self.loss(self.network(batch.inputs), batch.targets)}

    def loss(self, outputs: Float[Tensor, "N M"], targets: Float[Tensor, "N M"]) -> Float[Tensor, ""]:
        """Return the mean Huber loss (quadratic up to one standard deviation), or half the mean squared error."""
        return self.example_losses(outputs, targets).mean()

    def example_losses(self, outputs: Float[Tensor, "N M"], targets: Float[Tensor, "N M"]) -> Float[Tensor, " N"]:
        """Return the loss of each example, averaged over its numbers."""
        columns = zip(self.scales, targets.T, strict=True)
        standardised = torch.stack([scale.standardise(column) for scale, column in columns], dim=1)
        found = outputs.float()
        if self.kind == "huber":
            return F.huber_loss(found, standardised, reduction="none").mean(1)
        return F.mse_loss(found, standardised, reduction="none").mean(1) / 2
