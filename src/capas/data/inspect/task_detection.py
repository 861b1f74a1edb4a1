"""Detection of the task and target of a dataset, with the evidence for it.

Class folders and files in pairs name their target. In a table a column called "label", "class", "categoría", "price" …
wins; without one the last column of a plain table, and beside files the last one of categories, then of tags, then of
few numbers, then of numbers. Identifiers are never a target unless nothing else is possible, which is an error.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, get_args

import numpy as np

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.spec import LEARNABLE, Field, FieldKind, Medium, Spec, TaskName
from capas.data.audio.segments import SegmentCollection
from capas.data.inspect.columns_beside import INPUT_KINDS, ColumnsBeside, choose_columns_beside
from capas.data.naming import normalise_name
from capas.data.problems import escape_unprintable
from capas.data.sources.source import CLASS_COLUMN, DataSource, Layout
from capas.data.tabular.column_types import Column, ColumnKind, describe_column, sorted_class_names, sorted_tag_names
from capas.data.tabular.columns import TableColumn, TextColumn
from capas.data.tabular.packed_texts import number_of_words
from capas.data.tabular.units import unit_from_name

FOLDER_LAYOUTS: Final[tuple[Layout, ...]] = ("class_folders", "split_folders", "sample")
# In this order; a name of several words is written with "_" here, whatever stands between them.
_TARGET_NAMES: Final = (
    "label", "class", "target", "category", "clase", "etiqueta", "categoria", "objetivo", "y", "labels",
    "classes", "class_name", "classname", "label_name", "species", "especie", "diagnosis",
    "diagnostico", "tags", "topics", "etiquetas", "temas", "outcome", "resultado",
    "survived", "superviviente", "sobrevivio", "price", "precio", "sale_price", "saleprice", "selling_price",
    "median_house_value", "med_house_val", "medhouseval", "medv", "default", "defaulted", "impago", "loan_status",
    "default_payment_next_month", "credit_risk", "sentiment", "sentimiento", "polarity", "polaridad", "churn",
    "churned", "exited", "attrition", "abandono", "is_fraud", "isfraud", "fraud", "fraude", "is_spam", "spam",
    "readmitted", "readmission", "reingreso", "stroke", "heart_disease", "heartdisease", "disease", "enfermedad",
    "death_event", "death", "died", "mortality", "fallecido", "mortalidad", "purchased", "compra", "converted",
    "clicked", "subscribed", "approved", "aprobado", "toxic", "toxicity", "emotion", "emocion", "intent", "genre",
    "winner", "ganador", "machine_failure", "failure", "fallo", "averia", "defect", "defecto", "variety",
    "house_price", "car_price", "tipo", "type",
)  # fmt: skip
# A name may also end in one of these: "is_churn", "customer_diagnosis".
_TARGET_ENDINGS: Final = (
    "label", "target", "diagnosis", "outcome", "churn", "survived", "sentiment", "fraud", "etiqueta", "objetivo",
    "diagnostico", "resultado", "sentimiento", "fraude",
)  # fmt: skip
_IDENTITY_NAMES: Final = (
    "identity", "identidad", "speaker", "hablante", "locutor", "person", "persona", "subject", "sujeto", "writer",
    "hand", "mano", "scribe", "escriba", "author", "autor", "individual", "individuo", "client", "cliente", "signer",
)  # fmt: skip
NO_CLASS: Final = "none"  # as the target: to generate without a class
_COORDINATES: Final = frozenset({"x", "z", "depth", "lat", "lon"})
MIN_WORDS_OF_CAPTION: Final = 3  # on average; repeated texts that are shorter are the names of classes
MIN_WORDS_OF_TEXT: Final = 8  # on average; shorter texts beside columns of numbers are names, addresses, remarks
_KINDS: Final[Mapping[ColumnKind, FieldKind]] = {**INPUT_KINDS, "text": "text"}
_FILE_KINDS: Final[Mapping[Medium, FieldKind]] = {
    "image": "image", "audio": "audio", "text": "text", "tokens": "tokens",
}  # fmt: skip
# A kind of column, and the task that it makes a target of.
_TASKS: Final[dict[ColumnKind, TaskName]] = {
    "category": "classify", "few_numbers": "classify", "tags": "tag", "number": "regress",
}  # fmt: skip
_PAIRED: Final[dict[FieldKind, TaskName]] = {
    "mask": "label", "image": "transform", "transcript": "transcribe", "text": "translate", "tokens": "label",
    "segments": "label",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """Another reading of the same data: ``--task`` and ``--target`` to ask for it, and the ``reason`` for it."""

    task: TaskName
    target: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskDetection:
    """The detected task.

    Attributes:
        spec: What is learnt.
        evidence: Why, in sentences.
        alternatives: Other readings of the data.
        columns: What each column holds; empty where the target is no column.
    """

    spec: Spec
    evidence: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    columns: Mapping[str, Column] = field(default_factory=dict)


def detect_task(
    source: DataSource,
    *,
    target: str | None = None,
    task: str | None = None,
    group: str | None = None,
    columns_beside: bool | Sequence[str] = True,
    unpaired: bool = True,
) -> TaskDetection:
    """Detect the task of ``source``.

    Args:
        source: The data source.
        target: Overrides the target; several numeric columns are separated by commas.
        task: Overrides the task.
        group: Column that says which examples belong together; never a target.
        columns_beside: Whether the columns beside pictures and sounds are learnt from; or which ones.
        unpaired: Whether two class folders, to transform, are two collections without pairs.

    Raises:
        CapasError: ``collection_empty``, ``unknown_task``, ``task_not_available``, ``no_such_target``, ``no_labels``,
            ``no_target``, ``target_is_identifier``, ``target_is_number``, ``target_is_text`` or ``target_empty``.
    """
    wanted = None if task is None else _known_task(task)
    if source.targets is not None and source.target_kind is not None:
        return _paired(source, source.target_kind, wanted)
    if wanted == "transform" and source.images is not None:
        collections = _two_collections(source) if unpaired else None
        return _self_supervised_pairs(source) if collections is None else _without_pairs(source, collections)
    if wanted == "embed":
        return _without_target(source)
    if wanted == "generate" and source.images is None:
        raise CapasError("generate_wants_pictures", where=source.root, received=source.medium)
    if wanted == "generate" and not _class_to_generate(source, target):
        return _without_target(source, "generate")
    if not source.columns:
        raise CapasError("no_labels", where=source.root, received=len(source))
    columns = {name: describe_column(name, cells) for name, cells in source.columns.items()}
    candidates = {name: column for name, column in columns.items() if name != group} or columns
    chosen, why = _choose(source, candidates if target is None else columns, target, wanted)
    captioned = wanted == "generate" and len(chosen) == 1 and _holds_captions(source, chosen[0])
    for column in chosen if not captioned else ():
        _check_target(source, column, wanted)
    # What is beside tells two examples apart without a look at them.
    asked_beside = False if wanted in ("verify", "generate") else columns_beside
    beside = _columns_beside(source, columns, [column.name for column in chosen], group, asked_beside)
    spec = _spec(source, columns, chosen, wanted, beside.used)
    if captioned:
        spec = replace(spec, target=Field(name=chosen[0].name, kind="text"))
    _check_learnable(spec)
    return TaskDetection(
        spec=spec,
        evidence=(
            *source.evidence,
            *((why,) if why else ()),
            *((say("detect.identities", count=len(spec.classes)),) if spec.task == "verify" else ()),
            *_told_to_generate(spec),
            *_told_beside(beside),
            *_unused_columns(source, columns, spec),
        ),
        alternatives=_alternatives(source, columns, chosen[0].name, spec.task),
        columns=columns,
    )


def _columns_beside(
    source: DataSource,
    columns: Mapping[str, Column],
    targets: Sequence[str],
    group: str | None,
    requested: bool | Sequence[str],
) -> ColumnsBeside:
    """The columns beside the files; where some are asked for by name, those of them that there are."""
    if requested is False:
        return ColumnsBeside()
    if requested is True:
        return choose_columns_beside(source, columns, targets, group=group)
    return ColumnsBeside(used=tuple(columns[name] for name in requested if name in columns and name not in targets))


def _told_beside(beside: ColumnsBeside) -> tuple[str, ...]:
    lines = []
    if beside.used:
        names = ", ".join(escape_unprintable(column.name) for column in beside.used)
        lines.append(say("detect.columns_beside", count=len(beside.used), columns=names))
    if beside.giveaways:
        lines.append(say("detect.giveaways_beside", columns=", ".join(map(escape_unprintable, beside.giveaways))))
    return tuple(lines)


def _paired(source: DataSource, kind: FieldKind, task: TaskName | None) -> TaskDetection:
    """Files with files: the two kinds decide the task."""
    given = Field(name=source.file_field, kind=source.medium if source.medium != "table" else "number")
    names = {"mask": "mask", "image": "target", "transcript": "text", "text": "translation", "tokens": "label"}
    name = names.get(kind, kind)
    meant = _PAIRED[kind]
    spec = Spec(inputs=(given,), target=Field(name=name, kind=kind), task=meant, classes=source.classes)
    if task not in (None, meant):
        raise CapasError("task_not_of_data", where="--task", received=task, possible=meant)
    _check_learnable(spec)
    return TaskDetection(spec=spec, evidence=source.evidence, alternatives=_of_rows(source))


def _of_rows(source: DataSource) -> tuple[Alternative, ...]:
    """Segments that stand in a table: each sound could have one class instead."""
    if not isinstance(source.targets, SegmentCollection) or not source.targets.rows:
        return ()
    column = source.targets.rows
    reason = say("detect.segments_as_rows", column=escape_unprintable(column))
    return (Alternative(task="classify", target=column, reason=reason),)


def _self_supervised_pairs(source: DataSource) -> TaskDetection:
    """Images from which both what is given and what is wanted are made; their classes, if any, are left aside."""
    spec = Spec(
        inputs=(Field(name=source.file_field, kind="image"),), target=Field(name="target", kind="image"),
        task="transform",
    )  # fmt: skip
    evidence = say("detect.pictures_themselves", count=len(source))
    return TaskDetection(spec=spec, evidence=(evidence,), alternatives=())


def _two_collections(source: DataSource) -> tuple[str, str] | None:
    """The names of two class folders, None where there are others; raises CapasError ``collection_empty`` where one of
    them holds nothing."""
    if source.layout not in FOLDER_LAYOUTS or CLASS_COLUMN not in source.columns:
        return None
    names = sorted_class_names(source.columns[CLASS_COLUMN])
    empty = [name for one in source.problems if one.kind == "empty_class" for name in one.examples]
    if len(names) == 1 and len(empty) == 1:
        raise CapasError("collection_empty", where=source.root, received=empty[0], other=names[0])
    return (names[0], names[1]) if len(names) == 2 else None


def _without_pairs(source: DataSource, collections: tuple[str, str]) -> TaskDetection:
    """Two collections, of which each is transformed into the other."""
    spec = Spec(
        inputs=(Field(name=source.file_field, kind="image"),), target=Field(name=CLASS_COLUMN, kind="category"),
        task="transform", classes=collections,
    )  # fmt: skip
    first, second = map(escape_unprintable, collections)
    evidence = (*source.evidence, say("detect.unpaired", first=first, second=second))
    return TaskDetection(spec=spec, evidence=evidence, alternatives=())


def _without_target(source: DataSource, task: TaskName = "embed") -> TaskDetection:
    """Files, or to embed the texts of a table, that are learnt from as they are; their classes and the other columns,
    if any, are left aside.
    """
    column = longest_text_column(source) if source.files is None and task == "embed" else None
    if column is not None:
        given = Field(name=column, kind="text")
        evidence = say("detect.without_target_column", count=len(source), column=escape_unprintable(column))
    elif source.files is not None:
        given = Field(name=source.file_field, kind=_FILE_KINDS[source.medium])
        evidence = say("detect.without_target", count=len(source))
    else:
        raise CapasError("embed_wants_files", where=source.root, received=source.medium)
    spec = Spec(inputs=(given,), target=None, task=task)
    _check_learnable(spec)
    return TaskDetection(spec=spec, evidence=(evidence,), alternatives=())


def _told_to_generate(spec: Spec) -> tuple[str, ...]:
    if spec.task != "generate":
        return ()
    if spec.captioned:
        return (say("detect.generated_by_text", count=len(spec.classes)),)
    return (say("detect.generated_by_class", count=len(spec.classes)),)


def _holds_captions(source: DataSource, column: Column) -> bool:
    """Whether a column says in words what is seen on each picture, rather than naming its class."""
    if column.kind == "category":
        return _mean_words(source.columns[column.name]) >= MIN_WORDS_OF_CAPTION
    return column.kind == "text"


def _class_to_generate(source: DataSource, target: str | None) -> bool:
    """Whether it is learnt to generate each class of a column: one that is asked for, or that of class folders."""
    if target is None:
        return source.layout in FOLDER_LAYOUTS and CLASS_COLUMN in source.columns
    return target != NO_CLASS or target in source.columns


def _known_task(task: str) -> TaskName:
    """``task`` if this version learns it. Raises CapasError ``unknown_task`` or ``task_not_available``."""
    names: tuple[TaskName, ...] = get_args(TaskName)
    learnable = sorted({name for name, _ in LEARNABLE})
    for name in names:
        if name == task:
            if name not in learnable:
                raise CapasError("task_not_available", where="--task", received=task, available=", ".join(learnable))
            return name
    near = difflib.get_close_matches(task, names, n=1, cutoff=0.0)[0]
    raise CapasError("unknown_task", where="--task", received=task, nearest=near, available=", ".join(learnable))


def _check_learnable(spec: Spec) -> None:
    if (spec.task, spec.medium) not in LEARNABLE:
        known = ", ".join(sorted(f"{task} ({medium})" for task, medium in LEARNABLE))
        received = f"{spec.task} ({spec.medium})"
        raise CapasError(
            "task_not_available",
            where=spec.targets[0].name if spec.targets else spec.task,
            received=received,
            available=known,
        )


def _choose(
    source: DataSource, columns: Mapping[str, Column], target: str | None, task: TaskName | None = None
) -> tuple[list[Column], str]:
    """The target columns and the sentence that says why it is these ("" where folders leave no choice)."""
    if target is not None:
        names = [target] if target in columns else [name.strip() for name in target.split(",")]
        chosen = [_named(source, columns, name) for name in names]
        return chosen, say("detect.target_asked", column=", ".join(escape_unprintable(c.name) for c in chosen))
    if source.layout in FOLDER_LAYOUTS and CLASS_COLUMN in columns:
        return [columns[CLASS_COLUMN]], ""
    if task == "verify" and (identity := _identity_column(columns)) is not None:
        return [identity], say("detect.target_named", column=escape_unprintable(identity.name))
    if (telling := _by_name(columns)) is not None:
        return [telling], say("detect.target_named", column=escape_unprintable(telling.name))
    columns = {name: column for name, column in columns.items() if column.distinct > 1} or columns
    final = list(columns.values())[-1]
    if source.files is None and final.kind in _TASKS:
        return [final], say("detect.target_final", column=escape_unprintable(final.name))
    for kind, reason in (("category", "target_last"), ("tags", "target_tags"), ("few_numbers", "target_few")):
        last = [column for column in columns.values() if column.kind == kind]
        if last:
            listing = escape_unprintable(last[-1].name)
            return [last[-1]], say(f"detect.{reason}", column=listing, count=last[-1].distinct)
    numbers = [column for column in columns.values() if column.kind == "number"]
    if numbers:
        return [numbers[-1]], say("detect.target_number", column=escape_unprintable(numbers[-1].name))
    raise CapasError("no_target", where=source.root, received=", ".join(map(escape_unprintable, columns)))


def _by_name(columns: Mapping[str, Column]) -> Column | None:
    """The column whose name says that it is the target: one of the known names, or the only one that ends in such."""
    usable = [(_plain_name(column.name), column) for column in columns.values() if column.kind in _TASKS]
    # Beside x or z, y is a place.
    is_place = _COORDINATES & set(map(_plain_name, columns))
    for known in _TARGET_NAMES:
        for name, column in usable:
            if known in (name, name.removeprefix("is_"), name.removesuffix("_flag")) and not (
                known == "y" and is_place
            ):
                return column
    ending = [column for name, column in usable if name.endswith(tuple(f"_{known}" for known in _TARGET_ENDINGS))]
    return ending[0] if len(ending) == 1 else None


def _identity_column(columns: Mapping[str, Column]) -> Column | None:
    """The column whose name says that it holds identities."""
    names = {_plain_name(column.name).removesuffix("_id"): column for column in columns.values()}
    return next((names[known] for known in _IDENTITY_NAMES if known in names), None)


def _plain_name(name: str) -> str:
    """ "sale_price" for "SalePrice", "sale price" and "sale.price"."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", normalise_name(parted)).strip("_")


