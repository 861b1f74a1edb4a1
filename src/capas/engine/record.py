"""The data record of a run: name, content hash, class and split of every example that was used.

With it a run can be resumed or tested again on exactly the same examples, and a card can say which data a model saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.data.folders import SplitName
from capas.data.pictures import Pictures
from capas.data.sources import open_source
from capas.engine.run import Run

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The examples of a run, in the order of their source; ``labels`` index ``classes``."""

    source: str
    target: str | None
    classes: tuple[str, ...]
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    labels: tuple[int, ...]
    splits: tuple[SplitName, ...]

    def positions(self, split: SplitName) -> Tensor:
        """Which examples (indices into ``names``) belong to ``split``."""
        return torch.tensor([i for i, name in enumerate(self.splits) if name == split], dtype=torch.long)

    def digest(self, split: SplitName) -> str:
        """A hash of the split's contents and classes, whatever their order and file names."""
        lines = sorted(
            f"{h} {self.classes[label]}"
            for h, label, s in zip(self.hashes, self.labels, self.splits, strict=True)
            if s == split
        )
        return content_hash("\n".join(lines).encode())

    def as_json(self) -> dict[str, object]:
        """The form of ``data.json``."""
        return {
            "source": self.source,
            "target": self.target,
            "classes": list(self.classes),
            "splits": {split: {"count": self.splits.count(split), "hash": self.digest(split)} for split in SPLITS},
            "examples": [list(row) for row in zip(self.names, self.hashes, self.labels, self.splits, strict=True)],
        }


def read_record(run: Run) -> Record:
    """The record of ``run``. Raises CapasError ``run_damaged``."""
    tree = run.read_json(run.data)
    try:
        rows = [(str(n), str(h), int(c), s) for n, h, c, s in tree["examples"]]  # type: ignore[attr-defined]
        names, hashes, labels, splits = zip(*rows, strict=True)
        return Record(
            source=str(tree["source"]),
            target=None if tree["target"] is None else str(tree["target"]),
            classes=tuple(map(str, tree["classes"])),  # type: ignore[call-overload]
            names=names,
            hashes=hashes,
            labels=labels,
            splits=splits,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CapasError("run_damaged", where=run.data, received=str(error)) from error


def find_pictures(record: Record, max_pixels: int) -> tuple[Pictures, list[int]]:
    """The source's pictures, and for each example of the record its index among them. Raises CapasError when an
    example is missing or its content is another than when the run began.
    """
    pictures = open_source(record.source, target=record.target, max_pixels=max_pixels).pictures
    if pictures is None:
        raise CapasError("data_changed", where=record.source, received="0", missing=len(record.names), first="")
    index = {pictures.name(i): i for i in range(len(pictures))}
    missing = [name for name in record.names if name not in index]
    if missing:
        raise CapasError("data_missing", where=record.source, received=len(missing), first=missing[0])
    indices = [index[name] for name in record.names]
    changed = _changed(record, pictures, indices)
    if changed:
        raise CapasError("data_changed", where=record.source, received=len(changed), first=changed[0])
    return pictures, indices


def _changed(record: Record, pictures: Pictures, indices: Sequence[int]) -> list[str]:
    return [
        name
        for name, expected, i in zip(record.names, record.hashes, indices, strict=True)
        if pictures.content_hash(i) != expected
    ]
