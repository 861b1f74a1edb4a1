"""The specification of a learning problem: typed input and target fields, and the task that follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FieldKind = Literal[
    "image", "audio", "text", "tokens", "number", "category", "date", "tags", "mask", "transcript",
    "segments",
]  # fmt: skip
Medium = Literal["image", "audio", "text", "tokens", "table"]
TaskName = Literal[
    "classify", "tag", "label", "regress", "transform", "transcribe", "translate", "embed", "verify", "generate",
]  # fmt: skip

OutputKind = Literal["class", "tags", "numbers"]  # of a model with one output: softmax, sigmoid, standardised numbers
OUTPUT_KINDS: Mapping[TaskName, OutputKind] = {"classify": "class", "tag": "tags", "regress": "numbers"}
# Their labels are classes or tags: indices into ``Spec.classes``. To generate, a class may be asked for or not.
CLASS_TASKS: frozenset[TaskName] = frozenset({"classify", "tag", "verify", "generate"})
UNLABELLED_TASKS: frozenset[TaskName] = frozenset({"embed", "generate", "transform"})
# What can be learnt from what; ``engine.recipes`` has a recipe for each.
LEARNABLE: frozenset[tuple[TaskName, Medium]] = frozenset({
    ("classify", "image"), ("tag", "image"), ("regress", "image"),
    ("classify", "text"), ("tag", "text"), ("regress", "text"),
    ("classify", "audio"), ("tag", "audio"), ("regress", "audio"),
    ("classify", "table"), ("tag", "table"), ("regress", "table"),
    ("label", "image"), ("transform", "image"), ("transcribe", "image"), ("transcribe", "audio"),
    ("label", "tokens"), ("label", "audio"), ("translate", "text"),
    ("embed", "image"), ("embed", "audio"), ("embed", "text"), ("verify", "image"), ("verify", "audio"),
    ("generate", "image"),
})  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One typed field of an example.

    Attributes:
        name: Name as the user wrote it.
        kind: What it holds.
        unit: Unit of a number; "" where unknown.
    """

    name: str
    kind: FieldKind
    unit: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """A learning problem.

    Attributes:
        inputs: Input fields.
        target: Target field; None where nothing is given to be learned: to embed, to generate, to transform unpaired.
        task: The task.
        classes: Classes, tags or labels, or the different captions, in a fixed order; empty otherwise.
        further_targets: Further numeric targets.
    """

    inputs: tuple[Field, ...]
    target: Field | None
    task: TaskName
    classes: tuple[str, ...] = field(default=())
    further_targets: tuple[Field, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.target is None and (self.task not in UNLABELLED_TASKS or self.further_targets):
            raise ValueError(f"task {self.task} without a target; expected one of {sorted(UNLABELLED_TASKS)}")

    @property
    def targets(self) -> tuple[Field, ...]:
        """All target fields; empty without a target."""
        return () if self.target is None else (self.target, *self.further_targets)

    @property
    def captioned(self) -> bool:
        """Whether ``classes`` are texts that say what is on each picture, to generate what any text says."""
        return self.task == "generate" and self.target is not None and self.target.kind == "text"

    @property
    def unpaired(self) -> bool:
        """Whether ``classes`` are two collections without pairs, each of which is transformed into the other."""
        return self.task == "transform" and self.target is not None and self.target.kind == "category"

    @property
    def labels_are_classes(self) -> bool:
        """Whether labels are indices into ``classes``."""
        return self.task in CLASS_TASKS or self.unpaired

    @property
    def columns_beside(self) -> tuple[Field, ...]:
        """The columns that are learnt from beside files, in the order of the network's inputs; empty for tables."""
        return () if self.medium == "table" else tuple(field for field in self.inputs if field.kind != self.medium)

    @property
    def medium(self) -> Medium:
        """Medium of the input: a table's row, unless its one input field is something else."""
        for input_field in self.inputs:
            for medium in ("image", "audio", "tokens", "text"):
                if input_field.kind == medium:
                    return medium
        return "table"
