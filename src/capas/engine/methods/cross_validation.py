"""Cross-validation, where the test split is too small to say anything.

Of fifty examples eight are for the test: one more or one fewer that is right moves the figure by twelve points. So the
same training is repeated on five other divisions of the examples, each time with another fifth for the test, until
every example was tested once by a network that had not learnt from it (Stone, "Cross-Validatory Choice and Assessment
of Statistical Predictions", JRSS B 1974). The figure is of that training, not of the one network that is kept, which
has learnt from other examples; it says what may be expected of it.

The folds hold classes in like numbers, and what must stay together (copies, a patient) stands in one fold. No folds are
made where the data lay down their own test split, or dates do: other divisions would ask something else.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.number_format import metric_value
from capas.data.naming import SplitName
from capas.data.splits import assign_splits
from capas.engine.build import build
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.distributed import Ranks
from capas.engine.events import Finished
from capas.engine.execution import Execution
from capas.engine.loop import StopRequest
from capas.engine.plan import look_at
from capas.engine.recipe import PreparedDataset, TestResult
from capas.engine.recipes import recipe_for
from capas.metrics.rate import rate

MIN_TEST = 20  # examples of the test split that are enough
FOLDS: Final = 5
MIN_EXAMPLES: Final = 10
TASKS: Final = ("classify", "tag", "regress")
MIN_SHARE_OF_TIME: Final = 0.5  # of the training's own seconds, that each fold must be given to be like it


class FoldsFailedError(Exception):
    """A fold could not be trained or tested; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossValidation:
    """The headline metric of the folds.

    Attributes:
        metric: Its name.
        folds: Its value in each fold.
        n: Number of examples in all folds.
        figure: The metric over all of them, as every ``--json`` writes it; without an interval where the metric is no
            share of examples.
    """

    metric: str
    folds: tuple[float, ...]
    n: int
    figure: Mapping[str, object]

    def as_json(self) -> dict[str, object]:
        """Return the entry of ``metrics.json``."""
        folds = [round(value, 6) for value in self.folds]
        return {"metric": self.metric, "n": self.n, "folds": folds, "figure": dict(self.figure)}


def cross_validated_test(
    prepared: PreparedDataset,
    execution: Execution,
    *,
    seconds: float,
    progress: Callable[[int, int], None],
) -> CrossValidation | None:
    """Train and test on each fold; None where no folds are wanted, or the user stopped them.

    Args:
        prepared: The run's examples.
        execution: How the run was computed.
        seconds: How long its training took; no fold takes longer.
        progress: Called with (folds done, folds).

    Raises:
        FoldsFailedError: One cannot be trained. The run itself is complete, and is not to be lost over what stands
            beside its figures.
    """
    config, record = prepared.config, prepared.record
    if record.spec.task not in TASKS or record.taught is not None or len(record.names) < MIN_EXAMPLES:
        return None
    if not config.train.cross_validate or len(record.positions("test")) >= MIN_TEST:
        return None
    limit = _seconds_for_a_fold(config, seconds)
    if limit is None:
        return None
    try:
        return _on_all_folds(prepared, execution, limit, progress)
    except (CapasError, OSError, RuntimeError, ValueError) as error:
        raise FoldsFailedError(str(error)) from error


def _on_all_folds(
    prepared: PreparedDataset, execution: Execution, limit: float, progress: Callable[[int, int], None]
) -> CrossValidation | None:
    config, record = prepared.config, prepared.record
    report = look_at(config)
    used = [i for i, usable in enumerate(report.usable) if usable]
    if not report.groups or tuple(report.keys[i] for i in used) != record.hashes:
        return None
    groups = [report.groups[i] for i in used]
    folds = fold_numbers([record.label_text(label) for label in record.labels], groups, record.spec.task)
    config = config.merged({"train.time_s": limit} if config.train.time_s else {})
    tested: list[TestResult] = []
    stop, count = StopRequest(), len(set(folds.tolist()))
    if count < 2:
        return None
    with stop.listening(), tempfile.TemporaryDirectory() as name:
        for fold in range(count):
            progress(fold, count)
            fresh = replace(record, splits=splits_of_fold(record, folds == fold, groups, config))
            found = _trained_and_tested(
                replace(prepared, config=config, record=fresh, progress=lambda done, total: None),
                execution, Path(name) / str(fold), stop,
            )  # fmt: skip
            if found is None:
                return None
            tested.append(found)
        progress(count, count)
    return _together(tested)


