"""A finished run with its record, card, data and test metrics, as every theme uses it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from capas.bundle.card import Card
from capas.core.i18n import say
from capas.core.rng import derive_seed
from capas.data.collections import ExampleCollection
from capas.data.sources.source import DataSource
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.run import Run
from capas.trust.subjects.structured import StructuredModelUnderTest


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContext:
    """A finished run with its data.

    Attributes:
        run: The run.
        card: The card of its bundle.
        record: The dataset record: names, splits, hashes.
        config: The configuration that it was trained with.
        source: The data source.
        indices: Index in the source of each position in the record.
        inputs: The inputs of the source.
        metrics: The contents of the run's metrics file.
        structured: The model under test where it has structured output; None otherwise.
    """

    run: Run
    card: Card
    record: DatasetRecord
    config: Config
    source: DataSource
    indices: list[int]
    inputs: ExampleCollection
    metrics: dict[str, object]
    structured: StructuredModelUnderTest | None

    @property
    def task(self) -> str:
        """The task: classify, tag, regress, label, …"""
        return self.record.spec.task

    @property
    def medium(self) -> str:
        """The medium: image, text, audio, table or tokens."""
        return self.record.spec.medium

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes or tags; empty for numbers."""
        return tuple(self.record.spec.classes)

    def rng(self, purpose: str) -> torch.Generator:
        """Return a generator for one purpose, seeded by the run."""
        return torch.Generator().manual_seed(derive_seed(self.config.train.seed, f"trust {purpose}"))

    def display_name(self, position: int) -> str:
        """Return the name of an example for a reader: "row 57" of a table whose rows have no names, else its name."""
        name = self.record.names[position]
        return say("trust.plots.row", number=name[1:]) if name[:1] == "#" and name[1:].isdigit() else name

    def example_names(self, positions: Tensor) -> list[str]:
        """Return the names of the examples at ``positions``."""
        return [self.record.names[i] for i in positions.tolist()]
