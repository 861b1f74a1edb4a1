"""TODO docstring."""

from dataclasses import dataclass

import torch
from torch import Tensor

from capas.bundle.card import Card
from capas.core.rng import derive_seed
from capas.data.collections import ExampleCollection
from capas.data.sources.source import DataSource
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.run import Run
from capas.trust.subjects.structured import StructuredModelUnderTest


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContext:
    """What every finished run has, whatever was learnt: its record, its card, the figures of its test; ``structured`` where
    its model gives many answers per example."""

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
        """What was learnt: classify, tag, regress, label, …"""
        return self.record.spec.task

    @property
    def medium(self) -> str:
        """image, text, audio, table or tokens."""
        return self.record.spec.medium

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes or tags; none of numbers."""
        return tuple(self.record.spec.classes)

    def rng(self, purpose: str) -> torch.Generator:
        """Chance for one purpose, the same whenever this run is questioned."""
        return torch.Generator().manual_seed(derive_seed(self.config.train.seed, f"trust {purpose}"))

    def example_names(self, positions: Tensor) -> list[str]:
        """What the examples are called."""
        return [self.record.names[i] for i in positions.tolist()]
