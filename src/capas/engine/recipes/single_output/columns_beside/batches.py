"""Batches of pictures or sounds with the encoded cells of their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic

from jaxtyping import Float, Int
from torch import Tensor

from capas.data.batch import Batch
from capas.data.tabular.preprocess import EncodedRows
from capas.engine.recipe import TrainingBatches
from capas.engine.recipes.single_output.inputs import InputT


@dataclass(frozen=True, kw_only=True, slots=True)
class ContentWithColumns(Generic[InputT]):
    """A batch for ``JointFusion``, whose arguments are these fields in their order.

    Attributes:
        content: As the content network takes it.
        numbers: Standardised numbers, float32, shape (B, N), NaN where missing.
        categories: Category ids, int64, shape (B, G), 0 where missing or unknown.
    """

    content: InputT
    numbers: Float[Tensor, "B N"]
    categories: Int[Tensor, "B G"]


def with_columns(content: InputT, rows: EncodedRows, positions: Tensor) -> ContentWithColumns[InputT]:
    """Return a batch of ``content`` with the cells of ``rows`` at ``positions``."""
    return ContentWithColumns(content=content, numbers=rows.numbers[positions], categories=rows.categories[positions])


class BatchesWithColumns(Generic[InputT]):
    """The training batches of the content, each example with its row (``TrainingBatches``).

    Args:
        content: The batches of the content.
        rows: The encoded rows of all positions.
    """

    def __init__(self, content: TrainingBatches[Batch[InputT]], rows: EncodedRows) -> None:
        self.content = content
        self.rows = rows

    @property
    def steps_per_epoch(self) -> float:
        return self.content.steps_per_epoch

    @property
    def batch_size(self) -> int:
        return self.content.batch_size

    @property
    def examples(self) -> int:
        return self.content.examples

    def batch(self, step: int) -> Batch[ContentWithColumns[InputT]]:
        return self._with_rows(self.content.batch(step))

    def iterate(self, start: int) -> Iterator[Batch[ContentWithColumns[InputT]]]:
        return map(self._with_rows, self.content.iterate(start))

    def names(self, step: int) -> list[str]:
        return self.content.names(step)

    def _with_rows(self, batch: Batch[InputT]) -> Batch[ContentWithColumns[InputT]]:
        inputs = with_columns(batch.inputs, self.rows, batch.positions)
        return Batch(inputs=inputs, targets=batch.targets, positions=batch.positions, mix=batch.mix)
