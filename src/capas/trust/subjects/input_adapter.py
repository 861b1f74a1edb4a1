"""What each medium contributes to the audit of a model with one output per example."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_quantity
from capas.data.collections import ExampleCollection
from capas.data.tabular.columns import TableColumn
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.inputs import InputReader
from capas.trust.attacks.text_tabular_perturbations import CandidatePerturbations
from capas.trust.explanations.feature_ablation import AblationFeatures


class InputAdapter(ABC):
    """The operations of one medium on its prepared inputs; what a medium does not override, it does not have.

    Attributes:
        reader: The input side of the model.
        images: The reader where the inputs are images, which are attacked and explained by their gradients; else None.
        audio: The reader where the inputs are audio, which is attacked by its gradients; else None.
        is_expensive: Whether themes must use fewer examples.
        is_large: Whether fewer examples of each split are held in memory.
        attention_methods: Names of what ``attention`` returns.
        content: The adapter of the pictures or sounds where columns of a table stand beside them; else None.
    """

    reader: InputReader[object]
    images: ImageReader | None = None
    audio: AudioReader | None = None
    is_expensive: bool = False
    is_large: bool = False
    attention_methods: Sequence[str] = ()
    content: "InputAdapter | None" = None

    @abstractmethod
    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        """Return, by name, as many synthetic OOD inputs as there are ``prepared`` ones, first the strangest: a score
        that does not notice these is switched off.
        """

    def can_be_told(self, prepared: Sequence[object], probe: Sequence[object], rng: torch.Generator) -> bool:
        """Return whether ``probe`` can be told from ``prepared`` at all: otherwise no detector can be blamed."""
        return True

    @abstractmethod
    def linear_features(self, prepared: Sequence[object], num_classes: int) -> Float[Tensor, "N D"]:
        """Return features for a quick linear classifier, which do not depend on the model."""

    def properties(self, prepared: Sequence[object]) -> Mapping[str, Float[Tensor, " N"]]:
        """Return plain properties of prepared inputs by name: what anyone could measure without understanding them."""
        return {}

    def measured_input(self, item: Item, prepared: object) -> object:
        """Return an input as ``measures`` takes it: prepared, unless more can be measured of what the user gave."""
        return prepared

    def measured_example(self, inputs: ExampleCollection, index: int, prepared: object) -> object:
        """Return example ``index`` of a dataset as ``measures`` takes it."""
        return prepared

    def measures(self, measured: Sequence[object], state: Mapping[str, Tensor]) -> Mapping[str, Float[Tensor, " N"]]:
        """Return plain measures of inputs by name, NaN where one has no value, for the detector of unusual inputs.

        Args:
            measured: What ``measured_input`` returns, or prepared inputs.
            state: What ``fit_measures`` remembered of the training inputs.
        """
        return {}

    def fit_measures(
        self, measured: Sequence[object]
    ) -> tuple[Mapping[str, Float[Tensor, " N"]], Mapping[str, Tensor]]:
        """Return the measures of training inputs, as new ones like them would have, and what is to be remembered."""
        return self.measures(measured, {}), {}

    def measure_label(self, name: str) -> str:
        """Return what a measure is called."""
        return say(f"trust.unlike.measures.{name}")

    def measured_value(self, measured: object, name: str, value: float) -> str:
        """Return a value of a measure in words."""
        return format_quantity(value)

    def is_category(self, name: str) -> bool:
        """Return whether a measure only says if a category is known."""
        return False

    def content_probes(
        self, prepared: Sequence[object], train: Sequence[object], labels: Sequence[int]
    ) -> Mapping[str, Sequence[object]]:
        """Return, by name, the inputs without their content; ``train`` with ``labels`` shows what marks a class."""
        return {}

    def file_facts(self, inputs: ExampleCollection, rows: Sequence[int]) -> Mapping[str, Sequence[str]]:
        """Return by name what the files of the examples ``rows`` say of themselves, and their content does not."""
        return {}

    def columns_of(self, inputs: ExampleCollection) -> Mapping[str, TableColumn]:
        """Return the columns that the inputs are made of; none where they are no rows."""
        return {}

    def neighbour_features(self, inputs: ExampleCollection, rows: Sequence[int], without: str) -> Float[Tensor, "N D"]:
        """Return features of the examples ``rows`` for a nearest neighbour, which know nothing of a column."""
        return self.linear_features([self.reader.preprocess_example(inputs, i) for i in rows], 2)

    def display_image(self, prepared: object) -> NDArray[np.uint8] | None:
        """Return a prepared input as uint8 (H, W) or (H, W, 3); None where there is nothing to look at."""
        return None

    def ablation_features(self, prepared: object) -> AblationFeatures | None:
        """Return the features of a prepared input; None where it has none (images have regions instead)."""
        return None

    def item_ablation_features(self, item: Item, prepared: object) -> AblationFeatures | None:
        """Return the features of an input as the user gave it, and as it was prepared."""
        return self.ablation_features(prepared)

    def example_ablation_features(self, inputs: ExampleCollection, index: int) -> AblationFeatures | None:
        """Return the features of example ``index`` of a dataset."""
        return self.ablation_features(self.reader.preprocess_example(inputs, index))

    def perturbations(self, prepared: object, step: float, rng: torch.Generator) -> CandidatePerturbations:
        """Return the small changes of an input to choose from, those of numbers of the size ``step``."""
        return CandidatePerturbations(count=0, apply=lambda chosen: prepared)

    def attention(self, words: Sequence[str], text: str) -> Mapping[str, Float[Tensor, " P"]]:
        """Return the network's attention to each of the first ``words`` of ``text``, by method; empty without any."""
        return {}

    def randomized(self, rng: torch.Generator) -> "InputAdapter | None":
        """Return the same with random weights, to check attention; None where nothing attends."""
        return None