def fold_numbers(labels: Sequence[str], groups: Sequence[str], task: str) -> NDArray[np.int64]:
    """Return the fold of each example, 0..4; equal ``groups`` are in one fold, and classes spread evenly."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    count = min(FOLDS, len(set(groups)))
    if count < 2:
        return np.zeros(len(groups), dtype=np.int64)
    _, classes = np.unique(np.asarray(labels), return_inverse=True)
    if task == "classify" and np.bincount(classes).max() >= count:  # what scikit-learn needs of one class at least
        divider = StratifiedGroupKFold(count, shuffle=True, random_state=0)
    else:
        divider = GroupKFold(count, shuffle=True, random_state=0)
        classes = np.zeros(len(groups), dtype=np.int64)
    found = np.zeros(len(groups), dtype=np.int64)
    for fold, (_, held) in enumerate(divider.split(classes, classes, numbers)):
        found[held] = fold
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def splits_of_fold(
    record: DatasetRecord, held: NDArray[np.bool_], groups: Sequence[str], config: Config
) -> tuple[SplitName, ...]:
    """Return the splits: ``held`` is the test, and of the others the run's share is for validation."""
    rest = np.flatnonzero(~held).tolist()
    share = len(record.positions("validation")) / max(1, len(record.names) - len(record.positions("test")))
    sides = assign_splits(
        [record.hashes[i] for i in rest], [record.label_text(record.labels[i]) for i in rest],
        groups=[groups[i] for i in rest], validation=min(0.5, share), test=0.0, seed_salt="capas-folds-1",
    )  # fmt: skip
    found: list[SplitName] = ["test"] * len(record.names)
    for i, side in zip(rest, sides, strict=True):
        found[i] = "train" if side == "test" else side
    return tuple(found)


def _seconds_for_a_fold(config: Config, seconds: float) -> float | None:
    """What the folds may take of the time that the user gave for training; as long as the training where he gave
    none."""
    if not config.train.time_s:
        return seconds
    left = (config.train.time_s - seconds) / FOLDS
    return min(seconds, left) if left >= MIN_SHARE_OF_TIME * seconds else None


def _trained_and_tested(
    prepared: PreparedDataset, execution: Execution, folder: Path, stop: StopRequest
) -> TestResult | None:
    job = recipe_for(prepared.spec).prepare(prepared, Ranks())
    built = build(
        prepared.config, job, checkpoints=folder / "checkpoints", ranks=Ranks(), stop=stop, execution=execution
    )
    events = list(built.loop.run())
    if not events or not isinstance(events[-1], Finished):
        return None
    job.calibrate(execution)
    return job.test(execution)


def _together(tested: Sequence[TestResult]) -> CrossValidation:
    metric = next(iter(tested[0].metrics))
    values = [metric_value(one.metrics[metric]) for one in tested]
    n = sum(one.n for one in tested)
    if metric == "accuracy":
        figure = rate(round(sum(value * one.n for value, one in zip(values, tested, strict=True))), n).as_json()
    else:
        first = tested[0].metrics[metric]
        unit = {"unit": first["unit"]} if isinstance(first, Mapping) and "unit" in first else {}
        mean = sum(value * one.n for value, one in zip(values, tested, strict=True)) / n
        figure = {"value": round(mean, 6), "n": n, **unit}
    return CrossValidation(metric=metric, folds=tuple(values), n=n, figure=figure)
