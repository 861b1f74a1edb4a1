"""The dataset report of ``capas look``: contents, detected task, splits and problems.

Every example is read once. What training needs afterwards (which examples are usable, their labels and splits) is kept
in the ``DatasetReport``, so that they need not be read again.
"""

import difflib
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.i18n import Value
from capas.core.spec import Field, Spec
from capas.data.collections import ExampleCollection, LazySequence, TableRows, TextCollection
from capas.data.image.io import MAX_PIXELS
from capas.data.inspect.data_checks import (
    Duplicates,
    class_name_problems,
    duplicate_problems,
    find_duplicates,
    leaked_examples,
    split_problems,
    structured_class_problems,
    target_problems,
)
from capas.data.inspect.dataset_scan import DatasetScan, DatasetStatistics, Progress, scan_dataset
from capas.data.inspect.duplicates import splittable_groups
from capas.data.inspect.label_scheme_checks import label_scheme_problems
from capas.data.inspect.name_groups import asked_part, groups_in_names, name_parts, part_of_names
from capas.data.inspect.shortcuts import shortcut_problems, target_leakage_problems
from capas.data.inspect.target_checks import TargetChecks, check_targets
from capas.data.inspect.task_detection import TaskDetection, detect_task
from capas.data.inspect.time_order import TimeSplit, split_by_time
from capas.data.naming import SplitName
from capas.data.problems import Problem, escape_unprintable, problems_from
from capas.data.sources.page_lines import PageLineImages
from capas.data.sources.source import DataSource, open_source
from capas.data.splits import assign_splits, validation_share
from capas.data.tabular.column_types import class_label
from capas.data.targets import Label, Targets, label_values

_TEST: SplitName = "test"
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

    def per_class(self, split_name: SplitName | None = None) -> dict[str, int]:
        """Return the number of usable examples of each class or tag, in one split or in all."""
        # Of a million examples few differ in both: each pair of label and split is looked at once.
        counts = Counter[int | float]()
        for (label, own), count in Counter(zip(self.labels, self.split, strict=True)).items():
            if own is not None and split_name in (None, own):
                for number in label_values(label):
                    counts[number] += count
        return {name: counts[i] for i, name in enumerate(self.detection.spec.classes)}

    def as_json(self) -> dict[str, object]:
        """Return what ``capas look --json`` prints."""
        spec = self.detection.spec
        counted = spec.task in ("classify", "tag")
        sides: tuple[SplitName, ...] = ("train", "validation", "test")
        seen = {} if self.statistics is None else {
            self.statistics.kind: self.statistics.as_json() | ({"per_class": self.per_class()} if counted else {})
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
                side: {"count": self.split.count(side)} | ({"per_class": self.per_class(side)} if counted else {})
                for side in sides
            },
            "problems": [problem.as_json() for problem in self.problems],
            **seen,
        }


def _field_json(field: Field, role: str) -> dict[str, object]:
    unit = {"unit": field.unit} if field.unit else {}
    return {"name": field.name, "kind": field.kind, "role": role, **unit}


def input_collection(source: DataSource, spec: Spec) -> ExampleCollection:
    """Return the inputs of ``spec``: the files, a column of texts, or the rows of the input columns."""
    if source.files is not None:
        return source.files
    names = LazySequence(lambda row: f"#{row + 1}", range(len(source)))
    columns = {field.name: source.columns[field.name] for field in spec.inputs if field.name in source.columns}
    if spec.medium == "text":
        cells = next(iter(columns.values()))
        return TextCollection(["" if cell is None else str(cell) for cell in cells], names)
    return TableRows(columns, names)


