"""Targets in the columns of a source: classes, tags, numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from capas.core.spec import UNLABELLED_TASKS, Spec
from capas.data.collections import LazySequence
from capas.data.sources.source import DataSource
from capas.data.tabular.column_types import class_label, detect_tag_separator, split_tags
from capas.data.tabular.columns import Cell, TableColumn, map_cells

# A class or the tags by their number, the value of every number, or None where the target is a file or text of its own.
Label = int | tuple[int, ...] | tuple[float, ...] | None


def label_values(label: Label) -> tuple[int | float, ...]:
    """Return the class, the tags or the numbers of a label as a tuple; empty where there is no label."""
    return () if label is None else label if isinstance(label, tuple) else (label,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """The targets of all examples.

    Attributes:
        has_target: Whether each example has one.
        labels: The labels, with class indices.
        names: The labels in words.
        classes: Class or tag names.
    """

    has_target: tuple[bool, ...]
    labels: tuple[Label, ...]
    names: Sequence[str]
    classes: tuple[str, ...]

    @staticmethod
    def read(source: DataSource, spec: Spec) -> "Targets":
        """Read the targets that ``spec`` names."""
        if source.targets is not None or (spec.task in UNLABELLED_TASKS and not spec.classes):
            count = len(source)
            return Targets(
                has_target=(True,) * count, labels=(None,) * count, names=("",) * count, classes=spec.classes
            )
        columns = [source.columns[field.name] for field in spec.targets]
        labels = _labels(columns, spec)
        has_target = tuple([label is not None for label in labels])
        return Targets(has_target=has_target, labels=labels, names=_names(columns), classes=spec.classes)

    def renumbered(self, classes: Sequence[str]) -> tuple[Label, ...]:
        """Return the labels with indices into ``classes``, a subset of the original ones; None for other classes."""
        if tuple(classes) == self.classes:
            return self.labels
        place = {name: i for i, name in enumerate(classes)}
        new = [place.get(name) for name in self.classes]

        def renumber(label: Label) -> Label:
            if isinstance(label, tuple):
                return tuple(n for i in label if (n := new[int(i)]) is not None)
            return None if label is None else new[label]

        return tuple(map(renumber, self.labels))


def _names(columns: Sequence[TableColumn]) -> Sequence[str]:
    """The cells of each example in words, made when they are asked for where most of them differ."""
    if all(2 * column.distinct < len(column) for column in columns):
        words = [map_cells(column, lambda cell: class_label(cell) or "") for column in columns]
        return tuple(words[0] if len(words) == 1 else map(";".join, zip(*words, strict=True)))
    return LazySequence(lambda i: ";".join(class_label(column[i]) or "" for column in columns), range(len(columns[0])))


def _labels(columns: Sequence[TableColumn], spec: Spec) -> tuple[Label, ...]:
    number = {name: i for i, name in enumerate(spec.classes)}
    if spec.task == "regress" and len(columns) == 1:
        return tuple(map_cells(columns[0], lambda cell: (cell,) if isinstance(cell, float) else None))
    if spec.task == "regress":
        rows = ([cell for cell in row if isinstance(cell, float)] for row in zip(*columns, strict=True))
        return tuple(tuple(row) if len(row) == len(columns) else None for row in rows)
    separator = detect_tag_separator(columns[0]) if spec.task == "tag" else ""

    def label(cell: Cell) -> Label:
        name = class_label(cell)
        if name is None or spec.task != "tag":
            return None if name is None else number[name]
        return tuple(sorted(number[tag] for tag in split_tags(name, separator)))

    return tuple(map_cells(columns[0], label))
