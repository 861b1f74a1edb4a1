"""The recipe for text problems: tf-idf for a linear network, token ids for sequence networks, or sentence
embeddings.
"""

from collections.abc import Sequence

from torch import nn

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.spec import Medium
from capas.data.collections import TextCollection
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.hub_backbone.recipe import HubBackbonePipeline
from capas.engine.recipes.single_output.recipe import SingleOutputRecipe
from capas.engine.recipes.single_output.text.data import PreparedTextInputs
from capas.engine.recipes.single_output.text.defaults import resolve_defaults
from capas.engine.recipes.single_output.text.encodings import (
    TextInputs,
    fit_text_encoding,
    restore_text_encoding,
)
from capas.engine.recipes.single_output.text.network import build_network, restored_text_network
from capas.engine.recipes.single_output.text.predictor import TextReader


class TextPipeline:
    """What texts contribute to the single-output recipe (``InputPipeline``)."""

    medium: Medium = "text"

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, answers: OutputHead) -> PreparedTextInputs:
        assert isinstance(work.inputs, TextCollection)
        texts = [work.inputs.texts[i] for i in work.indices]
        splits = {split: work.record.positions(split) for split in ("train", "validation")}
        return PreparedTextInputs(
            work.config, work.spec.task, work.record.names, texts, splits, work.progress, answers.num_outputs
        )

    def trial_inputs(
        self, config: Config, report: DatasetReport, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, TextInputs]:
        assert isinstance(report.inputs, TextCollection)
        code = fit_text_encoding(config.network.name, report.inputs.texts[:5000], num_outputs)
        inputs = code.encode([report.inputs.texts[i] for i in indices])
        return build_network(config, code, num_outputs), inputs

    def reopen(self, bundle: Bundle, num_outputs: int) -> TextReader:
        tree, card = bundle.file(PREPARATION), bundle.card
        try:
            code = restore_text_encoding(card.network.name, tree)
            network = restored_text_network(card.network, code, num_outputs)
        except (KeyError, ValueError) as error:
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=str(error)) from error
        return TextReader(bundle.fill(network), code)


recipe = SingleOutputRecipe(HubBackbonePipeline(TextPipeline()))
