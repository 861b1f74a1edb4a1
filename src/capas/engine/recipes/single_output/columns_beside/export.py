"""Export of networks that take a picture or sound and the encoded cells of its row."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing
from capas.engine.recipes.single_output.columns_beside.network import fusion_of
from capas.engine.recipes.single_output.inputs import InputReader
from capas.engine.recipes.single_output.tabular.export import random_rows, row_inputs
from capas.networks.tabular.joint_fusion import JointFusion


class ExportedFusion(nn.Module):
    """``JointFusion`` behind a content network that takes raw pictures or waveforms.

    Args:
        content: Maps the raw content to its embedding.
        fusion: The network in evaluation mode.
    """

    def __init__(self, content: nn.Module, fusion: JointFusion) -> None:
        super().__init__()
        self.content = content
        self.fusion = fusion

    def forward(self, content: Tensor, numbers: Tensor, categories: Tensor) -> Tensor:
        """Return the raw outputs (B, O)."""
        outputs = self.fusion.fuse(self.content(content), numbers, categories)
        if not self.fusion.config.mirrored:
            return outputs
        return (outputs + self.fusion.fuse(self.content(content.flip(3)), numbers, categories)) / 2


def exportable_fusion(
    network: nn.Module,
    reader: InputReader[Any],
    preparation: TabularPreprocessing,
    contents: Sequence[object],
    rows: EncodedRows | None,
) -> Exportable:
    """Return the whole network for export.

    Args:
        network: ``JointFusion`` in its input adapter.
        reader: The reader of its content.
        preparation: The encoding of the columns.
        contents: Prepared pictures or sounds to compare on; random ones where there are none.
        rows: The cells of each of ``contents``; random ones where None.
    """
    raw = reader.exportable(contents)
    held = random_rows(preparation, raw.count) if rows is None else rows
    return replace(
        raw, network=ExportedFusion(raw.network, fusion_of(network)), inputs=[*raw.inputs, *row_inputs(preparation)],
        compared=list(_with_rows(raw.compared, held)),
        facts={"preparation": {"content": raw.facts["preparation"], "columns": preparation.as_json()}},
    )  # fmt: skip


def _with_rows(compared: Sequence[tuple[Tensor, ...]], rows: EncodedRows) -> Iterator[tuple[Tensor, ...]]:
    """The batches of content, each with as many of the rows."""
    start = 0
    for (content,) in compared:
        part = torch.arange(start, start + len(content))
        yield content, rows.numbers[part], rows.categories[part]
        start += len(content)
