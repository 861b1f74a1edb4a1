"""From picture to picture: the mean absolute difference, which blurs less than the squared one (Zhao, Gallo, Frosio &
Kautz, "Loss Functions for Image Restoration with Neural Networks", IEEE TCI 2017, arXiv:1511.08861)."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.core.objective import Phase
from capas.tasks.metrics import Rate


@runtime_checkable
class PicturePairs(Protocol):
    """What this task needs of a batch."""

    @property
    def inputs(self) -> Tensor:
        """What is given, N×C×H×W."""

    @property
    def targets(self) -> Tensor:
        """What should come of it, as the network gives it."""


class Restoration:
    """The objective: ``network`` maps what is given to what is wanted; ``scale`` is the range of that (1, or 100)."""

    def __init__(self, network: nn.Module, *, scale: float = 1.0) -> None:
        self.network = network
        self.scale = scale

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: PicturePairs, phase: Phase, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"loss": (self.network(batch.inputs).float() - batch.targets).abs().mean() / self.scale}


def mean_rate(values: Float[Tensor, " N"], *, seed: int = 0, draws: int = 1000) -> Rate:
    """The mean over N ≥ 1 pictures with its 95 % interval, from drawing pictures again (Efron 1979)."""
    if len(values) == 0:
        raise ValueError("no values; expected one or more")
    drawn = torch.randint(len(values), (draws, len(values)), generator=torch.Generator().manual_seed(seed))
    low, high = values.double()[drawn].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Rate(value=float(values.double().mean()), n=len(values), interval=(low, high))
