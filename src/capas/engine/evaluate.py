"""``capas test RUN --data DATA``: evaluation of a trained model on another dataset of the same kind."""

from collections.abc import Callable, Sequence
from pathlib import Path

from capas.bundle.card import Card
from capas.core.errors import CapasError
from capas.core.spec import UNLABELLED_TASKS
from capas.data.inspect.report import DatasetReport, inspect_dataset
from capas.data.sources.source import CLASS_COLUMN
from capas.engine.dataset_record import examples_digest, label_text, read_dataset_record
from capas.engine.predict import load_model
from capas.engine.run import LATEST, find_run

Progress = Callable[[str, int, int], None]


def evaluate_on(
    run: str | Path, data: str, *, sheet: str | None = None, progress: Progress | None = None
) -> dict[str, object]:
    """Evaluate the model of ``run`` on all usable examples of ``data`` (only on its test split where it has one).

    Args:
        run: A run or a bundle.
        data: A folder, a table or ``sample:NAME``.
        sheet: Sheet of a workbook; chosen if None.
        progress: Called with (stage, done, total).

    Returns:
        The form of ``metrics.json``, plus ``left_out``, the number of examples left out because the model was trained
            or validated on them, and ``data_hash``, a hash of those that were used.

    Raises:
        CapasError: The dataset is of another task or medium, has a class unknown to the model or none of the columns
            that it takes beside files (``no_columns_beside``), or holds only examples that the model was trained on, or
            of one class (``one_class_tested``).
    """
    model = load_model(run)
    training_hashes = _learnt_from(run)
    card = model.card
    report = inspect_dataset(
        data,
        target=card.targets[0].name if _names_target(card) else None,
        task=card.task if card.task in (*UNLABELLED_TASKS, "verify") else None,
        columns_beside=tuple(field.name for field in card.spec.columns_beside),
        unpaired=card.spec.unpaired,
        sheet=sheet,
        learning=False,
        progress=None if progress is None else lambda done, total: progress("look", done, total),
    )
    spec = report.detection.spec
    if (spec.task, spec.medium) != (card.task, card.medium):
        received, expected = (f"{task} ({medium})" for task, medium in
                              ((spec.task, spec.medium), (card.task, card.medium)))  # fmt: skip
        raise CapasError("other_kind_of_data", where=data, received=received, known=expected)
    if card.spec.columns_beside and not spec.columns_beside:
        names = ", ".join(field.name for field in card.spec.columns_beside)
        raise CapasError("no_columns_beside", where=data, columns=names)
    # Identities are others than those that were learnt from: that is what is tested.
    unknown = [name for name in spec.classes if name not in model.classes and spec.task != "verify"]
    if unknown:
        raise CapasError("class_unknown", where=data, received=unknown[0], known=", ".join(model.classes[:20]))
    fixed = "test" in report.source.fixed_split
    used = [
        i for i, usable in enumerate(report.usable) if usable and (not fixed or report.source.fixed_split[i] == "test")
    ]
    unseen = [i for i in used if report.keys[i] not in training_hashes]
    if not unseen:
        raise CapasError("only_training_pictures", where=data, received=len(used))
    if spec.task == "classify" and len({report.labels[i] for i in unseen}) < 2:
        received = label_text(spec, report.labels[unseen[0]])
        raise CapasError("one_class_tested", where=data, received=received, count=len(unseen))
    result = model.predictor.evaluate(report, unseen)
    if progress:
        progress("test", len(unseen), len(unseen))
    return {**result.as_json(), "left_out": len(used) - len(unseen), "data_hash": evaluated_data_hash(report, unseen)}


def _names_target(card: Card) -> bool:
    """Whether the target is a column that other data have under the same name."""
    if card.task == "verify":
        return card.targets[0].name != CLASS_COLUMN
    return card.medium == "table" or bool(card.spec.columns_beside)


def evaluated_data_hash(report: DatasetReport, indices: Sequence[int]) -> str:
    """Return a hash of the contents and labels of the examples ``indices``, independent of order and file names."""
    spec = report.detection.spec
    return examples_digest((report.keys[i], label_text(spec, report.labels[i])) for i in indices)


def _learnt_from(where: str | Path) -> frozenset[str]:
    """Content hashes of the training and validation examples of a run; empty for a bundle outside its run."""
    if str(where) != LATEST and not (Path(where) / "data.json").is_file():
        return frozenset()
    record = read_dataset_record(find_run(where))
    return frozenset(h for h, split in zip(record.hashes, record.splits, strict=True) if split != "test")
