"""Cross-fitting: several members learn side by side, each from all examples but those of its own fold.

What a member says about its fold is then a prediction for examples that it has not learnt from, so one training gives
such predictions for every training example (Stone, JRSS B 1974; as the out-of-fold predictions of stacking, Wolpert,
Neural Networks 1992), and the mean of the members is a bagged model (Breiman, Machine Learning 1996).

Shapes: N examples, K members, O outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext


@runtime_checkable
class HasExampleLosses(Protocol):
    """An objective with one network and a loss of each example."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """See ``Objective``."""

    @property
    def phases(self) -> Sequence[Phase]:
        """See ``Objective``."""

    def example_losses(self, outputs: Tensor, targets: Tensor) -> Float[Tensor, " N"]:
        """Return the loss of each example, for raw outputs (N, O) and its target."""


@runtime_checkable
class CrossFittingBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> object:
        """The network's input."""

    @property
    def targets(self) -> Tensor:
        """Targets (N, …)."""

    @property
    def positions(self) -> Tensor:
        """Positions of the examples, shape (N,)."""


class CrossFitting:
    """Objective of ``base`` for each of K members (``Objective``).

    Args:
        base: The objective of one member.
        members: Returns the outputs (N, K, O) of a batch's inputs.
        folds: The member that must not learn from an example, by position, in 0..K − 1.
    """

    def __init__(self, base: HasExampleLosses, members: Callable[[object], Tensor], folds: Int[Tensor, " M"]) -> None:
        self.base = base
        self.members = members
        self.folds = folds

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return self.base.networks

    @property
    def phases(self) -> Sequence[Phase]:
        return self.base.phases

    def losses(self, batch: CrossFittingBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        outputs = self.members(batch.inputs)
        n, k = outputs.shape[:2]
        targets = batch.targets.repeat_interleave(k, dim=0)
        losses = self.base.example_losses(outputs.flatten(0, 1), targets).view(n, k)
        own_fold = self.folds[batch.positions.cpu()].to(losses.device)[:, None]
        learns = own_fold != torch.arange(k, device=losses.device)
        return {phase.loss: (losses * learns).sum() / (n * (k - 1))}