def inspect_dataset(
    data: str | Path,
    *,
    target: str | None = None,
    task: str | None = None,
    group: str | None = None,
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
    read = _read(source, detect_task(source, target=target, task=task, group=group), progress)
    splits = _decide_splits(read, group=group, validation=validation, test=test, learning=learning)
    left_out = leaked_examples(splits.repeats.exact, splits.sides)
    sides: list[SplitName | None] = [None] * len(source)
    keys = [""] * len(source)
    for n, (i, side, key) in enumerate(zip(read.chosen, splits.sides, read.keys, strict=True)):
        if n not in left_out:
            sides[i], keys[i] = side, key
    return DatasetReport(
        source=source, inputs=read.inputs, detection=read.detection,
        usable=tuple([side is not None for side in sides]),
        labels=read.wanted.renumbered(read.spec.classes),
        split=tuple(sides),
        keys=tuple(keys),
        problems=tuple(sorted(_merged(_problems(read, splits, group)), key=lambda p: _GRAVITY.index(p.severity))),
        statistics=read.scan.statistics,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _ReadDataset:
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
        return self.spec.classes if self.spec.task == "classify" else ()

    @property
    def strata(self) -> Sequence[str]:
        """The class of each usable example; "" for other tasks."""
        return list(self.words) if self.classes else [""] * len(self.words)


def _read(source: DataSource, detection: TaskDetection, progress: Progress | None) -> _ReadDataset:
    inputs = input_collection(source, detection.spec)
    seen = scan_dataset(inputs, progress, detection.columns)
    _refuse_unreadable(source, seen)
    wanted = Targets.read(source, detection.spec)
    beside = check_targets(source)
    good = np.array(wanted.has_target, dtype=bool) & np.array(beside.fits, dtype=bool)
    good[list(seen.errors)] = False
    chosen = array("q", np.flatnonzero(good).astype(np.int64).tobytes())
    counts, used = _with_used_classes(detection, wanted, chosen)
    return _ReadDataset(
        source=source, inputs=inputs, detection=used, scan=seen, wanted=wanted, beside=beside, chosen=chosen,
        counts=counts, words=LazySequence(wanted.names.__getitem__, chosen),
        keys=[key for i in chosen if isinstance(key := seen.content_hashes[i], str)],
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _DecidedSplits:
    """The splits of the usable examples, and what decided them.

    Attributes:
        sides: The split of each.
        fixed: The split that the data lay down for each; None where they lay down none.
        in_time: The split by date that ``fixed`` is, if it is one.
        repeats: The duplicates among them.
        groups: What each must stay together with.
        torn: Those that are too much alike to stay together.
    """

    sides: Sequence[SplitName]
    fixed: Sequence[SplitName | None]
    in_time: TimeSplit | None
    repeats: Duplicates
    groups: Sequence[str]
    torn: Sequence[int]


def _decide_splits(
    read: _ReadDataset, *, group: str | None, validation: float | None, test: float, learning: bool
) -> _DecidedSplits:
    source, chosen = read.source, read.chosen
    if validation is None:
        fixed_test = sum(source.fixed_split[i] == _TEST for i in chosen)
        rest = len(chosen) - fixed_test if fixed_test else round((1 - test) * len(chosen))
        validation = min(validation_share(read.spec, rest), (1 - test) / 2)
    in_time = None
    if group is None and set(source.fixed_split) == {None} and source.medium == "table":
        in_time = split_by_time(source.columns, validation=validation, test=test)
    fixed = [(in_time.splits if in_time else source.fixed_split)[i] for i in chosen]
    pages = read.inputs if isinstance(read.inputs, PageLineImages) else None
    # Small pictures of lines of one hand are all alike, and a line has no copy on another page.
    compared = None if pages is not None else read.scan.thumbnails
    repeats = find_duplicates(read.keys, None if compared is None else _stacked([compared[i] for i in chosen]), fixed)
    own = read.keys if pages is None else [pages.page_name(i) for i in chosen]
    groups, torn = _groups(read, group, own, repeats)
    if not learning and set(fixed) & {"test", "validation"} and "train" not in fixed:
        sides: tuple[SplitName, ...] = tuple(_TEST for _ in fixed)
    else:
        sides = assign_splits(read.keys, read.strata, fixed=fixed, groups=groups, validation=validation, test=test)
    return _DecidedSplits(sides=sides, fixed=fixed, in_time=in_time, repeats=repeats, groups=groups, torn=torn)


def _problems(read: _ReadDataset, splits: _DecidedSplits, group: str | None) -> tuple[Problem, ...]:
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
        *duplicate_problems(splits.repeats, read.words, splits.fixed, names, splits.groups),
        *problems_from("alike_apart", [names[i] for i in splits.torn] if set(splits.sides) - {"train"} else ()),
        *split_problems(splits.sides, read.strata, read.classes),
        *_time_note(splits.in_time),
        *(_group_hint(read, splits) if group is None else ()),
        *structured_class_problems(spec, splits.sides, held),
        *class_name_problems(read.counts),
        *(_bias(source, spec, read.scan, chosen, read.words) if read.classes else ()),
        *_identifiers(read.detection),
        *_beside_text(source, read.detection),
    )


def _group_hint(read: _ReadDataset, splits: _DecidedSplits) -> tuple[Problem, ...]:
    """What the names of the files tell of people or things that are in training and test alike."""
    if read.source.files is None or any(splits.fixed) or read.spec.task not in ("classify", "tag", "regress"):
        return ()
    if read.source.layout == "table":  # its columns may name groups, and are asked by the report
        return ()
    names = [read.inputs.name(i) for i in read.chosen]
    found = groups_in_names(names, [read.wanted.labels[i] for i in read.chosen])
    if found is None:
        return ()
    number, values = found
    counts = Counter(values)
    values_told: dict[str, Value] = {"number": number, "groups": len(counts)}
    return problems_from("groups_in_names", [name for name, _ in counts.most_common()], values=values_told)


def _time_note(split: TimeSplit | None) -> tuple[Problem, ...]:
    if split is None:
        return ()
    values: dict[str, Value] = {"column": split.column, "since": split.since.isoformat()}
    return problems_from("split_by_time", [split.column], severity="note", values=values)


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


def _with_used_classes(
    detection: TaskDetection, targets: Targets, chosen: Sequence[int]
) -> tuple[dict[str, int], TaskDetection]:
    """How many of the ``chosen`` examples each class or tag has, and the detection without those that have none."""
    spec = detection.spec
    if spec.task not in ("classify", "tag"):
        return {}, detection
    tally = Counter[int | float]()
    for label, count in Counter(targets.labels[i] for i in chosen).items():
        for number in label_values(label):
            tally[number] += count
    counts = {name: tally[number] for number, name in enumerate(spec.classes)}
    return counts, replace(detection, spec=replace(spec, classes=tuple(n for n in spec.classes if counts[n])))


def _stacked(thumbnails: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.stack(thumbnails) if thumbnails else np.empty((0, 16, 16), dtype=np.uint8)


def require_learnable(report: DatasetReport) -> None:
    """Raise the CapasError ``unlearnable`` if one of the problems is an error."""
    grave = [problem for problem in report.problems if problem.severity == "error"]
    if grave:
        raise CapasError(
            "unlearnable", where=report.source.root, received=grave[0].sentence(), advice=grave[0].advice(),
            kind=grave[0].kind,
        )  # fmt: skip


def _refuse_unreadable(source: DataSource, scan: DatasetScan) -> None:
    failed = list(scan.errors.values())
    if 2 * len(failed) > len(scan.content_hashes):
        raise CapasError(
            "too_many_unreadable", where=source.root, received=f"{len(failed)} / {len(scan.content_hashes)}",
            first=escape_unprintable(failed[0].where), reason=failed[0].part("what"), advice=failed[0].part("next"),
        ) from failed[0]  # fmt: skip


def _groups(
    read: _ReadDataset, group: str | None, keys: Sequence[str], repeats: Duplicates
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """What must stay together: equal cells of the ``group`` column or parts of the names, and duplicates, near or
    exact; and the examples that are too much alike to stay together."""
    source, chosen, strata = read.source, read.chosen, read.strata
    if group is None:
        return splittable_groups(keys, repeats.near, strata)
    number = asked_part(group)
    if group not in source.columns and number is not None and source.files is not None:
        parts = part_of_names([read.inputs.name(i) for i in chosen], number)
        if any(parts):
            return _kept_together([part or key for part, key in zip(parts, keys, strict=True)], read, repeats)
    if group not in source.columns:
        names = [escape_unprintable(name) for name in source.columns]
        names += [f"name:{number}" for number in name_parts([read.inputs.name(i) for i in chosen]) if source.files]
        closest = difflib.get_close_matches(group, names, n=1, cutoff=0.0)[0]
        raise CapasError(
            "no_such_group", where=source.root, received=group, nearest=closest, available=", ".join(names)
        )
    cells = source.columns[group].take(chosen)
    return _kept_together([class_label(cell) or key for cell, key in zip(cells, keys, strict=True)], read, repeats)


def _kept_together(
    groups: Sequence[str], read: _ReadDataset, repeats: Duplicates
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    same = [pair for exact in repeats.exact for pair in pairwise(exact)]
    return splittable_groups(groups, repeats.near, read.strata, np.array(same, dtype=np.int64).reshape(-1, 2))


def _merged(problems: Sequence[Problem]) -> list[Problem]:
    """One Problem per kind: a class can be empty as a folder and another because its images are broken."""
    merged: dict[str, Problem] = {}
    for problem in problems:
        before = merged.get(problem.kind)
        merged[problem.kind] = problem if before is None else replace(
            before, count=before.count + problem.count, examples=(*before.examples, *problem.examples)[:5]
        )  # fmt: skip
    return list(merged.values())
