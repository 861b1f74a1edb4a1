"""Look at data before any training: what it holds, what would be learned, how it would be split, what is
wrong.

Every example is read once. What training needs afterwards (which examples are usable, their labels and
splits) is kept in the ``Look``, so that it need not look again.
"""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.spec import Field, Spec
from capas.data.columns import as_class, describe
from capas.data.detect import Detection, detect
from capas.data.duplicates import groups as joined_groups
from capas.data.findings import Repeats, find_repeats, leaked, repeat_problems, split_problems, target_problems
from capas.data.folders import SplitName
from capas.data.inputs import Inputs, Rows, Texts
from capas.data.label_findings import label_problems
from capas.data.page_lines import PageLines
from capas.data.pictures import MAX_PIXELS
from capas.data.problems import Problem, found, printable
from capas.data.shortcuts import given_away, shortcut_problems
from capas.data.sources import Source, open_source
from capas.data.splits import split
from capas.data.survey import Progress, Statistics, Survey, survey
from capas.data.target_files import examine_targets
from capas.data.targets import Label, Targets, numbers_in

_GRAVITY = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What was found. ``usable``, ``labels``, ``split`` and ``keys`` are as long as ``source``.

    ``labels`` are a class as an index into ``detection.spec.classes``, tags as a tuple of such, numbers as a tuple of
    floats, and None where an example has none or its target is a file of its own; ``split`` is None and ``keys`` (the
    content hashes) "" where an example is not usable. ``detection.spec.classes`` are the classes that have a usable
    example. ``problems`` stand gravest first.
    """

    source: Source
    inputs: Inputs
    detection: Detection
    usable: tuple[bool, ...]
    labels: tuple[Label, ...]
    split: tuple[SplitName | None, ...]
    keys: tuple[str, ...]
    problems: tuple[Problem, ...]
    statistics: Statistics | None

    def per_class(self, side: SplitName | None = None) -> dict[str, int]:
        """The number of usable examples of each class or tag, in one split or in all."""
        counts = Counter(
            number
            for label, usable, own in zip(self.labels, self.usable, self.split, strict=True)
            if usable and side in (None, own)
            for number in numbers_in(label)
        )
        return {name: counts[i] for i, name in enumerate(self.detection.spec.classes)}

    def as_json(self) -> dict[str, object]:
        """What ``capas look --json`` prints."""
        spec = self.detection.spec
        counted = spec.task in ("classify", "tag")
        sides: tuple[SplitName, ...] = ("train", "validation", "test")
        seen = {} if self.statistics is None else {
            self.statistics.called: self.statistics.as_json() | ({"per_class": self.per_class()} if counted else {})
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


def inputs_of(source: Source, spec: Spec) -> Inputs:
    """What ``spec`` learns from: the files, a column of texts, or the rows of the input columns."""
    if source.files is not None:
        return source.files
    names = [f"#{i + 1}" for i in range(len(source))]
    columns = {field.name: source.columns[field.name] for field in spec.inputs if field.name in source.columns}
    if spec.medium == "text":
        cells = next(iter(columns.values()))
        return Texts(["" if cell is None else str(cell) for cell in cells], names)
    return Rows(columns, names)


def look(
    data: str | Path,
    *,
    target: str | None = None,
    task: str | None = None,
    group: str | None = None,
    max_pixels: int = MAX_PIXELS,
    validation: float = 0.15,
    test: float = 0.15,
    progress: Progress | None = None,
) -> Look:
    """Look at ``data`` (see ``open_source``); ``group`` names a column whose equal values must not be split
    up.

    ``progress(done, total)`` counts pictures. Raises CapasError ``too_many_unreadable`` when more than half
    of the pictures cannot be used, ``no_such_group``, and those of ``open_source`` and ``detect``.
    """
    source = open_source(data, target=target, max_pixels=max_pixels)
    detection = detect(source, target=target, task=task, group=group)
    inputs = inputs_of(source, detection.spec)
    seen = survey(inputs, progress)
    _refuse_unreadable(source, seen)
    wanted = Targets.read(source, detection.spec)
    beside = examine_targets(source)
    usable = [
        not isinstance(key, CapasError) and there and fits
        for key, there, fits in zip(seen.contents, wanted.there, beside.fits, strict=True)
    ]
    chosen = [i for i, good in enumerate(usable) if good]
    words = [wanted.words[i] for i in chosen]
    counts, detection = _with_used_classes(detection, wanted, chosen)

    keys = [key for i in chosen if isinstance(key := seen.contents[i], str)]
    pages = inputs if isinstance(inputs, PageLines) else None
    # Small pictures of lines of one hand are all alike, and a line has no copy on another page.
    compared = None if pages is not None else seen.thumbnails
    repeats = find_repeats(keys, None if compared is None else _stacked([compared[i] for i in chosen]))
    fixed = [source.fixed_split[i] for i in chosen]
    classes = detection.spec.classes if detection.spec.task == "classify" else ()
    strata = words if classes else [""] * len(words)
    own = keys if pages is None else [pages.page_name(i) for i in chosen]
    groups = _groups(source, group, chosen, own, repeats)
    sides = split(keys, strata, fixed=fixed, groups=groups, validation=validation, test=test)
    problems = (
        *source.problems,
        *found("unlabelled", [inputs.name(i) for i, there in enumerate(wanted.there) if not there]),
        # Readers take lines of any width.
        *(one for one in seen.problems if one.kind != "mixed_sizes" or source.target_kind != "transcript"),
        *beside.problems,
        *target_problems(detection.spec, counts, [wanted.labels[i] for i in chosen]),
        *label_problems(source.targets),
        *repeat_problems(repeats, words, fixed, [inputs.name(i) for i in chosen]),
        *split_problems(sides, strata, classes),
        *(_bias(source, detection.spec, seen, chosen, words) if classes else ()),
        *_identifiers(source, detection.spec),
    )
    left_out = leaked(repeats.exact, sides)
    by_example = {
        i: (side, key) for n, (i, side, key) in enumerate(zip(chosen, sides, keys, strict=True)) if n not in left_out
    }
    return Look(
        source=source, inputs=inputs, detection=detection,
        usable=tuple(i in by_example for i in range(len(source))),
        labels=wanted.renumbered(detection.spec.classes),
        split=tuple(by_example[i][0] if i in by_example else None for i in range(len(source))),
        keys=tuple(by_example[i][1] if i in by_example else "" for i in range(len(source))),
        problems=tuple(sorted(_merged(problems), key=lambda p: _GRAVITY.index(p.severity))),
        statistics=seen.statistics,
    )  # fmt: skip


def _bias(source: Source, spec: Spec, seen: Survey, chosen: Sequence[int], words: Sequence[str]) -> tuple[Problem, ...]:
    """What tells the class without being looked at, or alone."""
    used = {field.name for field in (*spec.inputs, *spec.targets)}
    attributes = {name: [values[i] for i in chosen] for name, values in seen.attributes.items()}
    others = {name: [cells[i] for i in chosen] for name, cells in source.columns.items() if name not in used}
    inputs = {name: [cells[i] for i in chosen] for name, cells in source.columns.items()
              if name in used and name != spec.target.name}  # fmt: skip
    return (*shortcut_problems(attributes, others, words), *given_away(inputs, words))


def _identifiers(source: Source, spec: Spec) -> tuple[Problem, ...]:
    """Columns of a table that number its rows: they are not looked at, because they can only leak."""
    if spec.medium != "table":
        return ()
    names = [name for name, cells in source.columns.items() if describe(name, cells).kind == "identifier"]
    return found("identifier_column", names, severity="note")


def _with_used_classes(
    detection: Detection, wanted: Targets, chosen: Sequence[int]
) -> tuple[dict[str, int], Detection]:
    """How many of the ``chosen`` examples each class or tag has, and the detection without those that have none."""
    spec = detection.spec
    if spec.task not in ("classify", "tag"):
        return {}, detection
    tally = Counter(number for i in chosen for number in numbers_in(wanted.labels[i]))
    counts = {name: tally[number] for number, name in enumerate(spec.classes)}
    return counts, replace(detection, spec=replace(spec, classes=tuple(n for n in spec.classes if counts[n])))


def _stacked(thumbnails: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.stack(thumbnails) if thumbnails else np.empty((0, 16, 16), dtype=np.uint8)


def refuse_if_unlearnable(seen: Look) -> None:
    """Raise the CapasError ``unlearnable`` that stops training, if one of the problems is an error."""
    grave = [problem for problem in seen.problems if problem.severity == "error"]
    if grave:
        raise CapasError(
            "unlearnable", where=seen.source.root, received=grave[0].sentence(), advice=grave[0].advice(),
            kind=grave[0].kind,
        )  # fmt: skip


def _refuse_unreadable(source: Source, seen: Survey) -> None:
    failed = [error for error in seen.contents if isinstance(error, CapasError)]
    if 2 * len(failed) > len(seen.contents):
        raise CapasError(
            "too_many_unreadable", where=source.root, received=f"{len(failed)} / {len(seen.contents)}",
            first=printable(failed[0].where), reason=failed[0].part("what"),
        ) from failed[0]  # fmt: skip


def _groups(
    source: Source, group: str | None, chosen: Sequence[int], keys: Sequence[str], repeats: Repeats
) -> tuple[str, ...]:
    """What must stay together: equal cells of the ``group`` column, and duplicates, near or exact."""
    near = repeats.near
    if group is None:
        return joined_groups(keys, near)
    if group not in source.columns:
        names = [printable(name) for name in source.columns]
        closest = difflib.get_close_matches(group, names, n=1, cutoff=0.0)[0]
        raise CapasError(
            "no_such_group", where=source.root, received=group, nearest=closest, available=", ".join(names)
        )
    cells = source.columns[group]
    same = [pair for exact in repeats.exact for pair in pairwise(exact)]
    linked = np.concatenate([near, np.array(same, dtype=np.int64).reshape(-1, 2)])
    return joined_groups([as_class(cells[i]) or key for i, key in zip(chosen, keys, strict=True)], linked)


def _merged(problems: Sequence[Problem]) -> list[Problem]:
    """One Problem per kind: a class can be empty as a folder and another because its pictures are broken."""
    merged: dict[str, Problem] = {}
    for problem in problems:
        before = merged.get(problem.kind)
        merged[problem.kind] = problem if before is None else replace(
            before, count=before.count + problem.count, examples=(*before.examples, *problem.examples)[:5]
        )  # fmt: skip
    return list(merged.values())
