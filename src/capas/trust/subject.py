"""A finished run, opened to be questioned: its examples as the model is given them, and what the model makes of them.

For models with one answer per example (``OneAnswerModel``): a class, tags or numbers, of a picture, text, sound or row.
Everything is computed on the CPU in float32, in evaluation mode, once, when it is first asked for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from capas.bundle.card import Card
from capas.core.random import derive_seed
from capas.data.folders import SplitName
from capas.data.inputs import Inputs
from capas.data.look import inputs_of
from capas.data.sources import Source
from capas.engine.config import Config, read_config
from capas.engine.predict import Model, load_model
from capas.engine.recipes.class_answers import ClassAnswers
from capas.engine.recipes.one_answer import OneAnswerModel, Reader
from capas.engine.recipes.pictures import PictureReader
from capas.engine.recipes.tag_answers import TagAnswers
from capas.engine.record import Record, find_examples, read_record
from capas.engine.run import Run, find_run, read_metrics
from capas.trust.many import Many
from capas.trust.outliers import joined

BATCH = 128
COSTLY_SIDE, COSTLY_DEPTH = 96, 30
LEAST_MAP = 4
# More than so many examples of a split are not looked at one by one: the figures would hardly change, the time would.
MOST = {"train": 5000, "validation": 2000, "test": 10_000}
MOST_LARGE = {"train": 1500, "validation": 500, "test": 1500}
LARGE = 60_000  # values in a picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Examples of one split: their ``positions`` in the record, the ``prepared`` inputs, the network's raw ``outputs``
    (N, K), the ``answers`` made of them (N, K), the ``features`` (N, D) that its last layer is given, those with an
    earlier map beside (``wide``, N, E), and the ``targets`` (N, …)."""

    positions: Tensor
    prepared: Sequence[object]
    outputs: Tensor
    answers: Tensor
    features: Tensor
    wide: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """Raw ``outputs`` (N, K), ``features`` (N, D) and ``wide`` features (N, E) of N inputs; see ``Part``."""

    outputs: Tensor
    features: Tensor
    wide: Tensor


@torch.no_grad()
def see(reader: Reader[object], prepared: Sequence[object]) -> Seen:
    """What the network of ``reader`` makes of prepared inputs, in batches."""
    outputs, features, wide = [], [], []
    with Listening(reader.network) as listening:
        for start in range(0, len(prepared), BATCH):
            outputs.append(reader.network(reader.collate(prepared[start : start + BATCH])).float())
            hidden, both = listening.heard(outputs[-1])
            features.append(hidden)
            wide.append(both)
    return Seen(outputs=torch.cat(outputs), features=torch.cat(features), wide=torch.cat(wide))


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What every finished run has, whatever was learnt: its record, its card, the figures of its test; ``many`` where
    its model gives many answers per example."""

    run: Run
    card: Card
    record: Record
    config: Config
    source: Source
    indices: list[int]
    inputs: Inputs
    metrics: dict[str, object]
    many: Many | None

    @property
    def task(self) -> str:
        """What was learnt: classify, tag, regress, label, …"""
        return self.record.spec.task

    @property
    def medium(self) -> str:
        """image, text, audio, table or tokens."""
        return self.record.spec.medium

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes or tags; none of numbers."""
        return tuple(self.record.spec.classes)

    def chance(self, purpose: str) -> torch.Generator:
        """Chance for one purpose, the same whenever this run is questioned."""
        return torch.Generator().manual_seed(derive_seed(self.config.train.seed, f"trust {purpose}"))

    def names(self, positions: Tensor) -> list[str]:
        """What the examples are called."""
        return [self.record.names[i] for i in positions.tolist()]


