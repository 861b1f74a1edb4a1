"""One answer per example, whatever the medium: an input side (pictures, sounds, texts, rows) and a kind of answer
(class, tags, numbers) put together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable
from capas.bundle.export_forms import InUnits, Probabilities
from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.objective import Objective
from capas.core.spec import Medium, Spec
from capas.data.batch import Batch
from capas.data.inputs import Inputs
from capas.data.look import Look
from capas.data.order import Order
from capas.data.targets import Label
from capas.engine.choose import Execution, Trial
from capas.engine.config import Config
from capas.engine.loop import Score
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Learnable, Prediction, Settled, Tested, TrainingSet, Work
from capas.engine.recipes.answer_kinds import answers_for, reopened
from capas.engine.recipes.answers import Answers, Baselines
from capas.engine.recipes.class_answers import ClassAnswers
from capas.engine.recipes.number_answers import NumberAnswers
from capas.engine.recipes.tag_answers import TagAnswers
from capas.engine.record import Record

InputT = TypeVar("InputT")
BATCH = 250


@runtime_checkable
class Blending(Protocol):
    """Prepared examples that share the answer with a simpler model."""

    def blend(self, positions: Tensor, execution: Execution) -> None:
        """Decide how much, on the validation examples at ``positions``."""


@runtime_checkable
class Prepared(Protocol[InputT]):
    """The examples of one medium, read and fitted to the training split."""

    def network(self, num_outputs: int) -> nn.Module:
        """A network with fresh weights, called with what ``take`` gives."""

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        """What it is, and what ``reopen`` builds it from."""

    @property
    def head(self) -> str | None:
        """See ``Learnable``."""

    @property
    def baseline(self) -> str:
        """The name of the linear baseline on ``features``."""

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingSet[Batch[InputT]]:
        """Batches of the training examples, augmented."""

    def take(self, positions: Tensor) -> InputT:
        """The inputs at ``positions``, as they are."""

    def features(self, positions: Tensor) -> Tensor:
        """N×D, for a linear model."""

    def as_json(self) -> Mapping[str, object]:
        """``preparation.json``."""


class OneAnswer(Generic[InputT]):
    """A Learnable with one answer per example."""

    def __init__(
        self, prepared: Prepared[InputT], answers: Answers, record: Record, config: Config, ranks: Ranks
    ) -> None:
        self.prepared = prepared
        self.answers = answers
        self.record = record
        self.targets = answers.targets(record.labels)
        train = record.positions("train")
        answers.fit(self.targets[train])
        self._network = prepared.network(answers.num_outputs)
        self._objective = answers.objective(self._network, self.targets[train], config)
        self._batches = prepared.training(self.targets, record.epoch(), ranks)

    @property
    def objective(self) -> Objective[Batch[InputT]]:
        return self._objective

    @property
    def batches(self) -> TrainingSet[Batch[InputT]]:
        return self._batches

    @property
    def head(self) -> str | None:
        return self.prepared.head

    def _answered(self, positions: Tensor, execution: Execution) -> Tensor:
        parts = [
            self.answers.activate(outputs_of(self._network, self.prepared.take(part), execution))
            for part in torch.split(positions, BATCH)
        ]
        return torch.cat(parts)

    @property
    def validates(self) -> bool:
        return "validation" in self.record.splits

    def validate(self, execution: Execution) -> Score:
        positions = self.record.positions("validation")
        return self.answers.score(self._answered(positions, execution), self.targets[positions])

    def finish(self, execution: Execution) -> None:
        if self.validates:
            positions = self.record.positions("validation")
            if isinstance(self.prepared, Blending):
                self.prepared.blend(positions, execution)
            self.answers.decide(self._answered(positions, execution), self.targets[positions])

    def test(self, execution: Execution) -> Tested:
        train, test = self.record.labelled("train"), self.record.positions("test")
        baseline = Baselines(self.prepared.features, self.targets, train, test, self.prepared.baseline)
        names = [self.record.names[i] for i in test.tolist()]
        return self.answers.tested(self._answered(test, execution), self.targets[test], names, baseline)

    def files(self) -> Mapping[str, object]:
        return {PREPARATION: self.prepared.as_json(), ANSWERS: self.answers.as_json()}

    def network_card(self) -> NetworkCard:
        return self.prepared.network_card(self._network, self.answers.num_outputs)


class OnFields(nn.Module):
    """Calls ``network`` with the fields of a dataclass, in their order."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: object) -> Tensor:
        assert is_dataclass(inputs)
        outputs: Tensor = self.network(*(getattr(inputs, field.name) for field in fields(inputs)))
        return outputs


def order_of(config: Config, positions: Tensor, ranks: Ranks, *, lengths: Tensor | None = None) -> Order:
    """Batches of the configured size; ``lengths`` (one per position) bring like to like."""
    return Order(
        positions, batch_size=int(config.train.batch_size), seed=config.train.seed, rank=ranks.rank,
        world_size=ranks.world_size, lengths=lengths,
    )  # fmt: skip


@torch.no_grad()
def outputs_of(network: nn.Module, inputs: object, execution: Execution) -> Tensor:
    """What the network, put into evaluation mode, makes of ``inputs``: float32 on the CPU."""
    network.eval()
    with execution.autocast():
        outputs: Tensor = network(execution.place_batch(inputs))
    return outputs.float().cpu()


