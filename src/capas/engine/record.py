"""The data record of a run: name, content hash, class and split of every example that was used.

With it a run can be resumed or tested again on exactly the same examples, and a card can say which data a model saw.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

import torch
from pydantic import TypeAdapter
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.core.spec import Spec
from capas.data.folders import SplitName
from capas.data.inputs import Inputs
from capas.data.look import inputs_of
from capas.data.sources import Source, open_source
from capas.data.targets import Label, numbers_in
from capas.engine.config import DataConfig
from capas.engine.run import Run

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The examples of a run, in the order of their source; ``labels`` of classes and tags index ``spec.classes``."""

    source: str
    spec: Spec
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    labels: tuple[Label, ...]
    splits: tuple[SplitName, ...]

    def positions(self, split: SplitName) -> Tensor:
        """Which examples (indices into ``names``) belong to ``split``."""
        return torch.tensor([i for i, name in enumerate(self.splits) if name == split], dtype=torch.long)

    def words(self, label: Label) -> str:
        """A label as the user wrote it."""
        if self.spec.task not in ("classify", "tag"):
            return ";".join(map(repr, numbers_in(label)))
        return ";".join(self.spec.classes[int(i)] for i in numbers_in(label))

    def digest(self, split: SplitName) -> str:
        """A hash of the split's contents and classes, whatever their order and file names."""
        lines = sorted(
            f"{h} {self.words(label)}"
            for h, label, s in zip(self.hashes, self.labels, self.splits, strict=True)
            if s == split
        )
        return content_hash("\n".join(lines).encode())

    def as_json(self) -> dict[str, object]:
        """The form of ``data.json``."""
        return {
            "source": self.source,
            "spec": asdict(self.spec),
            "splits": {split: {"count": self.splits.count(split), "hash": self.digest(split)} for split in SPLITS},
            "examples": [list(row) for row in zip(self.names, self.hashes, self.labels, self.splits, strict=True)],
        }


def read_record(run: Run) -> Record:
    """The record of ``run``. Raises CapasError ``run_damaged``."""
    tree = run.read_json(run.data)
    try:
        names, hashes, labels, splits = zip(*cast(list[list[object]], tree["examples"]), strict=True)
        return _RECORD.validate_python(
            {"source": tree["source"], "spec": tree["spec"], "names": names, "hashes": hashes,
             "labels": labels, "splits": splits}
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise CapasError("run_damaged", where=run.data, received=str(error)) from error


_RECORD = TypeAdapter(Record)


def find_examples(record: Record, config: DataConfig) -> tuple[Source, list[int]]:
    """The source as it is now, and for each example of the record its index there. Raises CapasError when an example is
    missing or its content is another than when the run began.
    """
    source = open_source(record.source, target=config.target, max_pixels=config.max_pixels)
    inputs = inputs_of(source, record.spec)
    index = {inputs.name(i): i for i in range(len(inputs))}
    missing = [name for name in record.names if name not in index]
    if missing:
        raise CapasError("data_missing", where=record.source, received=len(missing), first=missing[0])
    indices = [index[name] for name in record.names]
    changed = _changed(record, inputs, indices)
    if changed:
        raise CapasError("data_changed", where=record.source, received=len(changed), first=changed[0])
    return source, indices


def _changed(record: Record, inputs: Inputs, indices: Sequence[int]) -> list[str]:
    return [
        name
        for name, expected, i in zip(record.names, record.hashes, indices, strict=True)
        if inputs.content_hash(i) != expected
    ]
