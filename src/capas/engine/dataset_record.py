"""The data record of a run: name, content hash, class and split of every example that was used.

With it a run can be resumed or tested again on exactly the same examples, and a card can say which data a model saw.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import torch
from pydantic import TypeAdapter
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.core.spec import Spec
from capas.data.collections import ExampleCollection
from capas.data.concat import append_unlabelled
from capas.data.inspect.report import input_collection
from capas.data.naming import SplitName
from capas.data.sources.source import DataSource, open_source
from capas.data.targets import Label, label_values
from capas.engine.config import DataConfig
from capas.engine.run import Run

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudoLabelledExamples:
    """The pictures that a teacher labelled: the examples from number ``start`` on are from ``source``, and their labels
    are its answers. ``copies`` (one per example of the record) is how often each stands in an epoch."""

    source: str
    start: int
    copies: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetRecord:
    """The examples of a run, in the order of their source; ``labels`` of classes and tags index ``spec.classes``. Those
    that a teacher labelled stand last."""

    source: str
    spec: Spec
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    labels: tuple[Label, ...]
    splits: tuple[SplitName, ...]
    taught: PseudoLabelledExamples | None = None

    def positions(self, split: SplitName) -> Tensor:
        """Which examples (indices into ``names``) belong to ``split``."""
        return torch.tensor([i for i, name in enumerate(self.splits) if name == split], dtype=torch.long)

    def labelled(self, split: SplitName) -> Tensor:
        """The same without those that a teacher labelled."""
        positions = self.positions(split)
        return positions if self.taught is None else positions[positions < self.taught.start]

    def epoch_positions(self) -> Tensor:
        """The training examples, each as often as it stands in an epoch."""
        positions = self.positions("train")
        if self.taught is None:
            return positions
        return positions.repeat_interleave(torch.tensor(self.taught.copies, dtype=torch.long)[positions])

    def label_text(self, label: Label) -> str:
        """A label as the user wrote it."""
        return label_text(self.spec, label)

    def digest(self, split: SplitName) -> str:
        """A hash of the split's contents and labels, whatever their order and file names."""
        held = zip(self.hashes, self.labels, self.splits, strict=True)
        return examples_digest((h, self.label_text(label)) for h, label, s in held if s == split)

    def as_json(self) -> dict[str, object]:
        """The form of ``data.json``."""
        return {
            "source": self.source,
            "spec": asdict(self.spec),
            "splits": {split: {"count": self.splits.count(split), "hash": self.digest(split)} for split in SPLITS},
            **({} if self.taught is None else {"taught": asdict(self.taught)}),
            "examples": [list(row) for row in zip(self.names, self.hashes, self.labels, self.splits, strict=True)],
        }


def label_text(spec: Spec, label: Label) -> str:
    """A label as the user wrote it: classes or tags by name, numbers as they are."""
    if spec.task not in ("classify", "tag"):
        return ";".join(map(repr, label_values(label)))
    return ";".join(spec.classes[int(i)] for i in label_values(label))


def examples_digest(examples: Iterable[tuple[str, str]]) -> str:
    """A hash of examples, each given by the hash of its content and its label in words."""
    return content_hash("\n".join(sorted(f"{h} {words}" for h, words in examples)).encode())


def read_dataset_record(run: Run) -> DatasetRecord:
    """The record of ``run``. Raises CapasError ``run_damaged``."""
    tree = run.read_json(run.data)
    try:
        names, hashes, labels, splits = zip(*cast(list[list[object]], tree["examples"]), strict=True)
        return _RECORD.validate_python(
            {"source": tree["source"], "spec": tree["spec"], "names": names, "hashes": hashes,
             "labels": labels, "splits": splits, "taught": tree.get("taught")}
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise CapasError("run_damaged", where=run.data, received=str(error)) from error


_RECORD = TypeAdapter(DatasetRecord)


def find_examples(record: DatasetRecord, config: DataConfig) -> tuple[DataSource, list[int]]:
    """The source as it is now, and for each example of the record its index there. Raises CapasError when an example is
    missing or its content is another than when the run began.
    """
    source = open_source(record.source, target=config.target, max_pixels=config.max_pixels)
    if record.taught is not None:
        source = _with_taught(source, record.taught, config.max_pixels)
    inputs = input_collection(source, record.spec)
    index = {inputs.name(i): i for i in range(len(inputs))}
    missing = [name for name in record.names if name not in index]
    if missing:
        raise CapasError("data_missing", where=record.source, received=len(missing), first=missing[0])
    indices = [index[name] for name in record.names]
    changed = _changed(record, inputs, indices)
    if changed:
        raise CapasError("data_changed", where=record.source, received=len(changed), first=changed[0])
    return source, indices


def _with_taught(labelled: DataSource, taught: PseudoLabelledExamples, max_pixels: int) -> DataSource:
    unlabelled = open_source(taught.source, max_pixels=max_pixels).images
    if unlabelled is None or labelled.images is None:
        raise CapasError("data_missing", where=taught.source, received=len(taught.copies) - taught.start, first="")
    return append_unlabelled(labelled, unlabelled)


def _changed(record: DatasetRecord, inputs: ExampleCollection, indices: Sequence[int]) -> list[str]:
    return [
        name
        for name, expected, i in zip(record.names, record.hashes, indices, strict=True)
        if inputs.content_hash(i) != expected
    ]
