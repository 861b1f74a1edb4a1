"""A dataset whose files have all been read: the usable examples, their targets and their content hashes."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.data.collections import (
    ExampleCollection,
    FilesWithColumns,
    LazySequence,
    TableRows,
    TextCollection,
)
from capas.data.inspect.dataset_scan import DatasetScan, Progress, scan_dataset
from capas.data.inspect.target_checks import TargetChecks, check_targets
from capas.data.inspect.task_detection import TaskDetection
from capas.data.problems import escape_unprintable
from capas.data.sources.source import DataSource
from capas.data.targets import Targets, label_values


def input_collection(source: DataSource, spec: Spec) -> ExampleCollection:
    """Return the inputs of ``spec``: the files, these with the columns beside them, a column of texts, or the rows of
    the input columns.
    """
    names = LazySequence(lambda row: f"#{row + 1}", range(len(source)))
    if source.files is not None:
        beside = {
            field.name: source.columns[field.name] for field in spec.columns_beside if field.name in source.columns
        }
        return FilesWithColumns(source.files, TableRows(beside, names)) if spec.columns_beside else source.files
    columns = {field.name: source.columns[field.name] for field in spec.inputs if field.name in source.columns}
    if spec.medium == "text":
        cells = next(iter(columns.values()))
        return TextCollection(["" if cell is None else str(cell) for cell in cells], names)
    return TableRows(columns, names)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadDataset:
    """A dataset whose files have all been read.

    Attributes:
        source: The examples.
        inputs: Their inputs.
        detection: The task, with the classes that usable examples have.
        scan: What the inputs hold.
        wanted: The targets.
        beside: The targets against their inputs.
        chosen: The indices of the usable examples.
        counts: How many of these each class or tag has.
        words: The target of each of these, as a text.
        keys: The content hash of each of these.
    """

    source: DataSource
    inputs: ExampleCollection
    detection: TaskDetection
    scan: DatasetScan
    wanted: Targets
    beside: TargetChecks
    chosen: Sequence[int]
    counts: Mapping[str, int]
    words: Sequence[str]
    keys: Sequence[str]

    @property
    def spec(self) -> Spec:
        """What is learnt."""
        return self.detection.spec

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, of which each example has one; () for other tasks."""
        named = (self.spec.task in ("classify", "generate") and not self.spec.captioned) or self.spec.unpaired
        return self.spec.classes if named else ()

    @property
    def strata(self) -> Sequence[str]:
        """The class of each usable example; "" for other tasks."""
        return list(self.words) if self.classes else [""] * len(self.words)


def read_dataset(source: DataSource, detection: TaskDetection, progress: Progress | None) -> ReadDataset:
    """Read every example of ``source`` once. Raises CapasError ``too_many_unreadable``."""
    inputs = input_collection(source, detection.spec)
    seen = scan_dataset(inputs, progress, detection.columns)
    _refuse_unreadable(source, seen)
    wanted = Targets.read(source, detection.spec)
    beside = check_targets(source)
    good = np.array(wanted.has_target, dtype=bool) & np.array(beside.fits, dtype=bool)
    good[list(seen.errors)] = False
    chosen = array("q", np.flatnonzero(good).astype(np.int64).tobytes())
    counts, used = _with_used_classes(detection, wanted, chosen)
    return ReadDataset(
        source=source, inputs=inputs, detection=used, scan=seen, wanted=wanted, beside=beside, chosen=chosen,
        counts=counts, words=LazySequence(wanted.names.__getitem__, chosen),
        keys=[key for i in chosen if isinstance(key := seen.content_hashes[i], str)],
    )  # fmt: skip


def _with_used_classes(
    detection: TaskDetection, targets: Targets, chosen: Sequence[int]
) -> tuple[dict[str, int], TaskDetection]:
    """How many of the ``chosen`` examples each class or tag has, and the detection without those that have none."""
    spec = detection.spec
    if not spec.labels_are_classes:
        return {}, detection
    tally = Counter[int | float]()
    for label, count in Counter(targets.labels[i] for i in chosen).items():
        for number in label_values(label):
            tally[number] += count
    counts = {name: tally[number] for number, name in enumerate(spec.classes)}
    return counts, replace(detection, spec=replace(spec, classes=tuple(n for n in spec.classes if counts[n])))


def _refuse_unreadable(source: DataSource, scan: DatasetScan) -> None:
    failed = list(scan.errors.values())
    if 2 * len(failed) > len(scan.content_hashes):
        raise CapasError(
            "too_many_unreadable", where=source.root, received=f"{len(failed)} / {len(scan.content_hashes)}",
            first=escape_unprintable(failed[0].where), reason=failed[0].part("what"), advice=failed[0].part("next"),
        ) from failed[0]  # fmt: skip
