"""TODO docstring."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from capas.bundle.export import ExportInput
from capas.bundle.export_wrappers import LogMelLayer
from capas.data.collections import ExampleCollection
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.recipe import Item, PreparedDataset


@dataclass(frozen=True, kw_only=True, slots=True)
class PaddedSequences:
    """``values`` of several lines (B×1×H×W) or sounds (B×M×T), zeros behind the end of each, and their ``lengths``."""

    values: Tensor
    lengths: Tensor


@runtime_checkable
class SequenceInputs(Protocol):
    """What lines or sounds contribute."""

    @property
    def name(self) -> str:
        """The network's."""

    def config_updates(self, config: Config, report: DatasetReport) -> dict[str, dict[str, object]]:
        """Sections of the configuration with what they leave open."""

    @property
    def hidden(self) -> int:
        """LSTM units each way."""

    def network(self, num_labels: int, width: int, hidden: int) -> nn.Module:
        """With fresh weights."""

    def read_all(self, work: PreparedDataset) -> list[Tensor]:
        """All examples of a run."""

    def fit(self, examples: Sequence[Tensor]) -> "SequenceInputs":
        """The same side with what is measured on training examples."""

    def preprocess(self, item: Item) -> Tensor:
        """One example. Raises CapasError."""

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> Tensor:
        """The same for an example of a data set."""

    def length(self, example: Tensor) -> int:
        """In columns or samples."""

    def num_frames(self, lengths: Tensor) -> Tensor:
        """How many frames the network makes of so many columns or samples."""

    def collate(
        self, examples: Sequence[Tensor], config: Config | None = None, rng: torch.Generator | None = None
    ) -> PaddedSequences:
        """As the network takes them; varied where ``rng`` is given."""

    def random_example(self, report: DatasetReport, rng: torch.Generator) -> Tensor:
        """Noise of the usual size."""

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """See ``Predictor``."""

    def item(self, content: object, number: int) -> Item:
        """See ``Predictor``."""

    def export_inputs(self) -> tuple[ExportInput, LogMelLayer | None]:
        """The input of an exported reader, one example at a time, and what makes a spectrogram of it."""

    def as_json(self) -> Mapping[str, object]:
        """``preparation.json``."""
