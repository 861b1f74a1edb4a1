"""The input pipeline of pictures or sounds that stand in a table with other columns, which are learnt from as well."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.spec import Medium
from capas.data.collections import FilesWithColumns
from capas.data.inspect.report import DatasetReport
from capas.data.problems import escape_unprintable
from capas.data.tabular.preprocess import TabularPreprocessing
from capas.engine.config import Config
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.single_output.columns_beside.batches import with_columns
from capas.engine.recipes.single_output.columns_beside.column_cards import column_cards
from capas.engine.recipes.single_output.columns_beside.data import PreparedContentWithColumns
from capas.engine.recipes.single_output.columns_beside.network import (
    CONTENT_PREFIX,
    bins_of,
    build_network,
    embedding_width,
    restored_fusion,
)
from capas.engine.recipes.single_output.columns_beside.predictor import ReaderWithColumns
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.inputs import InputPipeline, InputReader, PreparedInputs
from capas.networks.tabular.tabular_mlp import quantile_edges


class ColumnsBesidePipeline:
    """The pipeline of a medium, joined by the columns beside its files where there are any (``InputPipeline``).

    Args:
        content: The pipeline of the medium, which answers alone where there are none.
    """

    def __init__(self, content: InputPipeline[Any]) -> None:
        self.content = content

    @property
    def medium(self) -> Medium:
        return self.content.medium

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        """See ``Recipe``. Raises CapasError ``mixup_with_columns``, and those of the content."""
        resolved = self.content.resolve_defaults(config, report)
        beside = report.detection.spec.columns_beside
        if not beside:
            return resolved
        names = ", ".join(escape_unprintable(field.name) for field in beside)
        if self.medium == "image" and config.augment.mixup:
            raise CapasError("mixup_with_columns", where="augment.mixup", received=config.augment.mixup, columns=names)
        reason = say("settle.columns_beside", count=len(beside), columns=names)
        return ResolvedConfig(config=resolved.config, reasons=(*resolved.reasons, reason))

    def prepare(self, work: PreparedDataset, output_head: OutputHead) -> PreparedInputs[Any]:
        if not isinstance(work.inputs, FilesWithColumns):
            return self.content.prepare(work, output_head)
        rows, train = work.inputs.rows.take(work.indices), work.record.positions("train")
        learnt = rows.take(train.tolist()).columns
        preparation = TabularPreprocessing.fit(learnt)
        files = replace(work, inputs=work.inputs.files, config=_unmirrored(work.config))
        return PreparedContentWithColumns(
            work.config, self.content.prepare(files, output_head), preparation.encode_columns(rows.columns, len(rows)),
            preparation, columns=column_cards(preparation, learnt), train=train,
        )  # fmt: skip

    def trial_inputs(
        self, config: Config, report: DatasetReport, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, object]:
        inputs = report.inputs
        if not isinstance(inputs, FilesWithColumns):
            return self.content.trial_inputs(config, report, num_outputs, indices)
        width = embedding_width(num_outputs)
        network, content = self.content.trial_inputs(_unmirrored(config), report, width, indices)
        preparation = TabularPreprocessing.fit(inputs.rows.columns)
        rows = preparation.encode_columns(inputs.rows.take(indices).columns, len(indices))
        edges = quantile_edges(rows.numbers, bins_of(preparation))
        positions: Tensor = torch.arange(len(indices))
        return build_network(config, network, preparation, num_outputs, edges), with_columns(content, rows, positions)

    def reopen(self, bundle: Bundle, num_outputs: int) -> InputReader[Any]:
        """See ``Recipe``. Raises CapasError ``bundle_incomplete`` or ``card_unreadable``, and those of the content."""
        beside = bundle.card.spec.columns_beside
        if not beside:
            return self.content.reopen(bundle, num_outputs)
        where, held = bundle.folder / PREPARATION, bundle.file(PREPARATION)
        content, columns = held.get("content"), held.get("columns")
        if not isinstance(content, dict) or not isinstance(columns, dict):
            raise CapasError("bundle_incomplete", where=where, received=", ".join(held)[:80] or "–")
        preparation = TabularPreprocessing.from_json(columns, where=str(where))
        names = [field.name for field in beside]
        if [column.name for column in preparation.columns] != names:
            received = ", ".join(column.name for column in preparation.columns)[:200]
            raise CapasError("bundle_incomplete", where=where, received=received)
        settings = bundle.card.network.settings
        try:
            reader = self.content.reopen(_content_of(bundle, content), int(str(settings["embedding"])))
            network = restored_fusion(settings, reader.network, preparation, num_outputs)
        except (KeyError, ValueError) as error:
            raise CapasError("card_unreadable", where=bundle.folder / "card.json", received=str(error)) from error
        return ReaderWithColumns(bundle.fill(network), reader, preparation, bundle.card.inputs[0].name)


def _unmirrored(config: Config) -> Config:
    """The configuration of the content network, which is not mirrored alone: what both sides say together is."""
    return config.model_copy(update={"network": config.network.model_copy(update={"flip_tta": False})})


def _content_of(bundle: Bundle, preparation: dict[str, object]) -> Bundle:
    """The part of a bundle that is the content network's."""
    network = bundle.card.network
    card = bundle.card.model_copy(
        update={"network": network.model_copy(update={"settings": {**network.settings, "flip_tta": False}})}
    )
    tensors = {
        name.removeprefix(CONTENT_PREFIX): tensor
        for name, tensor in bundle.tensors.items()
        if name.startswith(CONTENT_PREFIX)
    }
    return replace(bundle, card=card, tensors=tensors, files={PREPARATION: preparation})
