"""The dataset record of a run: name, content hash, label and split of every example that was used.

With it a run is resumed or tested again on exactly the same examples, and a card can say which data a model has seen.
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
from capas.data.collections import ExampleCollection, FilesWithColumns
from capas.data.concat import append_unlabelled
from capas.data.inspect.read_dataset import input_collection
from capas.data.naming import SplitName
from capas.data.sources.source import DataSource, open_source
from capas.data.targets import Label, label_values
from capas.engine.config import DataConfig
from capas.engine.run import Run

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudoLabelledExamples:
    """The pseudo-labelled part of a record.

    Attributes:
        source: Where the unlabelled images are.
        start: Examples from this position on are from ``source``; their labels are the teacher's predictions.
        copies: How often each example of the record occurs in an epoch.
    """

    source: str
    start: int
    copies: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetRecord:
    """The examples of a run, in the order of their source; pseudo-labelled examples come last.

    Attributes:
        source: Folder, table or ``sample:NAME``.
        spec: The learning problem.
        names: Name of each example.
        hashes: Content hash of each example.
        labels: Label of each example; classes and tags are indices into ``spec.classes``.
        splits: Split of each example.
        taught: The pseudo-labelled examples, if there are any.
        cells: Hash of the cells of the columns beside files; "" without any.
    """

    source: str
    spec: Spec
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    labels: tuple[Label, ...]
    splits: tuple[SplitName, ...]
    taught: PseudoLabelledExamples | None = None
    cells: str = ""

    def positions(self, split: SplitName) -> Tensor:
        """Return the indices into ``names`` of the examples of ``split``, int64."""
        return torch.tensor([i for i, name in enumerate(self.splits) if name == split], dtype=torch.long)

    def labelled(self, split: SplitName) -> Tensor:
        """Return the indices of the examples of ``split``, without pseudo-labelled ones."""
        positions = self.positions(split)
        return positions if self.taught is None else positions[positions < self.taught.start]

    def epoch_positions(self) -> Tensor:
        """Return the indices of the training examples, each as often as it occurs in an epoch."""
        positions = self.positions("train")
        if self.taught is None:
            return positions
        return positions.repeat_interleave(torch.tensor(self.taught.copies, dtype=torch.long)[positions])

    def label_text(self, label: Label) -> str:
        """Return a label as the user wrote it."""
        return label_text(self.spec, label)

    def digest(self, split: SplitName) -> str:
        """Return a hash of the contents and labels of ``split``, independent of order and file names."""
        held = zip(self.hashes, self.labels, self.splits, strict=True)
        return examples_digest((h, self.label_text(label)) for h, label, s in held if s == split)

    def as_json(self) -> dict[str, object]:
        """Return the content of ``data.json``."""
        return {
            "source": self.source,
            "spec": asdict(self.spec),
            "splits": {split: {"count": self.splits.count(split), "hash": self.digest(split)} for split in SPLITS},
            **({} if self.taught is None else {"taught": asdict(self.taught)}),
            **({"cells": self.cells} if self.cells else {}),
            "examples": [list(row) for row in zip(self.names, self.hashes, self.labels, self.splits, strict=True)],
        }


def label_text(spec: Spec, label: Label) -> str:
    """Return a label as the user wrote it: classes and tags by name, numbers as they are, joined by semicolons."""
    if not spec.labels_are_classes:
        return ";".join(map(repr, label_values(label)))
    return ";".join(spec.classes[int(i)] for i in label_values(label))


def examples_digest(examples: Iterable[tuple[str, str]]) -> str:
    """Return an order-independent hash of examples, each given as (content hash, label as text)."""
    return content_hash("\n".join(sorted(f"{h} {words}" for h, words in examples)).encode())


def read_dataset_record(run: Run) -> DatasetRecord:
    """Read the record of ``run``. Raises CapasError ``run_damaged``."""
    tree = run.read_json(run.data)
    try:
        names, hashes, labels, splits = zip(*cast(list[list[object]], tree["examples"]), strict=True)
        return _RECORD.validate_python(
            {"source": tree["source"], "spec": tree["spec"], "names": names, "hashes": hashes,
             "labels": labels, "splits": splits, "taught": tree.get("taught"), "cells": tree.get("cells", "")}
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise CapasError("run_damaged", where=run.data, received=str(error)) from error


_RECORD = TypeAdapter(DatasetRecord)


def find_examples(record: DatasetRecord, config: DataConfig) -> tuple[DataSource, list[int]]:
    """Open the record's source and return it with the index of each example of the record in it.

    Raises CapasError ``data_missing`` where an example is gone, ``data_changed`` where its content is no longer the
    same, ``columns_changed`` where cells beside files are not.
    """
    source = open_source(
        record.source, target=config.target, max_pixels=config.max_pixels, sheet=config.sheet,
        follow_links=config.follow_links,
    )  # fmt: skip
    if record.taught is not None:
        source = _with_taught(source, record.taught, config)
    inputs = input_collection(source, record.spec)
    index = {inputs.name(i): i for i in range(len(inputs))}
    missing = [name for name in record.names if name not in index]
    if missing:
        raise CapasError("data_missing", where=record.source, received=len(missing), first=missing[0])
    indices = [index[name] for name in record.names]
    changed = _changed(record, inputs, indices)
    if changed:
        raise CapasError("data_changed", where=record.source, received=len(changed), first=changed[0])
    if isinstance(inputs, FilesWithColumns) and inputs.cells_hash(indices) != record.cells:
        columns = ", ".join(field.name for field in record.spec.columns_beside)
        raise CapasError("columns_changed", where=record.source, columns=columns)
    return source, indices


def _with_taught(labelled: DataSource, taught: PseudoLabelledExamples, config: DataConfig) -> DataSource:
    unlabelled = open_source(taught.source, max_pixels=config.max_pixels, follow_links=config.follow_links).images
    if unlabelled is None or labelled.images is None:
        raise CapasError("data_missing", where=taught.source, received=len(taught.copies) - taught.start, first="")
    return append_unlabelled(labelled, unlabelled)


def _changed(record: DatasetRecord, inputs: ExampleCollection, indices: Sequence[int]) -> list[str]:
    return [
        name
        for name, expected, i in zip(record.names, record.hashes, indices, strict=True)
        if inputs.content_hash(i) != expected
    ]