def _named(source: DataSource, columns: Mapping[str, Column], target: str) -> Column:
    """The column that the user asked for, whatever its case. Raises CapasError ``no_such_target``."""
    by_name = {normalise_name(name): column for name, column in columns.items()} | dict(columns)
    column = by_name.get(target) or by_name.get(normalise_name(target))
    if column is not None:
        return column
    names = [escape_unprintable(name) for name in columns]
    near = difflib.get_close_matches(target, names, n=1, cutoff=0.0)[0]
    raise CapasError("no_such_target", where=source.root, received=target, nearest=near, available=", ".join(names))


def _check_target(source: DataSource, column: Column, task: TaskName | None) -> None:
    """Refuse what cannot be learnt, each kind with its own reason."""
    listing = escape_unprintable(column.name)
    if column.kind == "empty":
        raise CapasError("target_empty", where=source.root, received=listing)
    if task == "regress" and column.kind not in ("number", "few_numbers"):
        raise CapasError("target_is_no_number", where=source.root, received=listing, distinct=column.distinct)
    if source.layout in FOLDER_LAYOUTS and column.name == CLASS_COLUMN:
        return
    if column.kind == "identifier" or (column.kind == "text" and column.distinct == column.filled):
        key = "target_is_identifier" if column.kind == "identifier" else "target_is_text"
        raise CapasError(key, where=source.root, received=listing, distinct=column.distinct, count=column.filled)
    if column.kind == "number" and task == "classify" and 2 * column.distinct > column.filled:
        raise CapasError(
            "target_is_number", where=source.root, received=listing, distinct=column.distinct, count=column.filled
        )