@runtime_checkable
class Reader(Protocol[InputT]):  # type: ignore[misc]
    """The input side of a finished model."""

    @property
    def network(self) -> nn.Module:
        """In evaluation mode."""

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """See ``Answering``."""

    def item(self, content: object, number: int) -> Item:
        """See ``Answering``."""

    def read(self, item: Item) -> object:
        """One input, prepared. Raises CapasError."""

    def read_example(self, inputs: Inputs, index: int) -> object:
        """The same for an example of a data set."""

    def collate(self, prepared: Sequence[object]) -> InputT:
        """Prepared inputs as the network takes them."""

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        """See ``Answering``; what it gives are the raw outputs."""


class OneAnswerModel(Generic[InputT]):
    """A finished model (``Answering``) with one answer per example."""

    def __init__(self, reader: Reader[InputT], answers: Answers, spec: Spec) -> None:
        self.reader = reader
        self.answers = answers
        self.spec = spec

    @property
    def network(self) -> nn.Module:
        return self.reader.network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return self.reader.items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return self.reader.item(content, number)

    def read(self, item: Item) -> object:
        return self.reader.read(item)

    def answer(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        return self.answers.predictions(names, self._answered(prepared))

    @torch.no_grad()
    def _answered(self, prepared: Sequence[object]) -> Tensor:
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        return self.answers.activate(outputs_of(self.network, self.reader.collate(prepared), execution))

    def retest(self, seen: Look, indices: Sequence[int]) -> Tested:
        inputs = seen.inputs
        known = {name: i for i, name in enumerate(self.spec.classes)}
        labels = [renumbered(seen.labels[i], seen.detection.spec.classes, known) for i in indices]
        starts = [*range(0, len(indices), 64), len(indices)]
        parts = [
            self._answered([self.reader.read_example(inputs, i) for i in indices[start:end]])
            for start, end in pairwise(starts)
        ]
        names = [inputs.name(i) for i in indices]
        return self.answers.tested(torch.cat(parts), self.answers.targets(labels), names, None)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        raw, answers = self.reader.exportable(prepared), self.answers
        axes, facts = ("batch", answers.num_outputs), {**raw.facts, "answers": dict(answers.as_json())}
        if isinstance(answers, NumberAnswers):
            means, deviations = [scale.mean for scale in answers.scales], [scale.deviation for scale in answers.scales]
            values = [{"name": field.name, "unit": field.unit} for field in answers.fields]
            return replace(
                raw, network=InUnits(raw.network, means, deviations), output="values", axes=axes, scale=max(deviations),
                facts={"values": values, **facts},
            )  # fmt: skip
        temperature = answers.temperature if isinstance(answers, ClassAnswers | TagAnswers) else 1.0
        exclusive = self.spec.task == "classify"
        network = Probabilities(raw.network, exclusive=exclusive, temperature=temperature)
        classes = {"classes": list(self.spec.classes)}
        return replace(raw, network=network, output="probabilities", axes=axes, facts={**classes, **facts})


def renumbered(label: Label, classes: Sequence[str], known: Mapping[str, int]) -> Label:
    """A label that indexes ``classes`` as one that indexes the model's; numbers stay."""
    if isinstance(label, tuple) and classes:
        return tuple(known[classes[int(i)]] for i in label)
    return known[classes[label]] if isinstance(label, int) else label


@runtime_checkable
class Side(Protocol[InputT]):
    """What a medium contributes."""

    @property
    def medium(self) -> Medium:
        """Which."""

    def settle(self, config: Config, seen: Look) -> Settled:
        """See ``Recipe``."""

    def prepare(self, work: Work, answers: Answers) -> Prepared[InputT]:
        """See ``Recipe``."""

    def trial_inputs(
        self, config: Config, seen: Look, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, InputT]:
        """A network and a batch of inputs like those at ``indices``."""

    def reopen(self, bundle: Bundle, num_outputs: int) -> Reader[InputT]:
        """See ``Recipe``."""


class OneAnswerRecipe(Generic[InputT]):
    """The Recipe of a medium, for all tasks with one answer."""

    def __init__(self, side: Side[InputT]) -> None:
        self.side = side

    def settle(self, config: Config, seen: Look) -> Settled:
        return self.side.settle(config, seen)

    def prepare(self, work: Work, ranks: Ranks) -> Learnable[Batch[InputT]]:
        answers = answers_for(work.spec)
        return OneAnswer(self.side.prepare(work, answers), answers, work.record, work.config, ranks)

    def trial(self, config: Config, seen: Look) -> Trial[Batch[InputT]]:
        answers = answers_for(seen.detection.spec)
        size = min(int(config.train.batch_size), max(1, seen.split.count("train")))
        first = [i for i, part in enumerate(seen.split) if part == "train"][:size]
        targets = answers.targets([seen.labels[i] for i in first])
        answers.fit(targets)
        network, inputs = self.side.trial_inputs(config, seen, answers.num_outputs, first)
        batch = Batch(inputs=inputs, targets=targets, positions=torch.tensor(first))
        return Trial(objective=answers.objective(network, targets, config), batch=batch, examples=len(first))

    def reopen(self, bundle: Bundle) -> OneAnswerModel[InputT]:
        spec = bundle.card.spec
        answers = reopened(spec, bundle.file(ANSWERS))
        return OneAnswerModel(self.side.reopen(bundle, answers.num_outputs), answers, spec)
