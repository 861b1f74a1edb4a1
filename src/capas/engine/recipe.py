"""What a recipe is: the protocols and values through which the engine trains, tests and runs one kind of problem.

The engine knows no medium and no task; ``capas.engine.recipes`` holds one ``Recipe`` for each pair of them.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

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
from capas.data.tabular.columns import TableColumn
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.distributed import Ranks
from capas.engine.execution import B, Execution, TrialBatch
from capas.engine.loop import Batches, ValidationScore
from capas.objectives.base import Objective

# Of these, less is better; of every other figure more is.
LOWER_IS_BETTER_METRICS = frozenset({
    "mae", "rmse", "cer", "wer", "delta_e", "log_loss", "expected_calibration_error", "frame_error", "missed",
    "false_alarm", "detection_error", "squared_error", "eer", "kid", "fid",
    "kid_a_to_b", "kid_b_to_a", "cycle_error_a", "cycle_error_b",
    "near_copies", "bits_exact", "bits_bound", "word_cross_entropy",
})  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedConfig:
    """A configuration in which no value is "auto" any more.

    Attributes:
        config: The complete configuration.
        reasons: Sentences for the user, one for each decision that matters.
    """

    config: Config
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedDataset:
    """The examples of a run, as ``Recipe.prepare`` receives them.

    Attributes:
        config: The resolved configuration.
        spec: The learning problem.
        record: Names, hashes, labels and splits of the examples.
        inputs: The source of the inputs.
        targets: The source of the targets where each is a file or a text of its own (masks, transcripts, translations).
        indices: Position p of ``record`` is example ``indices[p]`` of ``inputs`` and ``targets``.
        cache: Folder for prepared data.
        progress: Called with (done, total) while examples are read.
        columns: The columns of the source, in which position p of ``record`` is row ``indices[p]`` too.
    """

    config: Config
    spec: Spec
    record: DatasetRecord
    inputs: ExampleCollection
    targets: ExampleCollection | None
    indices: Sequence[int]
    cache: Path
    progress: Callable[[int, int], None] = lambda done, total: None
    columns: Mapping[str, TableColumn] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TestResult:
    """The metrics of the one evaluation on a test split.

    Attributes:
        n: Number of test examples.
        metrics: Metrics by name; the first one is the headline.
        baseline: Metrics of each baseline by its name; every baseline has the headline metric.
        rows: Rows of ``predictions.csv``, column heads first.
        per_class: Precision, recall and the like for each class or tag.
        further: More entries of ``metrics.json``, such as the confusion matrix.
        gains: By how much the headline metric is better than that of each baseline, with the interval of the paired
            difference: the same examples are hard for both, so it tells more than two intervals do. Empty where it is
            not known example by example.
    """

    n: int
    metrics: Mapping[str, object]
    baseline: Mapping[str, Mapping[str, object]]
    rows: Sequence[Sequence[str]]
    per_class: Mapping[str, object] = field(default_factory=dict)
    further: Mapping[str, object] = field(default_factory=dict)
    gains: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def beats_baselines(self) -> bool:
        """Whether it is shown to be better than every baseline: by the paired differences, and where these are not
        known by its whole interval."""
        if self.gains and set(self.gains) >= set(self.baseline):
            held = [cast(Sequence[float], self.gains[name].get("interval", (0.0, 0.0))) for name in self.baseline]
            return all(low > 0 for low, _ in held)
        name, figure = next(iter(self.metrics.items()))
        lower = name in LOWER_IS_BETTER_METRICS
        value = metric_value(figure)
        interval = (value, value)
        if isinstance(figure, Mapping):
            interval = figure.get("interval", (-math.inf, math.inf))  # of too few examples nothing is shown
        others = [metric_value(figures[name]) for figures in self.baseline.values() if name in figures]
        return all(interval[1] < other if lower else interval[0] > other for other in others)

    def as_json(self) -> dict[str, object]:
        """Return the content of ``metrics.json``, which is also the output of ``capas test --json``."""
        baseline = {name: dict(figures) for name, figures in self.baseline.items()}
        return {
            "metrics": dict(self.metrics),
            "baseline": baseline,
            **({"gains": {name: dict(gain) for name, gain in self.gains.items()}} if self.gains else {}),
            "per_class": dict(self.per_class),
            **self.further,
        }


@runtime_checkable
class TrainingJob(Protocol[B]):
    """Data, network and objective of a run, ready to be trained."""

    @property
    def objective(self) -> Objective[B]:
        """The loss to be minimised, with the networks that it trains."""

    @property
    def batches(self) -> "TrainingBatches[B]":
        """The training batches."""

    @property
    def head(self) -> str | tuple[str, ...] | None:
        """Dotted names of the layers that are new in a pretrained network; None without pretrained weights."""

    @property
    def has_validation(self) -> bool:
        """Whether the record has a validation split."""

    def validate(self, execution: Execution) -> ValidationScore:
        """Return the score of the networks on the validation split."""

    def calibrate(self, execution: Execution) -> None:
        """Fit on the validation split, after training, what inference needs: temperatures, thresholds, interval widths,
        decoders.
        """

    def test(self, execution: Execution) -> TestResult:
        """Evaluate on the test split, next to the baselines."""

    def bundle_files(self) -> Mapping[str, object]:
        """Return the JSON files of the bundle besides weights and card, by file name."""

    def network_card(self) -> NetworkCard:
        """Return the description of the network for the card."""


@runtime_checkable
class TrainingBatches(Batches[B], Protocol[B]):  # type: ignore[misc]
    """Batches on the CPU, as the data loader makes them."""

    @property
    def batch_size(self) -> int:
        """Examples per batch, summed over all ranks."""

    @property
    def examples(self) -> int:
        """Examples per epoch."""

    def batch(self, step: int) -> B:
        """Return the batch of step ``step``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One input of a predictor.

    Attributes:
        name: What the user knows it by.
        content: A path, a text, a row of a table, an array.
    """

    name: str
    content: object


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """The prediction for one input.

    Attributes:
        input: Name of the input.
        prediction: Class name, list of tags, number, text …; None where the input was refused.
        probability: Probability of the prediction, in [0, 1], where there is one.
        probabilities: Probabilities of all classes or tags by name.
        facts: Further output, ready for JSON: a number with its interval, entities, segments.
        picture: Image of the output, uint8 H×W×3 or H×W.
        files: Contents of whole output files by the ending of their names (".mask.png").
        text: The prediction as one line for the terminal, where it is no class or list of tags.
        provenance: What the file of ``picture`` says of how it was made; empty for a picture that only shows something.
        refused: Why the input was not predicted.
    """

    input: str
    prediction: object = None
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    picture: NDArray[np.uint8] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    text: str | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None

    def as_json(self, top: int = 5) -> dict[str, object]:
        """Return the form of ``capas predict --json``, with the ``top`` most probable classes."""
        ranked = sorted(self.probabilities.items(), key=lambda pair: -pair[1])[:top]
        tree: dict[str, object] = {"input": self.input, "prediction": self.prediction}
        if self.probabilities or self.refused:
            tree["probability"] = None if self.probability is None else round(self.probability, 6)
            tree["probabilities"] = {name: round(p, 6) for name, p in ranked}
        return {**tree, **self.facts, "refused": self.refused}


@runtime_checkable
class ChoosesDirection(Protocol):
    """A predictor that turns inputs of one collection into those of another."""

    def toward(self, name: str) -> "Predictor":
        """Return the same, turned towards a collection. Raises CapasError ``collection_unknown``."""


@runtime_checkable
class Predictor(Protocol):
    """A trained model: preprocesses inputs one by one and predicts them in batches."""

    @property
    def network(self) -> nn.Module:
        """The network, in evaluation mode."""

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """Yield the inputs that the user named on the command line.

        Args:
            words: Files, folders, "-", ``sample:NAME``, or what else the medium takes.
            lines: Lines of standard input, read where ``words`` holds "-".

        Raises:
            CapasError: A path does not exist.
        """

    def item(self, content: object, number: int) -> Item:
        """Wrap an input passed from Python; ``number`` names what has no name of its own."""

    def preprocess(self, item: Item) -> object:
        """Return the input as ``predict`` takes it. Raises CapasError where it cannot be used."""

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        """Return one prediction per preprocessed input, in order."""

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        """Evaluate on the examples ``indices`` of another dataset."""

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        """Return the network with pre- and postprocessing for ONNX export, compared with torch on ``prepared`` or,
        where that is empty, on random inputs. Raises CapasError ``export_not_possible``.
        """


@runtime_checkable
class Recipe(Protocol):
    """How one kind of problem is trained, tested and used."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        """Replace every "auto" by a value derived from the data. Raises CapasError where there is none."""

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> TrainingJob[object]:
        """Read the examples, fit the preprocessing to the training split, and build the network with fresh weights."""

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[object]:
        """Return a batch of the configured size for measuring throughput; no example need be read for it."""

    def reopen(self, bundle: Bundle) -> Predictor:
        """Restore the model of ``bundle``. Raises CapasError where its files do not fit together."""
