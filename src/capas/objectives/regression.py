"""TODO docstring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.objectives.base import Phase

RegressionLoss = Literal["huber", "mse"]


@runtime_checkable
class RegressionBatch(Protocol):
    """What this task needs of a batch."""

    @property
    def inputs(self) -> object:
        """What the network is called with."""

    @property
    def targets(self) -> Tensor:
        """N×M numbers in the user's units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetScale:
    """How a target in the user's unit is standardised, from the training examples."""

    mean: float
    deviation: float

    @classmethod
    def fit(cls, targets: Float[Tensor, " N"]) -> "TargetScale":
        """A constant target has deviation 1, so that it stays itself."""
        values = targets.double()
        deviation = float(values.std(correction=0))
        return cls(mean=float(values.mean()), deviation=deviation if deviation > 0 else 1.0)

    def standardise(self, targets: Tensor) -> Tensor:
        """The user's unit → mean 0, deviation 1, float32."""
        return ((targets.double() - self.mean) / self.deviation).float()

    def restore(self, outputs: Tensor) -> Tensor:
        """The network's unit → the user's."""
        return outputs * self.deviation + self.mean


class Regression:
    """The objective: ``network`` maps the inputs to N×M standardised numbers, one for each of ``scales``."""

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

    def losses(self, batch: RegressionBatch, phase: Phase, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"loss": self.loss(self.network(batch.inputs), batch.targets)}

    def loss(self, outputs: Float[Tensor, "N M"], targets: Float[Tensor, "N M"]) -> Float[Tensor, ""]:
        """Huber (quadratic up to one standard deviation, Huber 1964) or half the squared error, mean."""
        columns = zip(self.scales, targets.T, strict=True)
        wanted = torch.stack([scale.standardise(column) for scale, column in columns], dim=1)
        found = outputs.float()
        return F.huber_loss(found, wanted) if self.kind == "huber" else F.mse_loss(found, wanted) / 2
