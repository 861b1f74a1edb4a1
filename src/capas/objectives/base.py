"""One way of learning: the networks it corrects, what their losses are, and in which phases they are corrected.

A classifier has one phase; a generative adversarial network has two (its judge and its forger). The engine runs the
phases in order and never asks which kind of objective it is running.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

BatchT = TypeVar("BatchT", contravariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One correction: the parameters of ``networks`` go down the slope of ``loss``, every ``every`` steps (≥ 1)."""

    name: str
    loss: str
    networks: tuple[str, ...]
    every: int = 1


@runtime_checkable
class Objective(Protocol[BatchT]):
    """What the engine trains."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by name; together they hold every parameter that is corrected, and are what is saved."""

    @property
    def phases(self) -> Sequence[Phase]:
        """The corrections of one step, in order."""

    def losses(self, batch: BatchT, phase: Phase, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Scalar losses by name, at least ``phase.loss``; further ones are only reported. Chance comes from ``rng``."""
