"""What is given and what is wanted: the typed fields of an example, and the task that follows from them."""

from dataclasses import dataclass, field
from typing import Literal

FieldKind = Literal["image", "number", "category", "text", "audio"]
TaskName = Literal["classify", "tag", "label", "regress", "transform", "transcribe", "translate", "embed", "generate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One typed part of an example: ``name`` as the user wrote it, and what kind of thing it holds."""

    name: str
    kind: FieldKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """The learning problem: input fields, target field, and for a category the classes in a fixed order."""

    inputs: tuple[Field, ...]
    target: Field
    task: TaskName
    classes: tuple[str, ...] = field(default=())
