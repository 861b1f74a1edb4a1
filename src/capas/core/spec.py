"""What is given and what is wanted: the typed fields of an example, and the task that follows from them."""

from dataclasses import dataclass, field
from typing import Literal

FieldKind = Literal[
    "image", "audio", "text", "tokens", "number", "category", "date", "tags", "mask", "transcript",
    "segments",
]  # fmt: skip
Medium = Literal["image", "audio", "text", "tokens", "table"]
TaskName = Literal["classify", "tag", "label", "regress", "transform", "transcribe", "translate", "embed", "generate"]

# What can be learnt from what; ``engine.recipes`` has a recipe for each.
LEARNABLE: frozenset[tuple[TaskName, Medium]] = frozenset({
    ("classify", "image"), ("tag", "image"), ("regress", "image"),
    ("classify", "text"), ("tag", "text"), ("regress", "text"),
    ("classify", "audio"), ("tag", "audio"), ("regress", "audio"),
    ("classify", "table"), ("tag", "table"), ("regress", "table"),
    ("label", "image"), ("transform", "image"), ("transcribe", "image"), ("transcribe", "audio"),
    ("label", "tokens"), ("label", "audio"), ("translate", "text"),
})  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One typed part of an example: ``name`` as the user wrote it, what kind of thing it holds, and the unit of a
    number ("" where none is known)."""

    name: str
    kind: FieldKind
    unit: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """The learning problem: input fields, target fields (one, or several numbers), and for categories, tags and labels
    the classes in a fixed order."""

    inputs: tuple[Field, ...]
    target: Field
    task: TaskName
    classes: tuple[str, ...] = field(default=())
    further_targets: tuple[Field, ...] = field(default=())

    @property
    def targets(self) -> tuple[Field, ...]:
        """All target fields."""
        return (self.target, *self.further_targets)

    @property
    def medium(self) -> Medium:
        """What kind of thing the input is: a table's row, unless its one input field is something else."""
        for input_field in self.inputs:
            for medium in ("image", "audio", "tokens", "text"):
                if input_field.kind == medium:
                    return medium
        return "table"