class Subject:
    """The model that is questioned, with its examples. Raises ValueError on one that gives no single answer."""

    def __init__(self, case: Case, model: Model) -> None:
        answering = model.answering
        if not isinstance(answering, OneAnswerModel):
            raise ValueError(f"a model of the task {case.task}; expected one answer per example")
        self.case = case
        self.answering = answering
        self.reader = answering.reader
        self.targets = answering.answers.targets(case.record.labels)
        self.inputs = case.inputs

    @property
    def costly(self) -> bool:
        """Whether a picture costs so much (over 96 pixels a side, or more than 30 convolutions) that the themes
        that ask hundreds of times take fewer of them."""
        if not isinstance(self.reader, PictureReader):
            return False
        convolutions = sum(isinstance(module, nn.Conv2d) for module in self.reader.network.modules())
        return min(self.reader.preparation.shape[1:]) > COSTLY_SIDE or convolutions > COSTLY_DEPTH

    @property
    def temperature(self) -> float:
        """What the outputs are divided by before they become probabilities; 1 where nothing was gained by another."""
        answers = self.answering.answers
        return answers.temperature if isinstance(answers, ClassAnswers | TagAnswers) else 1.0

    @cached_property
    def train(self) -> Part:
        """What it learnt from, or a part of it drawn by chance."""
        return self._part("train")

    @cached_property
    def validation(self) -> Part | None:
        """What it was chosen by; None where there was no such split."""
        return self._part("validation") if "validation" in self.case.record.splits else None

    @cached_property
    def test(self) -> Part:
        """What it had never seen."""
        return self._part("test")

    def prepared(self, positions: Tensor) -> list[object]:
        """The inputs at ``positions`` of the record as the model's reader prepares them."""
        return [self.reader.read_example(self.inputs, self.case.indices[i]) for i in positions.tolist()]

    def outputs(self, prepared: Sequence[object]) -> Tensor:
        """The network's raw outputs (N, K)."""
        return self.seen(prepared).outputs

    def answers(self, prepared: Sequence[object]) -> Tensor:
        """Probabilities or values (N, K)."""
        return self.answering.answers.activate(self.outputs(prepared))

    def seen(self, prepared: Sequence[object]) -> Seen:
        """What the network makes of prepared inputs."""
        return see(self.reader, prepared)

    def part(self, positions: Tensor) -> Part:
        """Any examples of the record."""
        prepared = self.prepared(positions)
        seen = self.seen(prepared)
        return Part(
            positions=positions, prepared=prepared, outputs=seen.outputs,
            answers=self.answering.answers.activate(seen.outputs), features=seen.features, wide=seen.wide,
            targets=self.targets[positions],
        )  # fmt: skip

    def _part(self, split: SplitName) -> Part:
        positions = self.case.record.positions(split)
        most = (MOST_LARGE if self._large() else MOST)[split]
        if len(positions) > most:
            chosen = torch.randperm(len(positions), generator=self.case.chance(split))[:most]
            positions = positions[chosen.sort().values]
        return self.part(positions)

    def _large(self) -> bool:
        return isinstance(self.reader, PictureReader) and math.prod(self.reader.preparation.shape) > LARGE


class Listening:
    """What passes through ``network`` while the context lasts: what reaches its last linear layer and, in a network of
    pictures, the last map of 4×4 or more, which still holds what the last layer has forgotten."""

    def __init__(self, network: nn.Module) -> None:
        linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
        self._last = linear[-1] if linear else None
        self._convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        self._hidden: Tensor | None = None
        self._map: Tensor | None = None
        self._again = False
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> "Listening":
        if self._last is not None:
            self._hooks.append(self._last.register_forward_pre_hook(self._hear_hidden))
        self._hooks += [module.register_forward_hook(self._hear_map) for module in self._convolutions]
        return self

    def __exit__(self, *exc: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _hear_hidden(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        # A mirrored network asks twice: the first time for the picture as it is.
        if not self._again:
            self._hidden, self._again = inputs[0].detach(), True

    def _hear_map(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not self._again and min(output.shape[2:]) >= LEAST_MAP:
            self._map = output.detach()

    def heard(self, outputs: Float[Tensor, "B K"]) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B E"]]:
        """Since the last call: what reached the last layer (the outputs where there is none), and that with the map
        beside it."""
        hidden, maps = self._hidden, self._map
        self._hidden, self._map, self._again = None, None, False
        last = (outputs if hidden is None or len(hidden) != len(outputs) else hidden).flatten(1).float()
        return last, joined([last] if maps is None else [last, maps.float()])


def open_case(where: str) -> tuple[Case, Model]:
    """The run at ``where`` and its model. Raises CapasError when it is unfinished, damaged, altered, or when its data
    are gone or are not what they were."""
    # Not above: what shows their examples is built upon this module.
    from capas.trust.many_kinds import many_of

    run = find_run(where)
    metrics = read_metrics(run)
    model = load_model(run.folder)
    config, record = read_config(run.config), read_record(run)
    source, indices = find_examples(record, config.data)
    inputs = inputs_of(source, record.spec)
    case = Case(
        run=run, card=model.card, record=record, config=config, source=source, indices=indices,
        inputs=inputs, metrics=metrics,
        many=many_of(model, record, inputs, source.targets, indices, config.train.seed),
    )  # fmt: skip
    return case, model