def _spec(
    source: DataSource,
    columns: Mapping[str, Column],
    chosen: Sequence[Column],
    requested: TaskName | None,
    beside: Sequence[Column],
) -> Spec:
    task = requested or ("regress" if len(chosen) > 1 else _TASKS.get(chosen[0].kind, "classify"))
    if len(chosen) > 1 and task != "regress":
        raise CapasError(
            "several_targets", where=source.root, received=", ".join(escape_unprintable(c.name) for c in chosen)
        )
    kinds: dict[TaskName, FieldKind] = {
        "classify": "category", "tag": "tags", "regress": "number", "verify": "category", "generate": "category",
    }  # fmt: skip
    if task not in kinds:
        raise CapasError("task_not_of_data", where="--task", received=task, possible=", ".join(kinds))
    names = {column.name for column in chosen}
    targets = [
        Field(name=c.name, kind=kinds[task], unit=source.units.get(c.name) or unit_from_name(c.name)) for c in chosen
    ]
    cells = source.columns[chosen[0].name]
    classes: tuple[str, ...] = ()
    if task in ("classify", "verify", "generate"):
        classes = sorted_class_names(cells)
    elif task == "tag":
        classes = sorted_tag_names(cells)
    return Spec(
        inputs=_inputs(source, columns, names, beside),
        target=targets[0],
        further_targets=tuple(targets[1:]),
        task=task,
        classes=classes,
    )


