"""Training of networks with one output per example."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Generic, cast

import torch
from torch import Tensor

from capas.bundle.card import NetworkCard
from capas.bundle.write import ANSWERS, PREPARATION
from capas.data.batch import Batch
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import (
    TestResult,
    TrainingBatches,
)
from capas.engine.recipes.shared.forward import forward_batch
from capas.engine.recipes.single_output.heads.base import BaselineData, OutputHead
from capas.engine.recipes.single_output.inputs import (
    BlendedInputs,
    CrossFittedInputs,
    InputT,
    PreparedInputs,
    ReportedInputs,
)
from capas.objectives.base import Objective
from capas.objectives.cross_fitting import CrossFitting, HasExampleLosses

EVALUATION_BATCH = 250


class SingleOutputJob(Generic[InputT]):
    """Inputs, output head, network and objective of a run (``TrainingJob``)."""

    def __init__(
        self,
        prepared: PreparedInputs[InputT],
        output_head: OutputHead,
        record: DatasetRecord,
        config: Config,
        ranks: Ranks,
    ) -> None:
        self.prepared = prepared
        self.output_head = output_head
        self.record = record
        self.targets = output_head.targets(record.labels)
        train = record.positions("train")
        output_head.fit(self.targets[train])
        self._network = prepared.network(output_head.num_outputs)
        self._objective = output_head.objective(self._network, self.targets[train], config)
        if isinstance(prepared, CrossFittedInputs):
            assert isinstance(self._objective, HasExampleLosses)
            crossed = CrossFitting(self._objective, prepared.member_outputs, prepared.folds)
            self._objective = cast(Objective[object], crossed)
        self._batches = prepared.training(self.targets, record.epoch_positions(), ranks)

    @property
    def objective(self) -> Objective[Batch[InputT]]:
        return self._objective

    @property
    def batches(self) -> TrainingBatches[Batch[InputT]]:
        return self._batches

    @property
    def head(self) -> str | tuple[str, ...] | None:
        return self.prepared.head

    def _predict_activated(self, positions: Tensor, execution: Execution) -> Tensor:
        parts = [
            self.output_head.activate(forward_batch(self._network, self.prepared.take(part), execution))
            for part in torch.split(positions, EVALUATION_BATCH)
        ]
        return torch.cat(parts)

    @property
    def has_validation(self) -> bool:
        return "validation" in self.record.splits

    def validate(self, execution: Execution) -> ValidationScore:
        positions = self.record.positions("validation")
        return self.output_head.score(self._predict_activated(positions, execution), self.targets[positions])

    def calibrate(self, execution: Execution) -> None:
        if isinstance(self.prepared, BlendedInputs):
            self.prepared.fit_parts(self.targets, execution)
        if self.has_validation:
            positions = self.record.positions("validation")
            self.output_head.calibrate(self._predict_activated(positions, execution), self.targets[positions])

    def test(self, execution: Execution) -> TestResult:
        train, test = self.record.labelled("train"), self.record.positions("test")
        baseline = BaselineData(self.prepared.features, self.targets, train, test, self.prepared.baseline,
                                tabular=self.record.spec.medium == "table")  # fmt: skip
        names = [self.record.names[i] for i in test.tolist()]
        predicted = self._predict_activated(test, execution)
        tested = self.output_head.evaluate(predicted, self.targets[test], names, baseline)
        if not isinstance(self.prepared, ReportedInputs):
            return tested
        return replace(tested, further={**tested.further, **self.prepared.further()})

    def bundle_files(self) -> Mapping[str, object]:
        return {PREPARATION: self.prepared.as_json(), ANSWERS: self.output_head.as_json()}

    def network_card(self) -> NetworkCard:
        return self.prepared.network_card(self._network, self.output_head.num_outputs)
