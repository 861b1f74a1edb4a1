"""Pictures or sounds with the encoded rows of their table, for training."""

from collections.abc import Mapping
from typing import Generic

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.bundle.card import ColumnCard, NetworkCard
from capas.data.batch import Batch
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing, one_hot_columns
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipe import TrainingBatches
from capas.engine.recipes.single_output.columns_beside.batches import (
    BatchesWithColumns,
    ContentWithColumns,
    with_columns,
)
from capas.engine.recipes.single_output.columns_beside.network import (
    CONTENT_PREFIX,
    NEW_LAYERS,
    bins_of,
    build_network,
    embedding_width,
    fusion_of,
    fusion_settings,
)
from capas.engine.recipes.single_output.inputs import InputT, PreparedInputs
from capas.networks.tabular.tabular_mlp import quantile_edges


class PreparedContentWithColumns(Generic[InputT]):
    """The examples of a run with their rows (``PreparedInputs``).

    Args:
        config: The resolved configuration.
        content: The pictures or sounds.
        rows: The encoded rows of all positions.
        preparation: The encoding, fitted to the training split.
        columns: What the card says of the columns.
        train: Positions of the training split.
    """

    def __init__(
        self,
        config: Config,
        content: PreparedInputs[InputT],
        rows: EncodedRows,
        preparation: TabularPreprocessing,
        *,
        columns: list[ColumnCard],
        train: Tensor,
    ) -> None:
        self.config = config
        self.content = content
        self.rows = rows
        self.preparation = preparation
        self.columns = columns
        self.train = train
        self.baseline = content.baseline

    def network(self, num_outputs: int) -> nn.Module:
        edges = quantile_edges(self.rows.numbers[self.train], bins_of(self.preparation))
        content = self.content.network(embedding_width(num_outputs))
        return build_network(self.config, content, self.preparation, num_outputs, edges)

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        fusion = fusion_of(network)
        card = self.content.network_card(fusion.content, fusion.config.embedding)
        return card.model_copy(
            update={
                "settings": {**card.settings, **fusion_settings(fusion.config)},
                "parameters": sum(p.numel() for p in network.parameters()),
                "columns": self.columns,
            }
        )

    @property
    def head(self) -> str | tuple[str, ...] | None:
        """The layers that are new beside a pretrained network: its own last one, and those of the columns."""
        head = self.content.head
        if head is None:
            return None
        heads = (head,) if isinstance(head, str) else head
        return (*(CONTENT_PREFIX + name for name in heads), *NEW_LAYERS)

    def training(
        self, targets: Tensor, positions: Tensor, ranks: Ranks
    ) -> TrainingBatches[Batch[ContentWithColumns[InputT]]]:
        return BatchesWithColumns(self.content.training(targets, positions, ranks), self.rows)

    def take(self, positions: Tensor) -> ContentWithColumns[InputT]:
        return with_columns(self.content.take(positions), self.rows, positions)

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        """Return the features of the content, then the encoded cells: the rival sees both sides too."""
        rows = EncodedRows(numbers=self.rows.numbers[positions], categories=self.rows.categories[positions])
        return torch.cat([self.content.features(positions), one_hot_columns(rows, self.preparation)], 1)

    def as_json(self) -> Mapping[str, object]:
        return {"content": dict(self.content.as_json()), "columns": self.preparation.as_json()}
