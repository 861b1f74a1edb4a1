"""Models that give many answers per example (a class per pixel, word or frame; a text; a picture), as they are
questioned: what they stated and what came true, what they hold of the labels given, what their inputs look like.

Each kind is in a file of its own (``many_masks`` …); ``many_kinds`` opens the right one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.core.random import derive_seed
from capas.data.folders import SplitName
from capas.engine.record import Record

Kind = Literal["masks", "words", "frames", "transcripts", "transforms", "translations"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Statements:
    """Of one example: the probability ``stated`` (S) of each label that was answered, and whether it is ``true`` (S).
    The statements of one example depend on each other."""

    stated: Float[Tensor, " S"]
    true: Bool[Tensor, " S"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """A label that was given (``given``) at a ``place`` of an example, what the model answers there (``likely``), and
    the ``probability`` that it leaves to the given one."""

    position: int
    place: str
    given: str
    likely: str
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What the model made of one example whose answer is known."""

    statements: Statements
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensed:
    """What tells a usual input from a strange one: ``features`` (D) of the network, ``views`` (V, C, H, W) in 0..1 that
    an autoencoder is to redraw, all of one size for all inputs; None for what there is not. ``whole``: the only view is
    all of the picture."""

    features: Tensor | None
    views: Tensor | None
    whole: bool = True


@runtime_checkable
class Sensing(Protocol):
    """How inputs look to a model, known or not."""

    def sensed(self, prepared: object) -> Sensed:
        """What an input looks like to the network."""

    def strange(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        """Inputs that it should not take for its own, by name, as many as ``prepared`` ones."""

    def picture(self, prepared: object) -> NDArray[np.uint8] | None:
        """As a person would look at it; None where it is nothing to look at."""


@runtime_checkable
class ManyAnswers(Protocol):
    """What one kind of model contributes. ``index`` numbers the examples of the source."""

    @property
    def kind(self) -> Kind:
        """Which."""

    @property
    def most(self) -> int:
        """So many examples of a split are questioned at most."""

    @property
    def sense(self) -> Sensing | None:
        """How inputs look to it; None where this version has no measure of likeness."""

    def prepared(self, index: int) -> object:
        """An example as ``predict`` prepares it."""

    def answered(self, index: int, position: int, rng: torch.Generator) -> Answered | None:
        """What is made of it; None where no probability is stated."""

    def doubted(self, index: int, doubt: Doubt) -> NDArray[np.float32] | None:
        """Where in a picture the label of ``doubt`` is not believed (0..1, H×W); None where it is no zone."""


class Many:
    """The examples of a run beside its model; what was asked once is kept."""

    def __init__(self, answers: ManyAnswers, record: Record, indices: Sequence[int], seed: int) -> None:
        self.answers = answers
        self.record = record
        self.indices = indices
        self.seed = seed
        self._answered: dict[int, Answered | None] = {}

    @property
    def kind(self) -> Kind:
        """Which kind of answers."""
        return self.answers.kind

    def positions(self, split: SplitName, most: int | None = None) -> list[int]:
        """At most ``most`` examples of a split, drawn by chance, always the same."""
        held = self.record.labelled(split)
        rng = torch.Generator().manual_seed(derive_seed(self.seed, f"trust {split}"))
        order = torch.randperm(len(held), generator=rng)[: self.answers.most if most is None else most]
        return sorted(held[order].tolist())

    def prepared(self, positions: Sequence[int]) -> list[object]:
        """Examples as ``predict`` prepares them."""
        return [self.answers.prepared(self.indices[position]) for position in positions]

    def answered(self, position: int) -> Answered | None:
        """What the model made of the example at ``position`` of the record."""
        if position not in self._answered:
            rng = torch.Generator().manual_seed(derive_seed(self.seed, f"trust statements {position}"))
            self._answered[position] = self.answers.answered(self.indices[position], position, rng)
        return self._answered[position]


class LastLinear:
    """The mean over its steps of what the last linear layer of ``network`` is given, for inputs asked one by one."""

    def __init__(self, network: nn.Module) -> None:
        self._layer = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
        self._heard: Tensor | None = None

    def __enter__(self) -> "LastLinear":
        self._hook = self._layer.register_forward_pre_hook(self._hear)
        return self

    def __exit__(self, *exc: object) -> None:
        self._hook.remove()

    def _hear(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._heard = inputs[0].detach()

    def features(self) -> Float[Tensor, " D"]:
        """Of what was asked last."""
        assert self._heard is not None
        return self._heard.flatten(0, -2).float().mean(0)
