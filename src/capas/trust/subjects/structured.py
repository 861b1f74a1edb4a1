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
from torch import Tensor

from capas.core.rng import derive_seed
from capas.data.naming import SplitName
from capas.engine.dataset_record import DatasetRecord

StructuredKind = Literal["masks", "words", "frames", "transcripts", "transforms", "translations"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationSamples:
    """Of one example: the probability ``confidence`` (S) of each label that was answered, and whether it is ``correct`` (S).
    The statements of one example depend on each other."""

    confidence: Float[Tensor, " S"]
    correct: Bool[Tensor, " S"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelIssue:
    """A label that was given (``given_label``) at a ``location`` of an example, what the model answers there (``predicted_label``), and
    the ``given_label_probability`` that it leaves to the given one."""

    position: int
    location: str
    given_label: str
    predicted_label: str
    given_label_probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleEvaluation:
    """What the model made of one example whose answer is known."""

    calibration_samples: CalibrationSamples
    label_issues: tuple[LabelIssue, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OODFeatures:
    """What tells a usual input from a strange one: ``features`` (D) of the network, ``views`` (V, C, H, W) in 0..1 that
    an autoencoder is to redraw, all of one size for all inputs; None for what there is not. ``is_whole_image``: the only view is
    all of the picture."""

    features: Tensor | None
    views: Tensor | None
    is_whole_image: bool = True


@runtime_checkable
class OODFeatureExtractor(Protocol):
    """How inputs look to a model, known or not."""

    def ood_features(self, prepared: object) -> OODFeatures:
        """What an input looks like to the network."""

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        """Inputs that it should not take for its own, by name, as many as ``prepared`` ones."""

    def display_image(self, prepared: object) -> NDArray[np.uint8] | None:
        """As a person would look at it; None where it is nothing to look at."""


@runtime_checkable
class StructuredAdapter(Protocol):
    """What one kind of model contributes. ``index`` numbers the examples of the source."""

    @property
    def kind(self) -> StructuredKind:
        """Which."""

    @property
    def max_examples(self) -> int:
        """So many examples of a split are questioned at most."""

    @property
    def feature_extractor(self) -> OODFeatureExtractor | None:
        """How inputs look to it; None where this version has no measure of likeness."""

    def prepared(self, index: int) -> object:
        """An example as ``predict`` prepares it."""

    def evaluate_example(self, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation | None:
        """What is made of it; None where no probability is stated."""

    def label_issue_heatmap(self, index: int, issue: LabelIssue) -> NDArray[np.float32] | None:
        """Where in a picture the label of ``issue`` is not believed (0..1, H×W); None where it is no zone."""


class StructuredModelUnderTest:
    """The examples of a run beside its model; what was asked once is kept."""

    def __init__(self, adapter: StructuredAdapter, record: DatasetRecord, indices: Sequence[int], seed: int) -> None:
        self.adapter = adapter
        self.record = record
        self.indices = indices
        self.seed = seed
        self._answered: dict[int, ExampleEvaluation | None] = {}

    @property
    def kind(self) -> StructuredKind:
        """Which kind of answers."""
        return self.adapter.kind

    def positions(self, split: SplitName, max_examples: int | None = None) -> list[int]:
        """At most ``max_examples`` examples of a split, drawn by chance, always the same."""
        held = self.record.labelled(split)
        rng = torch.Generator().manual_seed(derive_seed(self.seed, f"trust {split}"))
        order = torch.randperm(len(held), generator=rng)[
            : self.adapter.max_examples if max_examples is None else max_examples
        ]
        return sorted(held[order].tolist())

    def prepared(self, positions: Sequence[int]) -> list[object]:
        """Examples as ``predict`` prepares them."""
        return [self.adapter.prepared(self.indices[position]) for position in positions]

    def evaluate_example(self, position: int) -> ExampleEvaluation | None:
        """What the model made of the example at ``position`` of the record."""
        if position not in self._answered:
            rng = torch.Generator().manual_seed(derive_seed(self.seed, f"trust statements {position}"))
            self._answered[position] = self.adapter.evaluate_example(self.indices[position], position, rng)
        return self._answered[position]