def _inputs(
    source: DataSource, columns: Mapping[str, Column], targets: set[str], beside: Sequence[Column]
) -> tuple[Field, ...]:
    """The files where there are some, with the columns ``beside`` them; else the column of longest texts, unless these
    are short and there are numbers beside them; else every column that says something.
    """
    if source.files is not None:
        files = Field(name=source.file_field, kind=_FILE_KINDS[source.medium])
        return (files, *(_column_field(source, column) for column in beside))
    texts = [column for column in columns.values() if column.kind == "text" and column.name not in targets]
    others = [column for column in columns.values() if column.name not in targets and column.kind in _KINDS]
    measured = any(column.kind in ("number", "few_numbers", "date") for column in others)
    if texts:
        # Of one column the length is not asked for: it takes a look at all its texts.
        longest = max(texts, key=lambda c: _mean_length(source.columns[c.name])) if len(texts) > 1 else texts[0]
        if not measured or _mean_words(source.columns[longest.name]) >= MIN_WORDS_OF_TEXT:
            return (Field(name=longest.name, kind="text"),)
    return tuple(_column_field(source, column) for column in others if column.kind != "text")


def _column_field(source: DataSource, column: Column) -> Field:
    return Field(
        name=column.name,
        kind=_KINDS[column.kind],
        unit=source.units.get(column.name) or unit_from_name(column.name),
    )


