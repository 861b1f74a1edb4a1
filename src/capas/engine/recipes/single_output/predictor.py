"""Inference and evaluation of models with one output per example."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Generic

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.bundle.export_wrappers import DestandardisedOutput, ProbabilityOutput
from capas.core.spec import Spec
from capas.data.inspect.report import DatasetReport
from capas.data.targets import Label
from capas.engine.execution import Execution
from capas.engine.recipe import (
    Item,
    Prediction,
    TestResult,
)
from capas.engine.recipes.shared.forward import forward_batch
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.engine.recipes.single_output.inputs import (
    InputReader,
    InputT,
    NotedInputs,
)


class SingleOutputPredictor(Generic[InputT]):
    """A trained model with one output per example (``Predictor``): an input reader and an output head."""

    def __init__(self, reader: InputReader[InputT], output_head: OutputHead, spec: Spec) -> None:
        self.reader = reader
        self.output_head = output_head
        self.spec = spec

    @property
    def network(self) -> nn.Module:
        return self.reader.network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return self.reader.items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return self.reader.item(content, number)

    def preprocess(self, item: Item) -> object:
        return self.reader.preprocess(item)

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        predictions = self.output_head.predictions(names, self._predict_activated(prepared))
        if not isinstance(self.reader, NotedInputs):
            return predictions
        notes = self.reader.notes(prepared)
        return [replace(one, facts={**one.facts, **note}) for one, note in zip(predictions, notes, strict=True)]

    @torch.no_grad()
    def _predict_activated(self, prepared: Sequence[object]) -> Tensor:
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        return self.output_head.activate(forward_batch(self.network, self.reader.collate(prepared), execution))

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        inputs = report.inputs
        known = {name: i for i, name in enumerate(self.spec.classes)}
        labels = [relabel_to_model(report.labels[i], report.detection.spec.classes, known) for i in indices]
        starts = [*range(0, len(indices), 64), len(indices)]
        parts = [
            self._predict_activated([self.reader.preprocess_example(inputs, i) for i in indices[start:end]])
            for start, end in pairwise(starts)
        ]
        names = [inputs.name(i) for i in indices]
        return self.output_head.evaluate(torch.cat(parts), self.output_head.targets(labels), names, None)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        raw, output_head = self.reader.exportable(prepared), self.output_head
        axes, facts = ("batch", output_head.num_outputs), {**raw.facts, "answers": dict(output_head.as_json())}
        if isinstance(output_head, NumbersHead):
            means, deviations = (
                [scale.mean for scale in output_head.scales],
                [scale.deviation for scale in output_head.scales],
            )
            values = [{"name": field.name, "unit": field.unit} for field in output_head.fields]
            return replace(
                raw, network=DestandardisedOutput(raw.network, means, deviations), output="values", axes=axes,
                scale=max(deviations), facts={"values": values, **facts},
            )  # fmt: skip
        exclusive = self.spec.task == "classify"
        network = ProbabilityOutput(raw.network, exclusive=exclusive, temperature=output_head.temperature)
        classes = {"classes": list(self.spec.classes)}
        return replace(raw, network=network, output="probabilities", axes=axes, facts={**classes, **facts})


def relabel_to_model(label: Label, classes: Sequence[str], model_classes: Mapping[str, int]) -> Label:
    """Convert a label that indexes ``classes`` to one that indexes the model's classes; numbers stay as they are."""
    if isinstance(label, tuple) and classes:
        return tuple(model_classes[classes[int(i)]] for i in label)
    return model_classes[classes[label]] if isinstance(label, int) else label
