"""Look at data before any training: what it holds, what would be learned, how it would be split, what is
wrong.

Every picture is decoded once. What training needs afterwards (which examples are usable, their labels and
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
from capas.core.files import content_hash
from capas.data.columns import as_class
from capas.data.detect import Detection, detect
from capas.data.duplicates import groups as joined_groups
from capas.data.examine import Progress, Sight, examine
from capas.data.findings import (
    Repeats,
    class_problems,
    find_repeats,
    leaked,
    picture_problems,
    repeat_problems,
    split_problems,
)
from capas.data.folders import SplitName
from capas.data.pictures import MAX_PIXELS
from capas.data.problems import Problem, found, printable
from capas.data.sources import Source, open_source
from capas.data.splits import split
from capas.data.statistics import PictureStatistics, measure

_GRAVITY = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What was found. ``usable``, ``labels``, ``split`` and ``keys`` are as long as ``source``.

    ``labels`` index into ``detection.spec.classes``, −1 where an example has none; ``split`` is None and
    ``keys`` (the content hashes) "" where an example is not usable. ``detection.spec.classes`` are the
    classes that have a usable example. ``problems`` stand gravest first.
    """

    source: Source
    detection: Detection
    usable: tuple[bool, ...]
    labels: tuple[int, ...]
    split: tuple[SplitName | None, ...]
    keys: tuple[str, ...]
    problems: tuple[Problem, ...]
    statistics: PictureStatistics | None

    def per_class(self, side: SplitName | None = None) -> dict[str, int]:
        """The number of usable examples of each class, in one split or in all."""
        counts = Counter(
            label
            for label, usable, own in zip(self.labels, self.usable, self.split, strict=True)
            if usable and side in (None, own)
        )
        return {name: counts[i] for i, name in enumerate(self.detection.spec.classes)}

    def as_json(self) -> dict[str, object]:
        """What ``capas look --json`` prints."""
        spec = self.detection.spec
        target = {
            "name": spec.target.name,
            "kind": spec.target.kind,
            "role": "target",
            "classes": list(spec.classes),
        }
        sides: tuple[SplitName, ...] = ("train", "validation", "test")
        pictures = None if self.statistics is None else {**self.statistics.as_json(), "per_class": self.per_class()}
        return {
            "task": spec.task,
            "evidence": list(self.detection.evidence),
            "alternatives": [
                {"task": other.task, "target": other.target, "reason": other.reason}
                for other in self.detection.alternatives
            ],
            "fields": [*({"name": f.name, "kind": f.kind, "role": "input"} for f in spec.inputs), target],
            "splits": {side: {"count": self.split.count(side), "per_class": self.per_class(side)} for side in sides},
            "problems": [problem.as_json() for problem in self.problems],
            "pictures": pictures,
        }


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
    sights = examine(source.pictures, progress) if source.pictures is not None else None
    if sights is not None:
        _refuse_unreadable(source, sights)
    names = _names(source)
    cells = [as_class(cell) for cell in source.columns[detection.spec.target.name]]
    usable = [cell is not None and (sights is None or isinstance(sights[i], Sight)) for i, cell in enumerate(cells)]
    chosen = [i for i, good in enumerate(usable) if good]
    labels = [str(cells[i]) for i in chosen]
    tally = Counter(labels)
    counts = {name: tally[name] for name in detection.spec.classes}
    kept = tuple(name for name in detection.spec.classes if counts[name])
    detection = replace(detection, spec=replace(detection.spec, classes=kept))

    keys = _keys(source, detection, sights, chosen)
    repeats = find_repeats(keys, _thumbnails(sights, chosen)) if sights is not None else None
    fixed = [source.fixed_split[i] for i in chosen]
    sides = split(
        keys,
        labels,
        fixed=fixed,
        groups=_groups(source, group, chosen, keys, repeats),
        validation=validation,
        test=test,
    )
    problems = (
        *source.problems,
        *found("unlabelled", [names[i] for i, cell in enumerate(cells) if cell is None]),
        *(picture_problems(sights, lambda i: names[i]) if sights is not None else ()),
        *class_problems(counts),
        *(repeat_problems(repeats, labels, fixed, [names[i] for i in chosen]) if repeats is not None else ()),
        *split_problems(sides, labels, kept),
    )
    index = {name: i for i, name in enumerate(kept)}
    left_out = leaked(repeats.exact, sides) if repeats is not None else set()
    by_example = {
        i: (side, key) for n, (i, side, key) in enumerate(zip(chosen, sides, keys, strict=True)) if n not in left_out
    }
    usable = [i in by_example for i in range(len(cells))]
    return Look(
        source=source, detection=detection, usable=tuple(usable),
        labels=tuple(index.get(cell, -1) if cell is not None else -1 for cell in cells),
        split=tuple(by_example[i][0] if i in by_example else None for i in range(len(cells))),
        keys=tuple(by_example[i][1] if i in by_example else "" for i in range(len(cells))),
        problems=tuple(sorted(_merged(problems), key=lambda p: _GRAVITY.index(p.severity))),
        statistics=measure([s for s in sights if isinstance(s, Sight)]) if sights is not None else None,
    )  # fmt: skip


