"""The dataset report of ``capas look``: contents, detected task, splits and problems.

Every example is read once. What training needs afterwards (which examples are usable, their labels and splits) is kept
in the ``DatasetReport``, so that they need not be read again.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from capas.core.errors import CapasError
from capas.core.spec import Field, Spec
from capas.data.collections import ExampleCollection, LazySequence
from capas.data.image.io import MAX_PIXELS
from capas.data.inspect.data_checks import (
    class_name_problems,
    duplicate_problems,
    leaked_examples,
    split_problems,
    structured_class_problems,
    target_problems,
)
from capas.data.inspect.dataset_scan import DatasetScan, DatasetStatistics, Progress
from capas.data.inspect.label_scheme_checks import label_scheme_problems
from capas.data.inspect.read_dataset import ReadDataset, read_dataset
from capas.data.inspect.shortcuts import shortcut_problems, target_leakage_problems
from capas.data.inspect.split_decision import DecidedSplits, decide_splits, group_hint, identity_notes, time_note
from capas.data.inspect.task_detection import TaskDetection, detect_task
from capas.data.naming import SplitName
from capas.data.problems import Problem, problems_from
from capas.data.sources.source import DataSource, open_source
from capas.data.targets import Label, label_values

_GRAVITY = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetReport:
    """What inspection found; all per-example sequences are as long as ``source``.

    Attributes:
        source: The data source.
        inputs: The inputs that the detected spec learns from.
        detection: The detected task; ``spec.classes`` are the classes that have a usable example.
        usable: Whether each example is usable.
        labels: A class index, a tuple of tag indices, a tuple of floats, or None without a target or where it is a
            file.
        split: The split; None where not usable.
        keys: Content hashes; "" where not usable.
        groups: What each must stay together with, "" where not usable; () where the data or their dates lay down the
            splits.
        problems: Problems, gravest first.
        statistics: Statistics of the inputs.
    """

    source: DataSource
    inputs: ExampleCollection
    detection: TaskDetection
    usable: tuple[bool, ...]
    labels: tuple[Label, ...]
    split: tuple[SplitName | None, ...]
    keys: tuple[str, ...]
    problems: tuple[Problem, ...]
    statistics: DatasetStatistics | None
    groups: tuple[str, ...] = ()

    def per_class(self, split_name: SplitName | None = None) -> dict[str, int]:
        """Return the number of usable examples of each class or tag, in one split or in all."""
        # Of a million examples few differ in both: each pair of label and split is looked at once.
        counts = Counter[int | float]()
        for (label, own), count in Counter(zip(self.labels, self.split, strict=True)).items():
            if own is not None and split_name in (None, own):
                for number in label_values(label):
                    counts[number] += count
        return {name: counts[i] for i, name in enumerate(self.detection.spec.classes)}

    @property
    def counts_classes(self) -> bool:
        """Whether it matters how many examples each class or tag has."""
        spec = self.detection.spec
        generated = spec.task == "generate" and bool(spec.classes) and not spec.captioned
        return spec.task in ("classify", "tag") or generated or spec.unpaired

    def identities(self, split_name: SplitName) -> int:
        """Return the number of classes, here called identities, that have an example in a split."""
        return len({label for label, side in zip(self.labels, self.split, strict=True) if side == split_name})

    def as_json(self) -> dict[str, object]:
        """Return what ``capas look --json`` prints."""
        spec = self.detection.spec
        sides: tuple[SplitName, ...] = ("train", "validation", "test")
        seen = {} if self.statistics is None else {
            self.statistics.kind: self.statistics.as_json()
            | ({"per_class": self.per_class()} if self.counts_classes else {})
        }  # fmt: skip
        return {
            "task": spec.task,
            "evidence": list(self.detection.evidence),
            "alternatives": [
                {"task": other.task, "target": other.target, "reason": other.reason}
                for other in self.detection.alternatives
            ],
            "fields": [
                *(_field_json(field, "input") for field in spec.inputs),
                *(_field_json(field, "target") | {"classes": list(spec.classes)} for field in spec.targets),
            ],
            "splits": {
                side: {"count": self.split.count(side)}
                | ({"per_class": self.per_class(side)} if self.counts_classes else {})
                | ({"identities": self.identities(side)} if spec.task == "verify" else {})
                for side in sides
            },
            "problems": [problem.as_json() for problem in self.problems],
            **seen,
        }


def _field_json(field: Field, role: str) -> dict[str, object]:
    unit = {"unit": field.unit} if field.unit else {}
    return {"name": field.name, "kind": field.kind, "role": role, **unit}


def inspect_dataset(
    data: str | Path,
    *,
    target: str | None = None,
    task: str | None = None,
    group: str | None = None,
    columns_beside: bool | Sequence[str] = True,
    unpaired: bool = True,
    max_pixels: int = MAX_PIXELS,
    sheet: str | None = None,
    follow_links: bool = False,
    validation: float | None = None,
    test: float = 0.15,
    learning: bool = True,
    progress: Progress | None = None,
) -> DatasetReport:
    """Inspect ``data``.

    Args:
        data: See ``open_source``.
        target: Target column; detected if None.
        task: Task; detected if None.
        group: Column whose equal values must not be divided among splits.
        columns_beside: Whether the columns beside pictures and sounds are learnt from; or which ones.
        unpaired: Whether two class folders, to transform, are two collections without pairs.
        max_pixels: Limit of width × height of an image.
        sheet: Sheet of a workbook; chosen if None.
        follow_links: Whether symbolic links that leave a folder are followed.
        validation: Share of the validation split, 0..1; by ``validation_share`` if None.
        test: Share of the test split, 0..1.
        learning: False where the data are for testing alone: then a split without training part is no error.
        progress: Called with (done, total) examples.

    Raises:
        CapasError: ``too_many_unreadable`` when more than half of the images cannot be used, ``no_such_group``, and
            those of ``open_source`` and ``detect_task``.
    """
    source = open_source(data, target=target, max_pixels=max_pixels, sheet=sheet, follow_links=follow_links)
    detection = detect_task(
        source, target=target, task=task, group=group, columns_beside=columns_beside, unpaired=unpaired
    )
    read = read_dataset(source, detection, progress)
    splits = decide_splits(read, group=group, validation=validation, test=test, learning=learning)
    left_out = leaked_examples(splits.repeats.exact, splits.sides)
    sides: list[SplitName | None] = [None] * len(source)
    keys, groups = [""] * len(source), [""] * len(source)
    for n, (i, side, key) in enumerate(zip(read.chosen, splits.sides, read.keys, strict=True)):
        if n not in left_out:
            sides[i], keys[i], groups[i] = side, key, splits.groups[n]
    return DatasetReport(
        source=source, inputs=read.inputs, detection=read.detection,
        usable=tuple([side is not None for side in sides]),
        labels=read.wanted.renumbered(read.spec.classes),
        split=tuple(sides),
        keys=tuple(keys),
        problems=tuple(sorted(_merged(_problems(read, splits, group)), key=lambda p: _GRAVITY.index(p.severity))),
        statistics=read.scan.statistics,
        groups=() if any(splits.fixed) else tuple(groups),
    )  # fmt: skip


def _problems(read: ReadDataset, splits: DecidedSplits, group: str | None) -> tuple[Problem, ...]:
    source, spec, chosen, beside = read.source, read.spec, read.chosen, read.beside
    names = LazySequence(read.inputs.name, chosen)
    unlabelled = [read.inputs.name(i) for i, there in enumerate(read.wanted.has_target) if not there]
    held = [beside.classes[i] for i in chosen] if beside.classes else None
    return (
        *source.problems,
        *problems_from("unlabelled", unlabelled),
        # Readers take lines of any width.
        *(one for one in read.scan.problems if one.kind != "mixed_sizes" or source.target_kind != "transcript"),
        *beside.problems,
        *target_problems(spec, read.counts, [read.wanted.labels[i] for i in chosen]),
        *label_scheme_problems(source.targets),
        *duplicate_problems(
            splits.repeats, read.words, splits.fixed, names, splits.groups, rows=spec.medium == "table"
        ),
        *problems_from("alike_apart", [names[i] for i in splits.torn] if set(splits.sides) - {"train"} else ()),
        *split_problems(splits.sides, read.strata, read.classes),
        *time_note(splits.in_time),
        *identity_notes(read, splits),
        *(group_hint(read, splits) if group is None else ()),
        *structured_class_problems(spec, splits.sides, held),
        *class_name_problems(read.counts),
        # What tells two collections apart is what is to be learnt.
        *(_bias(source, spec, read.scan, chosen, read.words) if read.classes and not spec.unpaired else ()),
        *_identifiers(read.detection),
        *_beside_text(source, read.detection),
    )


def _bias(
    source: DataSource, spec: Spec, scan: DatasetScan, chosen: Sequence[int], words: Sequence[str]
) -> tuple[Problem, ...]:
    """What tells the class without being looked at, or alone."""
    used = {field.name for field in (*spec.inputs, *spec.targets)}
    attributes = {name: [values[i] for i in chosen] for name, values in scan.attributes.items()}
    everything = len(chosen) == len(source)
    columns = {
        name: column if everything else column.take(chosen)
        for name, column in source.columns.items()
        if spec.target is None or name != spec.target.name
    }
    others = {name: column for name, column in columns.items() if name not in used}
    inputs = {name: column for name, column in columns.items() if name in used}
    if spec.medium != "table":
        return shortcut_problems(attributes, others, words, beside=inputs)
    return (*shortcut_problems(attributes, others, words), *target_leakage_problems(inputs, words))


def _identifiers(detection: TaskDetection) -> tuple[Problem, ...]:
    """Columns of a table that number its rows: they are not looked at, because they can only leak."""
    if detection.spec.medium != "table":
        return ()
    names = [name for name, column in detection.columns.items() if column.kind == "identifier"]
    return problems_from("identifier_column", names, severity="note")


def _beside_text(source: DataSource, detection: TaskDetection) -> tuple[Problem, ...]:
    """Columns of numbers and dates that are left aside because a column of texts is learnt from."""
    spec = detection.spec
    if spec.medium != "text" or source.files is not None:
        return ()
    used = {field.name for field in (*spec.inputs, *spec.targets)}
    beside = {name: column.kind for name, column in detection.columns.items() if name not in used}
    names = [name for name, kind in beside.items() if kind in ("number", "few_numbers", "date")]
    return problems_from("columns_beside_text", names, severity="note")


def require_learnable(report: DatasetReport) -> None:
    """Raise the CapasError ``unlearnable`` if one of the problems is an error."""
    grave = [problem for problem in report.problems if problem.severity == "error"]
    if grave:
        # A split is often empty because nearly all are copies of each other.
        copies = [one for one in report.problems if one.kind == "duplicates" and 2 * one.count > len(report.source)]
        said = [grave[0], *(copies if grave[0].kind.startswith("empty_") else ())]
        raise CapasError(
            "unlearnable", where=report.source.root, received=" ".join(one.sentence() for one in said),
            advice=grave[0].advice(), kind=grave[0].kind,
        )  # fmt: skip


def _merged(problems: Sequence[Problem]) -> list[Problem]:
    """One Problem per kind: a class can be empty as a folder and another because its images are broken."""
    merged: dict[str, Problem] = {}
    for problem in problems:
        before = merged.get(problem.kind)
        merged[problem.kind] = problem if before is None else replace(
            before, count=before.count + problem.count, examples=(*before.examples, *problem.examples)[:5]
        )  # fmt: skip
    return list(merged.values())
