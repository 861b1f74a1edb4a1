"""``test RUN --data DATA``: a finished model on other data of the same classes."""

from collections.abc import Callable
from pathlib import Path

import torch

from capas.core.errors import CapasError
from capas.data.look import look
from capas.engine.predict import load_model
from capas.engine.record import read_record
from capas.engine.run import LATEST, find_run
from capas.tasks.metrics import classification_figures

Progress = Callable[[str, int, int], None]
BATCH = 64


def test_on(run: str | Path, data: str, *, progress: Progress | None = None) -> dict[str, object]:
    """Figures of the model of ``run`` on every usable example of ``data`` (its test split only, where it has one).

    Pictures that ``run`` learnt from are left out and counted as ``left_out``. Raises CapasError when ``data`` has a
    class that the model does not know, or nothing but pictures that it learnt from.
    """
    model = load_model(run)
    learnt = _learnt_from(run)
    seen = look(data, progress=None if progress is None else lambda done, total: progress("look", done, total))
    classes = seen.detection.spec.classes
    unknown = [name for name in classes if name not in model.classes]
    if unknown:
        raise CapasError("class_unknown", where=data, received=unknown[0], known=", ".join(model.classes[:20]))
    pictures = seen.source.pictures
    if pictures is None:
        raise CapasError("no_pictures_to_learn", where=data)
    fixed = "test" in seen.source.fixed_split
    used = [i for i, usable in enumerate(seen.usable) if usable and (not fixed or seen.source.fixed_split[i] == "test")]
    unseen = [i for i in used if seen.keys[i] not in learnt]
    if not unseen:
        raise CapasError("only_training_pictures", where=data, received=len(used))
    left_out, used = len(used) - len(unseen), unseen
    parts = []
    for start in range(0, len(used), BATCH):
        batch = [model.prepared(pictures.decode(i)) for i in used[start : start + BATCH]]
        parts.append(model.probabilities(torch.stack(batch)))
        if progress:
            progress("test", min(start + BATCH, len(used)), len(used))
    labels = torch.tensor([model.classes.index(classes[seen.labels[i]]) for i in used])
    figures = classification_figures(torch.cat(parts), labels, model.classes)
    return {
        "metrics": figures.metrics_json(),
        "baseline": {},
        "per_class": figures.per_class_json(),
        "confusion": [list(row) for row in figures.confusion],
        "left_out": left_out,
    }


def _learnt_from(where: str | Path) -> frozenset[str]:
    """The content hashes of what a run learnt from or chose by; empty for a bundle that left its run."""
    if str(where) != LATEST and not (Path(where) / "data.json").is_file():
        return frozenset()
    record = read_record(find_run(where))
    return frozenset(h for h, split in zip(record.hashes, record.splits, strict=True) if split != "test")