def refuse_if_unlearnable(seen: Look) -> None:
    """Raise the CapasError ``unlearnable`` that stops training, if one of the problems is an error."""
    grave = [problem for problem in seen.problems if problem.severity == "error"]
    if grave:
        raise CapasError(
            "unlearnable", where=seen.source.root, received=grave[0].sentence(), advice=grave[0].advice(),
            kind=grave[0].kind,
        )  # fmt: skip


def _refuse_unreadable(source: Source, sights: Sequence[Sight | CapasError]) -> None:
    failed = [sight for sight in sights if isinstance(sight, CapasError)]
    if 2 * len(failed) > len(sights):
        raise CapasError(
            "too_many_unreadable", where=source.root, received=f"{len(failed)} / {len(sights)}",
            first=printable(failed[0].where), reason=failed[0].part("what"),
        ) from failed[0]  # fmt: skip


def _names(source: Source) -> list[str]:
    if source.pictures is None:
        return [f"#{i + 1}" for i in range(len(source))]
    return [source.pictures.name(i) for i in range(len(source))]


def _keys(
    source: Source, detection: Detection, sights: Sequence[Sight | CapasError] | None, chosen: Sequence[int]
) -> list[str]:
    """The content of each usable example: the picture's hash, or that of the row's input cells."""
    if sights is not None:
        return [sight.hash for i in chosen if isinstance(sight := sights[i], Sight)]
    columns = [source.columns[field.name] for field in detection.spec.inputs]
    return [content_hash(repr([cells[i] for cells in columns]).encode("utf-8", "backslashreplace")) for i in chosen]


def _thumbnails(sights: Sequence[Sight | CapasError], chosen: Sequence[int]) -> NDArray[np.uint8]:
    seen = [sight.thumbnail for i in chosen if isinstance(sight := sights[i], Sight)]
    return np.stack(seen) if seen else np.empty((0, 16, 16), dtype=np.uint8)


def _groups(
    source: Source, group: str | None, chosen: Sequence[int], keys: Sequence[str], repeats: Repeats | None
) -> tuple[str, ...]:
    """What must stay together: equal cells of the ``group`` column, and duplicates, near or exact."""
    near = repeats.near if repeats is not None else np.empty((0, 2), dtype=np.int64)
    if group is None:
        return joined_groups(keys, near)
    if group not in source.columns:
        names = [printable(name) for name in source.columns]
        closest = difflib.get_close_matches(group, names, n=1, cutoff=0.0)[0]
        raise CapasError(
            "no_such_group", where=source.root, received=group, nearest=closest, available=", ".join(names)
        )
    cells = source.columns[group]
    same = [pair for exact in (repeats.exact if repeats is not None else ()) for pair in pairwise(exact)]
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
