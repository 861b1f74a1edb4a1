"""``test RUN --data DATA``: a finished model on other data of the same kind."""

from collections.abc import Callable, Sequence
from pathlib import Path

from capas.core.errors import CapasError
from capas.data.look import Look, look
from capas.engine.predict import load_model
from capas.engine.record import digest, read_record, words_of
from capas.engine.run import LATEST, find_run

Progress = Callable[[str, int, int], None]


def test_on(run: str | Path, data: str, *, progress: Progress | None = None) -> dict[str, object]:
    """Figures of the model of ``run`` on every usable example of ``data`` (its test split only, where it has one).

    Examples that ``run`` learnt from are left out and counted as ``left_out``. Raises CapasError when ``data`` is of
    another kind, has a class that the model does not know, or holds nothing but what it learnt from.
    """
    model = load_model(run)
    learnt = _learnt_from(run)
    card = model.card
    seen = look(
        data,
        target=card.targets[0].name if card.medium == "table" else None,
        task="transform" if card.task == "transform" else None,
        progress=None if progress is None else lambda done, total: progress("look", done, total),
    )
    spec = seen.detection.spec
    if (spec.task, spec.medium) != (card.task, card.medium):
        received, expected = (f"{task} ({medium})" for task, medium in
                              ((spec.task, spec.medium), (card.task, card.medium)))  # fmt: skip
        raise CapasError("other_kind_of_data", where=data, received=received, known=expected)
    unknown = [name for name in spec.classes if name not in model.classes]
    if unknown:
        raise CapasError("class_unknown", where=data, received=unknown[0], known=", ".join(model.classes[:20]))
    fixed = "test" in seen.source.fixed_split
    used = [i for i, usable in enumerate(seen.usable) if usable and (not fixed or seen.source.fixed_split[i] == "test")]
    unseen = [i for i in used if seen.keys[i] not in learnt]
    if not unseen:
        raise CapasError("only_training_pictures", where=data, received=len(used))
    tested = model.answering.retest(seen, unseen)
    if progress:
        progress("test", len(unseen), len(unseen))
    return {**tested.as_json(), "left_out": len(used) - len(unseen), "data_hash": data_hash(seen, unseen)}


def data_hash(seen: Look, indices: Sequence[int]) -> str:
    """A hash of the contents and labels of these examples, whatever their order and file names."""
    spec = seen.detection.spec
    return digest((seen.keys[i], words_of(spec, seen.labels[i])) for i in indices)


def _learnt_from(where: str | Path) -> frozenset[str]:
    """The content hashes of what a run learnt from or chose by; empty for a bundle that left its run."""
    if str(where) != LATEST and not (Path(where) / "data.json").is_file():
        return frozenset()
    record = read_record(find_run(where))
    return frozenset(h for h, split in zip(record.hashes, record.splits, strict=True) if split != "test")
