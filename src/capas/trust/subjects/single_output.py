"""The model under test of a run with one output per example: its examples, outputs, predictions and features.

For ``SingleOutputPredictor``: a class, tags or numbers, of an image, text, audio clip or row. Everything is computed on
the CPU in float32, in evaluation mode, once, on first use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from capas.data.naming import SplitName
from capas.engine.predict import Model
from capas.engine.recipes.single_output.feature_hooks import ModelOutputs, forward_with_features
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.trust.explanations.feature_ablation import ScoreFunction
from capas.trust.subjects.factory import input_adapter
from capas.trust.subjects.run_context import RunContext
from capas.trust.time_budget import uninterrupted

# More than so many examples of a split are not looked at one by one: the figures would hardly change, the time would.
MAX_EXAMPLES = {"train": 5000, "validation": 2000, "test": 10_000}
MAX_EXAMPLES_LARGE = {"train": 1500, "validation": 500, "test": 1500}


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitOutputs:
    """The examples of one split with what the model computes for them.

    Attributes:
        positions: Positions in the record, shape (N,).
        prepared: The prepared inputs.
        outputs: Raw outputs of the network, shape (N, K).
        predictions: Probabilities or values, shape (N, K).
        features: Inputs of the last linear layer, shape (N, D).
        multilayer_features: Features concatenated with an earlier map, shape (N, E).
        targets: Targets, shape (N, …).
    """

    positions: Tensor
    prepared: Sequence[object]
    outputs: Tensor
    predictions: Tensor
    features: Tensor
    multilayer_features: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.positions)


class ModelUnderTest:
    """The model with its examples. Raises ValueError for a model without a single output per example."""

    def __init__(self, run_context: RunContext, model: Model) -> None:
        predictor = model.predictor
        if not isinstance(predictor, SingleOutputPredictor):
            raise ValueError(f"a model of the task {run_context.task}; expected one answer per example")
        self.run_context = run_context
        self.predictor = predictor
        self.adapter = input_adapter(predictor.reader)
        self.reader = predictor.reader
        self.targets = predictor.output_head.targets(run_context.record.labels)
        self.inputs = run_context.inputs

    @property
    def temperature(self) -> float:
        """The calibration temperature that divides the outputs; 1 where none improved the validation loss."""
        return self.predictor.output_head.temperature

    @cached_property
    def train(self) -> SplitOutputs:
        """The training examples, or a random subset."""
        return self._part("train")

    @cached_property
    def validation(self) -> SplitOutputs | None:
        """The validation examples; None where there is no such split."""
        return self._part("validation") if "validation" in self.run_context.record.splits else None

    @cached_property
    def test(self) -> SplitOutputs:
        """The test examples."""
        return self._part("test")

    def prepared(self, positions: Tensor) -> list[object]:
        """Return the prepared inputs at ``positions`` of the record."""
        return [self.reader.preprocess_example(self.inputs, self.run_context.indices[i]) for i in positions.tolist()]

    def measured_inputs(self, part: SplitOutputs) -> list[object]:
        """Return the examples of a split as the adapter measures them for the detector of unusual inputs."""
        indices = [self.run_context.indices[i] for i in part.positions.tolist()]
        both = zip(indices, part.prepared, strict=True)
        return [self.adapter.measured_example(self.inputs, index, prepared) for index, prepared in both]

    def neighbour_features(self, positions: Tensor, without: str) -> Tensor:
        """Return cheap features (N, D) of examples of the record, which know nothing of the column ``without``."""
        rows = [self.run_context.indices[i] for i in positions.tolist()]
        return self.adapter.neighbour_features(self.inputs, rows, without)

    def outputs(self, prepared: Sequence[object]) -> Tensor:
        """Return the raw outputs (N, K) of the network."""
        return self.outputs_and_features(prepared).outputs

    def predictions(self, prepared: Sequence[object]) -> Tensor:
        """Return probabilities or values (N, K)."""
        return self.predictor.output_head.activate(self.outputs(prepared))

    def score_function(self, output: int) -> ScoreFunction:
        """Return a function from prepared inputs to the probability of a class or tag, or to a number's value."""
        return lambda prepared: self.predictions(prepared)[:, output].float()

    def outputs_and_features(self, prepared: Sequence[object]) -> ModelOutputs:
        """Return the raw outputs and features of prepared inputs."""
        return forward_with_features(self.reader, prepared)

    def split_outputs(self, positions: Tensor) -> SplitOutputs:
        """Return any examples of the record with their outputs."""
        prepared = self.prepared(positions)
        model_outputs = self.outputs_and_features(prepared)
        return SplitOutputs(
            positions=positions,
            prepared=prepared,
            outputs=model_outputs.outputs,
            predictions=self.predictor.output_head.activate(model_outputs.outputs),
            features=model_outputs.features,
            multilayer_features=model_outputs.multilayer_features,
            targets=self.targets[positions],
        )

    def _part(self, split: SplitName) -> SplitOutputs:
        positions = self.run_context.record.positions(split)
        most = (MAX_EXAMPLES_LARGE if self.adapter.is_large else MAX_EXAMPLES)[split]
        if len(positions) > most:
            chosen = torch.randperm(len(positions), generator=self.run_context.rng(split))[:most]
            positions = positions[chosen.sort().values]
        with uninterrupted():
            return self.split_outputs(positions)


def correct_test_predictions(subject: ModelUnderTest) -> Tensor:
    """Return which test examples (N) are predicted correctly; numbers: an error of at most twice the median."""
    part = subject.test
    if subject.run_context.task == "classify":
        return part.predictions.argmax(1) == part.targets
    off = (part.predictions - part.targets).abs()
    return (off <= 2 * off.median(0).values).all(1)
