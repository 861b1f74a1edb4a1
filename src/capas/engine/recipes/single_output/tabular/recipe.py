"""The recipe for tabular problems."""

from collections.abc import Sequence

from torch import nn

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.spec import Medium
from capas.data.collections import TableRows
from capas.data.inspect.report import DatasetReport
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing
from capas.engine.config import Config
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.recipe import SingleOutputRecipe
from capas.engine.recipes.single_output.tabular.data import PreparedTabularInputs, folds_of
from capas.engine.recipes.single_output.tabular.defaults import resolve_defaults
from capas.engine.recipes.single_output.tabular.network import (
    BINS,
    MAX_BINNED_COLUMNS,
    build_network,
    restored_tabular_network,
)
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.networks.tabular.tabular_mlp import quantile_edges


class TabularPipeline:
    """What tables contribute to the single-output recipe (``InputPipeline``)."""

    medium: Medium = "table"

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, answers: OutputHead) -> PreparedTabularInputs:
        assert isinstance(work.inputs, TableRows)
        rows = work.inputs.take(work.indices)
        preparation = TabularPreprocessing.fit(rows.take(work.record.positions("train").tolist()).columns)
        encoded = preparation.encode_columns(rows.columns, len(rows))
        splits = {split: work.record.positions(split) for split in ("train", "validation")}
        return PreparedTabularInputs(
            work.config, work.spec.task, work.record.names, encoded, preparation, splits=splits,
            folds=folds_of(work.record.hashes, splits["train"].tolist()),
        )  # fmt: skip

    def trial_inputs(
        self, config: Config, report: DatasetReport, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, EncodedRows]:
        assert isinstance(report.inputs, TableRows)
        preparation = TabularPreprocessing.fit(report.inputs.columns)
        encoded = preparation.encode_columns(report.inputs.take(indices).columns, len(indices))
        edges = quantile_edges(encoded.numbers, BINS if preparation.numbers <= MAX_BINNED_COLUMNS else 0)
        return build_network(config, preparation, report.detection.spec.task, num_outputs, edges), encoded

    def reopen(self, bundle: Bundle, num_outputs: int) -> TabularReader:
        preparation = TabularPreprocessing.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
        try:
            network = restored_tabular_network(bundle.card.network, preparation)
        except (KeyError, ValueError) as error:
            raise CapasError("card_unreadable", where=bundle.folder / "card.json", received=str(error)) from error
        return TabularReader(bundle.fill(network), preparation)


recipe = SingleOutputRecipe(TabularPipeline())
