"""The input side of single-output problems: what a medium contributes to training and inference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable
from capas.bundle.read import Bundle
from capas.core.spec import Medium
from capas.data.batch import Batch
from capas.data.collections import ExampleCollection
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.recipe import (
    Item,
    PreparedDataset,
    ResolvedConfig,
    TrainingBatches,
)
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.linear_baseline import LinearBaseline

InputT = TypeVar("InputT")


@runtime_checkable
class CrossFittedInputs(Protocol[InputT]):  # type: ignore[misc]
    """Prepared inputs whose network has members, each kept from one fold of the examples."""

    @property
    def folds(self) -> Tensor:
        """The member that must not learn from an example, by position, int64 (N,)."""

    def member_outputs(self, inputs: InputT) -> Tensor:
        """Return the outputs of each member, shape (N, K, O)."""


@runtime_checkable
class BlendedInputs(Protocol):
    """Prepared inputs whose network shares its output with models of other kinds."""

    def fit_parts(self, targets: Tensor, execution: Execution) -> None:
        """Fit the other models to the training split once the network is trained, and the share of each.

        Args:
            targets: Those of all examples.
            execution: How the network is run.
        """


@runtime_checkable
class ReportedInputs(Protocol):
    """Prepared inputs with something to tell of the training beside its metrics."""

    def further(self) -> Mapping[str, object]:
        """Return more entries of ``metrics.json``."""


@runtime_checkable
class PreparedInputs(Protocol[InputT]):
    """The examples of a run in one medium, read, with preprocessing fitted to the training split."""

    def network(self, num_outputs: int) -> nn.Module:
        """Build a network with fresh weights for the inputs that ``take`` returns."""

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        """Return the description from which ``reopen`` builds the network again."""

    @property
    def head(self) -> str | tuple[str, ...] | None:
        """See ``TrainingJob``."""

    @property
    def baseline(self) -> LinearBaseline:
        """The linear baseline on ``features``."""

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingBatches[Batch[InputT]]:
        """Return augmented batches of the training examples at ``positions``."""

    def take(self, positions: Tensor) -> InputT:
        """Return the inputs at ``positions``, without augmentation."""

    def features(self, positions: Tensor) -> Any:
        """Return features (N, D) for the linear baseline, a tensor or a SciPy matrix."""

    def as_json(self) -> Mapping[str, object]:
        """Return the content of ``preparation.json``."""


@runtime_checkable
class NotedInputs(Protocol):
    """A reader whose inputs may lack something that a prediction must say."""

    def notes(self, prepared: Sequence[object]) -> Sequence[Mapping[str, object]]:
        """Return facts to add to the prediction of each preprocessed input, ready for JSON."""


@runtime_checkable
class InputReader(Protocol[InputT]):  # type: ignore[misc]
    """The input side of a trained model."""

    @property
    def network(self) -> nn.Module:
        """The network, in evaluation mode."""

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """See ``Predictor``."""

    def item(self, content: object, number: int) -> Item:
        """See ``Predictor``."""

    def preprocess(self, item: Item) -> object:
        """Preprocess one input. Raises CapasError where it cannot be used."""

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> object:
        """Preprocess example ``index`` of a dataset."""

    def collate(self, prepared: Sequence[object]) -> InputT:
        """Return preprocessed inputs as a batch for the network."""

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        """See ``Predictor``; the exported output is that of the network, before the head."""


@runtime_checkable
class InputPipeline(Protocol[InputT]):
    """What a medium contributes to its recipe."""

    @property
    def medium(self) -> Medium:
        """The medium of the inputs."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        """See ``Recipe``."""

    def prepare(self, work: PreparedDataset, output_head: OutputHead) -> PreparedInputs[InputT]:
        """Read the examples and fit the preprocessing to the training split; see ``Recipe``."""

    def trial_inputs(
        self, config: Config, report: DatasetReport, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, InputT]:
        """Return a network, and a batch of inputs like those at ``indices``, for measuring throughput."""

    def reopen(self, bundle: Bundle, num_outputs: int) -> InputReader[InputT]:
        """See ``Recipe``."""
