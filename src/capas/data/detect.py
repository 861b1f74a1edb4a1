"""What is to be learned: the target field and the task that follows from its type, with the evidence for it.

Class folders name their target. In a table a column called "label", "class", "categoría" … wins; without one
the last column of categories. Identifiers are never a target unless nothing else is meant to be one, which is
an error.
"""

import difflib
from dataclasses import dataclass
from typing import Final, get_args

from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.spec import Field, FieldKind, Spec, TaskName
from capas.data.columns import Column, class_names, describe
from capas.data.folders import plain
from capas.data.problems import printable
from capas.data.sources import CLASS_COLUMN, Layout, Source

AVAILABLE: Final[tuple[TaskName, ...]] = ("classify",)
FOLDER_LAYOUTS: Final[tuple[Layout, ...]] = ("class_folders", "split_folders", "sample")
_TARGET_NAMES: Final = (
    "label", "class", "target", "category", "clase", "etiqueta", "categoria", "objetivo", "y", "labels",
    "classes", "class_name", "classname", "label_name", "species", "especie", "tipo", "type", "diagnosis",
    "diagnostico",
)  # fmt: skip
_KINDS: Final[dict[str, FieldKind]] = {
    "category": "category", "few_numbers": "number", "number": "number", "text": "text",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """Another way to read the same data: ``--task`` and ``--target`` to ask for it, and the ``reason`` it
    exists."""

    task: TaskName
    target: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """The ``spec``, the ``evidence`` for it in sentences, and the ``alternatives``."""

    spec: Spec
    evidence: tuple[str, ...]
    alternatives: tuple[Alternative, ...]


def detect(
    source: Source, *, target: str | None = None, task: str | None = None, group: str | None = None
) -> Detection:
    """Decide what is to be learned from ``source``; ``target`` and ``task`` override what would be chosen. The column
    ``group`` says which examples belong together, so it is never what is to be learned.

    Raises CapasError ``unknown_task``, ``task_not_available``, ``no_such_target``, ``no_labels``,
    ``no_target``, ``target_is_identifier``, ``target_is_number``, ``target_is_text`` or ``target_empty``.
    """
    wanted = None if task is None else _known_task(task)
    if not source.columns:
        raise CapasError("no_labels", where=source.root, received=len(source))
    columns = {name: describe(name, cells) for name, cells in source.columns.items()}
    candidates = {name: column for name, column in columns.items() if name != group} or columns
    chosen, why = _choose(source, candidates if target is None else columns, target)
    _check_target(source, chosen, wanted)
    spec = Spec(
        inputs=_inputs(source, columns, chosen.name),
        target=Field(name=chosen.name, kind="category"),
        task="classify",
        classes=class_names(source.columns[chosen.name]),
    )
    return Detection(
        spec=spec,
        evidence=(*source.evidence, *((why,) if why else ()), *_unused_columns(source, spec)),
        alternatives=_alternatives(source, columns, chosen.name),
    )


def _known_task(task: str) -> TaskName:
    """``task`` if this version learns it. Raises CapasError ``unknown_task`` or ``task_not_available``."""
    names: tuple[TaskName, ...] = get_args(TaskName)
    for name in names:
        if name == task:
            if name not in AVAILABLE:
                raise CapasError("task_not_available", where="--task", received=task, available=", ".join(AVAILABLE))
            return name
    near = difflib.get_close_matches(task, names, n=1, cutoff=0.0)[0]
    raise CapasError("unknown_task", where="--task", received=task, nearest=near, available=", ".join(AVAILABLE))


def _choose(source: Source, columns: dict[str, Column], target: str | None) -> tuple[Column, str]:
    """The target column and the sentence that says why it is this one ("" where folders leave no choice)."""
    if target is not None:
        return _named(source, columns, target), say("detect.target_asked", column=printable(target))
    if source.layout in FOLDER_LAYOUTS:
        return columns[CLASS_COLUMN], ""
    named = [column for name in _TARGET_NAMES for column in columns.values() if plain(column.name) == name]
    usable = [column for column in named if column.kind not in ("identifier", "text", "empty")]
    if usable:
        return usable[0], say("detect.target_named", column=printable(usable[0].name))
    for kind, reason in (("category", "detect.target_last"), ("few_numbers", "detect.target_few")):
        last = [column for column in columns.values() if column.kind == kind]
        if last:
            return last[-1], say(reason, column=printable(last[-1].name), count=last[-1].distinct)
    numbers = [column for column in columns.values() if column.kind == "number"]
    if numbers:
        return numbers[-1], say("detect.target_number", column=printable(numbers[-1].name))
    raise CapasError("no_target", where=source.root, received=", ".join(map(printable, columns)))


def _named(source: Source, columns: dict[str, Column], target: str) -> Column:
    """The column that the user asked for, whatever its case. Raises CapasError ``no_such_target``."""
    by_name = {plain(name): column for name, column in columns.items()} | columns
    column = by_name.get(target) or by_name.get(plain(target))
    if column is not None:
        return column
    names = [printable(name) for name in columns]
    near = difflib.get_close_matches(target, names, n=1, cutoff=0.0)[0]
    raise CapasError("no_such_target", where=source.root, received=target, nearest=near, available=", ".join(names))


def _check_target(source: Source, column: Column, task: TaskName | None) -> None:
    """Refuse what cannot be classified, each kind with its own reason."""
    shown = printable(column.name)
    if column.kind == "empty":
        raise CapasError("target_empty", where=source.root, received=shown)
    if source.layout in FOLDER_LAYOUTS:
        return
    if column.kind == "identifier" or (column.kind == "text" and column.distinct == column.filled):
        key = "target_is_identifier" if column.kind == "identifier" else "target_is_text"
        raise CapasError(key, where=source.root, received=shown, distinct=column.distinct, count=column.filled)
    if column.kind == "number" and task == "classify" and 2 * column.distinct > column.filled:
        raise CapasError(
            "target_is_number",
            where=source.root,
            received=shown,
            distinct=column.distinct,
            count=column.filled,
        )
    if column.kind == "number" and task is None:
        raise CapasError("task_not_available", where=shown, received="regress", available=", ".join(AVAILABLE))


def _inputs(source: Source, columns: dict[str, Column], target: str) -> tuple[Field, ...]:
    """The pictures where there are some; else every column that says something of the target."""
    if source.pictures is not None:
        return (Field(name=source.picture_field, kind="image"),)
    return tuple(
        Field(name=column.name, kind=_KINDS[column.kind])
        for column in columns.values()
        if column.name != target and column.kind in _KINDS
    )


def _unused_columns(source: Source, spec: Spec) -> tuple[str, ...]:
    if source.pictures is None:
        return ()
    unused = [printable(name) for name in source.columns if name != spec.target.name]
    return (say("detect.unused_columns", columns=", ".join(unused)),) if unused else ()


def _alternatives(source: Source, columns: dict[str, Column], target: str) -> tuple[Alternative, ...]:
    """The other columns that could be a target, with the task that each would mean."""
    found: list[Alternative] = []
    for column in columns.values():
        name = printable(column.name)
        if column.kind in ("category", "few_numbers") and column.name != target:
            reason = say("detect.other_category", column=name, count=column.distinct)
            found.append(Alternative(task="classify", target=column.name, reason=reason))
        if column.kind in ("number", "few_numbers") and source.layout not in FOLDER_LAYOUTS:
            reason = say("detect.other_number", column=name)
            found.append(Alternative(task="regress", target=column.name, reason=reason))
    return tuple(found)
