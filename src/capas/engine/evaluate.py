"""``test RUN --data DATA``: a finished model on other data of the same kind."""

from collections.abc import Callable, Sequence
from pathlib import Path

from capas.core.errors import CapasError
from capas.data.inspect.report import DatasetReport, inspect_dataset
from capas.engine.dataset_record import examples_digest, label_text, read_dataset_record
from capas.engine.predict import load_model
from capas.engine.run import LATEST, find_run

Progress = Callable[[str, int, int], None]


def evaluate_on(run: str | Path, data: str, *, progress: Progress | None = None) -> dict[str, object]:
    """Figures of the model of ``run`` on every usable example of ``data`` (its test split only, where it has one).

    Examples that ``run`` learnt from are left out and counted as ``left_out``. Raises CapasError when ``data`` is of
    another kind, has a class that the model does not know, or holds nothing but what it learnt from.
    """
    model = load_model(run)
    training_hashes = _learnt_from(run)
    card = model.card
    report = inspect_dataset(
        data,
        target=card.targets[0].name if card.medium == "table" else None,
        task="transform" if card.task == "transform" else None,
        progress=None if progress is None else lambda done, total: progress("look", done, total),
    )
    spec = report.detection.spec
    if (spec.task, spec.medium) != (card.task, card.medium):
        received, expected = (f"{task} ({medium})" for task, medium in
                              ((spec.task, spec.medium), (card.task, card.medium)))  # fmt: skip
        raise CapasError("other_kind_of_data", where=data, received=received, known=expected)
    unknown = [name for name in spec.classes if name not in model.classes]
    if unknown:
        raise CapasError("class_unknown", where=data, received=unknown[0], known=", ".join(model.classes[:20]))
    fixed = "test" in report.source.fixed_split
    used = [
        i for i, usable in enumerate(report.usable) if usable and (not fixed or report.source.fixed_split[i] == "test")
    ]
    unseen = [i for i in used if report.keys[i] not in training_hashes]
    if not unseen:
        raise CapasError("only_training_pictures", where=data, received=len(used))
    result = model.predictor.evaluate(report, unseen)
    if progress:
        progress("test", len(unseen), len(unseen))
    return {**result.as_json(), "left_out": len(used) - len(unseen), "data_hash": evaluated_data_hash(report, unseen)}


def evaluated_data_hash(report: DatasetReport, indices: Sequence[int]) -> str:
    """A hash of the contents and labels of these examples, whatever their order and file names."""
    spec = report.detection.spec
    return examples_digest((report.keys[i], label_text(spec, report.labels[i])) for i in indices)


def _learnt_from(where: str | Path) -> frozenset[str]:
    """The content hashes of what a run learnt from or chose by; empty for a bundle that left its run."""
    if str(where) != LATEST and not (Path(where) / "data.json").is_file():
        return frozenset()
    record = read_dataset_record(find_run(where))
    return frozenset(h for h, split in zip(record.hashes, record.splits, strict=True) if split != "test")
