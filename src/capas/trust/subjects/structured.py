"""Protocols of models with structured output (a class per pixel, word or frame; a text; an image).

They say how such a model is audited: its calibration samples, its label issues, and its OOD features. ``factory``
chooses the adapter; each kind of output has a file of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from capas.core.rng import derive_seed
from capas.data.naming import SplitName
from capas.engine.dataset_record import DatasetRecord
from capas.trust.subjects.model_functions import ForwardFunction


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationSamples:
    """The statements about one example, which depend on each other.

    Attributes:
        confidence: Probability of each predicted label, shape (S,), 0..1.
        correct: Whether each is correct, booleans (S,).
    """

    confidence: Float[Tensor, " S"]
    correct: Bool[Tensor, " S"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelIssue:
    """A given label that the model does not believe.

    Attributes:
        position: Position of the example in the record.
        location: Where in the example; empty for all of it.
        given_label: The label in the data.
        predicted_label: The model's label.
        given_label_probability: Probability that the model leaves to the given label, 0..1.
    """

    position: int
    location: str
    given_label: str
    predicted_label: str
    given_label_probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleEvaluation:
    """What the model predicts for one labelled example: calibration samples and label issues."""

    calibration_samples: CalibrationSamples
    label_issues: tuple[LabelIssue, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OODFeatures:
    """What an OOD detector sees of an input.

    Attributes:
        features: Features of the network, shape (D,); None where there are none.
        views: Images (V, C, H, W) in 0..1 for an autoencoder, all of one size for all inputs; None where there are
            none.
        is_whole_image: Whether the only view is the whole image.
    """

    features: Tensor | None
    views: Tensor | None
    is_whole_image: bool = True


@runtime_checkable
class PixelClassifier(Protocol):
    """A model with a class per pixel, at the network's input size (H, W). ``index`` numbers the source's examples."""

    @property
    def forward(self) -> ForwardFunction:
        """Maps images (B, C, H, W) in 0..1 to logits (B, K, H, W)."""

    @property
    def classes(self) -> Sequence[str]:
        """The classes, in the order of the logits."""

    @property
    def num_pixels(self) -> int:
        """H · W."""

    def image(self, index: int) -> Float[Tensor, "C H W"]:
        """Return an image in 0..1."""

    def mask(self, index: int) -> UInt8[Tensor, "H W"]:
        """Return the target classes."""

    def probabilities(self, index: int) -> Float[Tensor, "K H W"]:
        """Return the class probabilities of every pixel."""


class OODFeatureExtractor(ABC):
    """Extracts from prepared inputs what an OOD detector needs."""

    @abstractmethod
    def ood_features(self, prepared: object) -> OODFeatures:
        """Return the features and views of an input."""

    @abstractmethod
    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        """Return, by name, as many synthetic OOD inputs as there are ``prepared`` ones."""

    def display_image(self, prepared: object) -> NDArray[np.uint8] | None:
        """Return an input as an image to look at; None where there is none."""
        return None

    def heatmap_background(self, prepared: object) -> NDArray[np.uint8] | None:
        """Return the image that a heatmap of the whole input is laid over; None where there is none."""
        return self.display_image(prepared)


class StructuredAdapter(ABC):
    """What one kind of structured output contributes to the audit. ``index`` numbers the examples of the source.

    What a kind does not override, it does not have.

    Attributes:
        kind: The kind of output, in the facts of the report.
        max_examples: Largest number of examples of a split that are evaluated.
        feature_extractor: The extractor of OOD features; None where there is no OOD score.
        statements: Message that says what its ``n`` calibration samples are; None where it states no probability.
        no_attacks: Message that says why there are no attacks, where ``pixels`` is None.
        no_explanations: Message that says why there are no explanations, where ``pixels`` is None.
        pixels: The model where it classifies every pixel of an image, which is attacked and explained; else None.
    """

    kind: str
    max_examples: int
    feature_extractor: OODFeatureExtractor | None = None
    statements: str | None = None
    no_attacks: str = "trust.zones.other_kind"
    no_explanations: str = "trust.zones.other_kind"
    pixels: PixelClassifier | None = None

    @abstractmethod
    def prepared(self, index: int) -> object:
        """Return an example as ``predict`` prepares it."""

    def evaluate_example(self, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation | None:
        """Evaluate an example against its target; None where the model states no probability."""
        return None

    def label_issue_heatmap(self, index: int, issue: LabelIssue) -> NDArray[np.float32] | None:
        """Return where in an image the label of ``issue`` is implausible (H, W), 0..1; None if it is no region."""
        return None


class StructuredModelUnderTest:
    """The examples of a run with its model; results are cached."""

    def __init__(self, adapter: StructuredAdapter, record: DatasetRecord, indices: Sequence[int], seed: int) -> None:
        self.adapter = adapter
        self.record = record
        self.indices = indices
        self.seed = seed
        self._answered: dict[int, ExampleEvaluation | None] = {}

    @property
    def kind(self) -> str:
        """The kind of output."""
        return self.adapter.kind

    def positions(self, split: SplitName, max_examples: int | None = None) -> list[int]:
        """Return a random but fixed subset of at most ``max_examples`` positions of a split."""
        held = self.record.labelled(split)
        rng = torch.Generator().manual_seed(derive_seed(self.seed, f"trust {split}"))
        order = torch.randperm(len(held), generator=rng)[
            : self.adapter.max_examples if max_examples is None else max_examples
        ]
        return sorted(held[order].tolist())

    def prepared(self, positions: Sequence[int]) -> list[object]:
        """Return examples as ``predict`` prepares them."""
        return [self.adapter.prepared(self.indices[position]) for position in positions]

    def evaluate_example(self, position: int) -> ExampleEvaluation | None:
        """Evaluate the example at ``position`` of the record."""
        if position not in self._answered:
            rng = torch.Generator().manual_seed(derive_seed(self.seed, f"trust statements {position}"))
            self._answered[position] = self.adapter.evaluate_example(self.indices[position], position, rng)
        return self._answered[position]
