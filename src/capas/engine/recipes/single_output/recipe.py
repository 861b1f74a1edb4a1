"""The recipe for single-output problems: an input pipeline (image, audio, text, tabular) and an output head (class,
tags, numbers) combined.
"""

from typing import Generic

import torch

from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS
from capas.data.batch import Batch
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import (
    PreparedDataset,
    ResolvedConfig,
    TrainingJob,
)
from capas.engine.recipes.single_output.heads.factory import output_head_for, restore_output_head
from capas.engine.recipes.single_output.inputs import InputPipeline, InputT
from capas.engine.recipes.single_output.learn import SingleOutputJob
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor


class SingleOutputRecipe(Generic[InputT]):
    """The recipe of a medium for all tasks with one output per example (``Recipe``)."""

    def __init__(self, pipeline: InputPipeline[InputT]) -> None:
        self.pipeline = pipeline

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return self.pipeline.resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> TrainingJob[Batch[InputT]]:
        output_head = output_head_for(work.spec)
        return SingleOutputJob(self.pipeline.prepare(work, output_head), output_head, work.record, work.config, ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[Batch[InputT]]:
        output_head = output_head_for(report.detection.spec)
        size = min(int(config.train.batch_size), max(1, report.split.count("train")))
        first = [i for i, part in enumerate(report.split) if part == "train"][:size]
        targets = output_head.targets([report.labels[i] for i in first])
        output_head.fit(targets)
        network, inputs = self.pipeline.trial_inputs(config, report, output_head.num_outputs, first)
        batch = Batch(inputs=inputs, targets=targets, positions=torch.tensor(first))
        return TrialBatch(objective=output_head.objective(network, targets, config), batch=batch, examples=len(first))

    def reopen(self, bundle: Bundle) -> SingleOutputPredictor[InputT]:
        spec = bundle.card.spec
        output_head = restore_output_head(spec, bundle.file(ANSWERS))
        return SingleOutputPredictor(self.pipeline.reopen(bundle, output_head.num_outputs), output_head, spec)