def longest_text_column(source: DataSource) -> str | None:
    """Return the column of a table with the longest texts on average; None where no column holds texts."""
    texts = [
        name for name, cells in source.columns.items()
        if describe_column(name, cells).kind == "text" and isinstance(cells, TextColumn)
    ]  # fmt: skip
    return max(texts, key=lambda name: _mean_length(source.columns[name])) if texts else None


def _mean_length(column: TableColumn) -> float:
    return _mean_of_words(column, lambda words: map(len, words))


def _mean_words(column: TableColumn) -> float:
    return _mean_of_words(column, number_of_words)


def _mean_of_words(column: TableColumn, sizes_of: Callable[[Sequence[str]], Iterable[int]]) -> float:
    """The mean size of the filled cells; each different one is looked at once."""
    if not isinstance(column, TextColumn) or not len(column.words):
        return 0.0
    counts = column.word_counts()
    sizes = np.fromiter(sizes_of(column.words), dtype=np.int64, count=len(column.words))
    return float(counts @ sizes / counts.sum())


def _unused_columns(source: DataSource, columns: Mapping[str, Column], spec: Spec) -> tuple[str, ...]:
    used = {field.name for field in (*spec.inputs, *spec.targets)}
    unused = [escape_unprintable(name) for name in columns if name not in used]
    return (say("detect.unused_columns", columns=", ".join(unused)),) if unused else ()


def _alternatives(
    source: DataSource, columns: Mapping[str, Column], target: str, task: TaskName
) -> tuple[Alternative, ...]:
    """The other ways to read the columns, with the task that each would mean."""
    found: list[Alternative] = []
    for column in columns.values():
        name, here = escape_unprintable(column.name), column.name == target
        if column.distinct < 2:
            continue
        if column.kind in ("category", "few_numbers") and not (here and task == "classify"):
            reason = say("detect.other_category", column=name, count=column.distinct)
            found.append(Alternative(task="classify", target=column.name, reason=reason))
        if column.kind == "tags" and not (here and task == "tag"):
            reason = say("detect.other_tags", column=name)
            found.append(Alternative(task="tag", target=column.name, reason=reason))
        numbers = column.kind in ("number", "few_numbers") and source.layout not in FOLDER_LAYOUTS
        if numbers and not (here and task == "regress"):
            reason = say("detect.other_number", column=name)
            found.append(Alternative(task="regress", target=column.name, reason=reason))
    return tuple(found)
