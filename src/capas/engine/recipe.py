"""What the engine asks of a kind of problem: how its open choices are settled, how its examples become batches and a
network, what its figures are, and how the finished model answers.

The engine knows no medium and no task; ``recipes`` holds one of these for each pair of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import nn

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable
from capas.bundle.read import Bundle
from capas.core.number_format import metric_value
from capas.core.spec import Spec
from capas.data.collections import ExampleCollection
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.distributed import Ranks
from capas.engine.execution import B, Execution, TrialBatch
from capas.engine.loop import Batches, ValidationScore
from capas.objectives.base import Objective

# Of these, less is better; of every other figure more is.
LOWER_IS_BETTER_METRICS = frozenset({
    "mae", "rmse", "cer", "wer", "delta_e", "log_loss", "expected_calibration_error", "frame_error", "missed",
    "false_alarm", "detection_error",
})  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedConfig:
    """A configuration without "auto", and why it is so, in sentences."""

    config: Config
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedDataset:
    """The examples of a run and where they are: example p of ``record`` is number ``indices[p]`` of ``inputs`` and,
    where the target is a file or a text of its own, of ``targets``. ``cache`` is a folder for what is prepared."""

    config: Config
    spec: Spec
    record: DatasetRecord
    inputs: ExampleCollection
    targets: ExampleCollection | None
    indices: Sequence[int]
    cache: Path
    progress: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True, kw_only=True, slots=True)
class TestResult:
    """The one reading of a test split of ``n`` examples. The first of ``metrics`` is the headline; every entry of
    ``baseline`` holds that figure too. ``rows`` are the lines of ``predictions.csv``, heads first."""

    n: int
    metrics: Mapping[str, object]
    baseline: Mapping[str, Mapping[str, object]]
    rows: Sequence[Sequence[str]]
    per_class: Mapping[str, object] = field(default_factory=dict)
    further: Mapping[str, object] = field(default_factory=dict)

    def beats_baselines(self) -> bool:
        """Whether the whole interval of the headline lies on the good side of every baseline."""
        name, figure = next(iter(self.metrics.items()))
        lower = name in LOWER_IS_BETTER_METRICS
        value = metric_value(figure)
        interval = figure.get("interval", (value, value)) if isinstance(figure, Mapping) else (value, value)
        others = [metric_value(figures[name]) for figures in self.baseline.values() if name in figures]
        return all(interval[1] < other if lower else interval[0] > other for other in others)

    def as_json(self) -> dict[str, object]:
        """The form of ``metrics.json`` and of ``capas test --json``."""
        baseline = {name: dict(figures) for name, figures in self.baseline.items()}
        return {
            "metrics": dict(self.metrics),
            "baseline": baseline,
            "per_class": dict(self.per_class),
            **self.further,
        }


@runtime_checkable
class TrainingJob(Protocol[B]):
    """Examples, network and objective, put together and ready to be trained."""

    @property
    def objective(self) -> Objective[B]:
        """What is minimised, with its networks."""

    @property
    def batches(self) -> "TrainingBatches[B]":
        """What it is minimised on."""

    @property
    def head(self) -> str | None:
        """The dotted name of the layer that transfer learning replaced; None when nothing was pretrained."""

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation split."""

    def validate(self, execution: Execution) -> ValidationScore:
        """How the networks do on the validation split."""

    def calibrate(self, execution: Execution) -> None:
        """What is decided on the validation split once the networks are trained: thresholds, widths of intervals."""

    def test(self, execution: Execution) -> TestResult:
        """How they do on the test split, with the baselines beside."""

    def bundle_files(self) -> Mapping[str, object]:
        """What the bundle keeps besides weights and card: JSON by file name."""

    def network_card(self) -> NetworkCard:
        """What was trained."""


@runtime_checkable
class TrainingBatches(Batches[B], Protocol[B]):  # type: ignore[misc]
    """Batches on the CPU, as the loader makes them."""

    @property
    def batch_size(self) -> int:
        """Examples in a batch, those of all ranks together."""

    @property
    def examples(self) -> int:
        """Examples in an epoch."""

    def batch(self, step: int) -> B:
        """The batch of this step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """Something to be answered: its ``name`` for the user, and its ``content`` (a path, a text, a row, pixels)."""

    name: str
    content: object


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """The answer for one input; ``refused`` says why there is none.

    ``probabilities`` are those of every class or tag. ``facts`` are what else is known, ready for JSON (a number with
    its interval, spans, …), ``picture`` (uint8 H×W×3 or H×W) is what a person would look at, and ``bundle_files`` are whole
    files by the ending that their name would have (".mask.png").
    """

    input: str
    prediction: object = None
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    picture: NDArray[np.uint8] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    text: str | None = None
    refused: str | None = None

    def as_json(self, top: int = 5) -> dict[str, object]:
        """The form of ``capas predict --json``, with the ``top`` most probable classes."""
        ranked = sorted(self.probabilities.items(), key=lambda pair: -pair[1])[:top]
        tree: dict[str, object] = {"input": self.input, "prediction": self.prediction}
        if self.probabilities or self.refused:
            tree["probability"] = None if self.probability is None else round(self.probability, 6)
            tree["probabilities"] = {name: round(p, 6) for name, p in ranked}
        return {**tree, **self.facts, "refused": self.refused}


@runtime_checkable
class Predictor(Protocol):
    """A finished model: reads inputs one by one, answers them in batches."""

    @property
    def network(self) -> nn.Module:
        """In evaluation mode."""

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """What the user named: files, folders, "-" for a line each of ``lines``, ``sample:NAME``. Raises CapasError."""

    def item(self, content: object, number: int) -> Item:
        """Something given from Python; ``number`` names what has no name."""

    def preprocess(self, item: Item) -> object:
        """The input, prepared. Raises CapasError when it cannot be used."""

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        """An answer for each of them."""

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        """Figures on the examples ``indices`` of other data."""

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        """From plain tensors to answers, for ONNX, to be compared on what is ``prepared``, or else on what is made up.
        Raises CapasError ``export_not_possible``."""


@runtime_checkable
class Recipe(Protocol):
    """One kind of problem."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        """Decide every "auto" from the data. Raises CapasError on what cannot be."""

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> TrainingJob[object]:
        """Read the examples, fit what is fitted to the training split, build the network with fresh weights."""

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[object]:
        """A batch of the right size, for estimating the time; nothing need be read for it."""

    def reopen(self, bundle: Bundle) -> Predictor:
        """The finished model of ``bundle``. Raises CapasError when its files do not fit together."""
