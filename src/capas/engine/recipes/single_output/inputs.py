"""TODO docstring."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

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

InputT = TypeVar("InputT")


@runtime_checkable
class BlendableInputs(Protocol):
    """Prepared examples that share the answer with a simpler model."""

    def blend(self, positions: Tensor, execution: Execution) -> None:
        """Decide how much, on the validation examples at ``positions``."""


@runtime_checkable
class PreparedInputs(Protocol[InputT]):
    """The examples of one medium, read and fitted to the training split."""

    def network(self, num_outputs: int) -> nn.Module:
        """A network with fresh weights, called with what ``take`` gives."""

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        """What it is, and what ``reopen`` builds it from."""

    @property
    def head(self) -> str | None:
        """See ``TrainingJob``."""

    @property
    def baseline(self) -> str:
        """The name of the linear baseline on ``features``."""

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingBatches[Batch[InputT]]:
        """Batches of the training examples, augmented."""

    def take(self, positions: Tensor) -> InputT:
        """The inputs at ``positions``, as they are."""

    def features(self, positions: Tensor) -> Tensor:
        """N×D, for a linear model."""

    def as_json(self) -> Mapping[str, object]:
        """``preparation.json``."""


@runtime_checkable
class InputReader(Protocol[InputT]):  # type: ignore[misc]
    """The input side of a finished model."""

    @property
    def network(self) -> nn.Module:
        """In evaluation mode."""

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """See ``Predictor``."""

    def item(self, content: object, number: int) -> Item:
        """See ``Predictor``."""

    def preprocess(self, item: Item) -> object:
        """One input, prepared. Raises CapasError."""

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> object:
        """The same for an example of a data set."""

    def collate(self, prepared: Sequence[object]) -> InputT:
        """Prepared inputs as the network takes them."""

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        """See ``Predictor``; what it gives are the raw outputs."""


@runtime_checkable
class InputPipeline(Protocol[InputT]):
    """What a medium contributes."""

    @property
    def medium(self) -> Medium:
        """Which."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        """See ``Recipe``."""

    def prepare(self, work: PreparedDataset, output_head: OutputHead) -> PreparedInputs[InputT]:
        """See ``Recipe``."""

    def trial_inputs(
        self, config: Config, report: DatasetReport, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, InputT]:
        """A network and a batch of inputs like those at ``indices``."""

    def reopen(self, bundle: Bundle, num_outputs: int) -> InputReader[InputT]:
        """See ``Recipe``."""
