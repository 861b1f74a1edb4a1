"""The protocol of transcription inputs, and their padded batches."""

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
from capas.engine.recipes.shared.spectrograms import AudioPreparation


@dataclass(frozen=True, kw_only=True, slots=True)
class PaddedSequences:
    """A batch of sequences, padded with zeros.

    Attributes:
        values: Line images (B, 1, H, W) or spectrograms (B, M, T).
        lengths: Columns or frames of each, shape (B,).
    """

    values: Tensor
    lengths: Tensor


@runtime_checkable
class SequenceInputs(Protocol):
    """What line images or speech contribute to transcription."""

    @property
    def name(self) -> str:
        """Name of the network."""

    def config_updates(self, config: Config, report: DatasetReport) -> dict[str, dict[str, object]]:
        """Return resolved values by section and key."""

    @property
    def hidden(self) -> int:
        """LSTM units per direction."""

    @property
    def audio(self) -> AudioPreparation | None:
        """The spectrogram settings of speech; None for line images."""

    def network(self, num_labels: int, width: int, hidden: int) -> nn.Module:
        """Build a network with fresh weights."""

    def read_all(self, work: PreparedDataset) -> list[Tensor]:
        """Read all examples of a run."""

    def fit(self, examples: Sequence[Tensor]) -> "SequenceInputs":
        """Return these inputs with statistics fitted to training examples."""

    def preprocess(self, item: Item) -> Tensor:
        """Preprocess one input. Raises CapasError where it cannot be read."""

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> Tensor:
        """Preprocess example ``index`` of a dataset."""

    def length(self, example: Tensor) -> int:
        """Return the length of an example in columns or samples."""

    def num_frames(self, lengths: Tensor) -> Tensor:
        """Return the number of output frames for so many columns or samples."""

    def collate(
        self, examples: Sequence[Tensor], config: Config | None = None, rng: torch.Generator | None = None
    ) -> PaddedSequences:
        """Return examples as a padded batch; augmented where ``config`` and ``rng`` are given."""

    def random_example(self, report: DatasetReport, rng: torch.Generator) -> Tensor:
        """Return noise of the median size."""

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """See ``Predictor``."""

    def item(self, content: object, number: int) -> Item:
        """See ``Predictor``."""

    def export_inputs(self) -> tuple[ExportInput, LogMelLayer | None]:
        """Return the input of an exported reader, one example at a time, and its spectrogram layer where it has one."""

    def as_json(self) -> Mapping[str, object]:
        """Return the content of ``preparation.json``."""
