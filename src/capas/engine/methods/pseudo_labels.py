"""Pseudo-labels: a teacher's predictions for unlabelled images, and which of them a student is trained on.

Xie et al., arXiv:1911.04252, section 3.1 (filtering and balancing): only predictions above a threshold; of each class
the most confident, equally many, those of rare classes more than once. Where we deviate: as many per class as the
median class has (the paper: 130,000), and nothing occurs in an epoch more than ``MAX_COPIES`` times on this account.

Images that are in the test or validation split, exactly or nearly, are left out: training on them would leak.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Final

import numpy as np

from capas.core.errors import CapasError
from capas.data.concat import UNLABELLED_PREFIX
from capas.data.image.io import ImageCollection
from capas.data.inspect.data_checks import Duplicates, find_duplicates
from capas.data.inspect.image_scan import ImageScan, scan_images
from capas.data.naming import SplitName
from capas.data.problems import escape_unprintable
from capas.engine.config import MethodConfig
from capas.engine.dataset_record import DatasetRecord, PseudoLabelledExamples
from capas.engine.predict import Model
from capas.engine.recipe import Item

MAX_COPIES: Final = 5
UnlabelledProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudoLabel:
    """The teacher's prediction for one unlabelled image.

    Attributes:
        index: Index of the image among the unlabelled ones.
        label: Index of the predicted class.
        probability: Its probability, in [0, 1].
    """

    index: int
    label: int
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FilteredUnlabelled:
    """The unlabelled images that may be trained on, and counts of those left out.

    Attributes:
        hashes: Content hashes of the images that are kept, by index.
        unreadable: Files that could not be decoded.
        in_test: Exact or near duplicates of images in the test or validation split.
        labelled_already: Exact duplicates of labelled training images.
        repeated: Exact duplicates of other unlabelled images.
        near_searched: False where there were too many images to search for near duplicates.
    """

    hashes: Mapping[int, str]
    unreadable: int
    in_test: int
    labelled_already: int
    repeated: int
    near_searched: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudoLabelSummary:
    """What became of the unlabelled images of ``source``.

    Attributes:
        source: Where they are.
        pictures: Unlabelled images in all.
        learnt: Pseudo-labelled images that the student is trained on.
        unreadable: See ``FilteredUnlabelled``, as the next four.
        in_test: Duplicates of test or validation images.
        labelled_already: Duplicates of labelled images.
        repeated: Duplicates among themselves.
        near_searched: Whether near duplicates were searched for.
        unsure: Predictions below the threshold.
        crowded: Confident predictions left out to balance the classes.
        per_class: ``learnt`` by class.
    """

    source: str
    pictures: int
    learnt: int
    unreadable: int
    in_test: int
    labelled_already: int
    repeated: int
    near_searched: bool
    unsure: int
    crowded: int
    per_class: Mapping[str, int]

    def as_json(self) -> dict[str, object]:
        """Return the content of ``unlabelled.json``."""
        return asdict(self)


def filter_unlabelled(
    record: DatasetRecord,
    labelled: ImageCollection,
    indices: Sequence[int],
    unlabelled: ImageCollection,
    progress: UnlabelledProgress,
) -> FilteredUnlabelled:
    """Leave out of ``unlabelled`` what a student of ``record`` must not be trained on.

    Args:
        record: The labelled examples of the run.
        labelled: The images of the record's source.
        indices: Index of each example of ``record`` in ``labelled``.
        unlabelled: The unlabelled images.
        progress: Called with (done, total).

    Raises:
        CapasError: ``too_many_unreadable`` where more than half cannot be decoded, ``unlabelled_none_left``.
    """
    known, scanned = scan_images(labelled), scan_images(unlabelled, progress)
    _refuse_unreadable(unlabelled, scanned)
    mine = [(i, sight) for i, sight in enumerate(scanned) if isinstance(sight, ImageScan)]
    theirs = [sight for i in indices if isinstance(sight := known[i], ImageScan)]
    if len(theirs) < len(indices):
        raise CapasError("data_changed", where=record.source, received=len(indices) - len(theirs), first="?")
    sights = [*theirs, *(sight for _, sight in mine)]
    splits = [*record.splits, *(None for _ in mine)]
    repeats = find_duplicates([sight.hash for sight in sights], np.stack([sight.thumbnail for sight in sights]), splits)
    in_test, labelled_already, repeated = _repeated(repeats, record)
    out = in_test | labelled_already | repeated
    filtered = FilteredUnlabelled(
        hashes={i: sight.hash for place, (i, sight) in enumerate(mine, len(theirs)) if place not in out},
        unreadable=len(scanned) - len(mine), in_test=len(in_test),
        labelled_already=len(labelled_already), repeated=len(repeated), near_searched=repeats.near_searched,
    )  # fmt: skip
    if not filtered.hashes:
        raise CapasError(
            "unlabelled_none_left", where="method.unlabelled", received=len(scanned), in_test=filtered.in_test,
            labelled=filtered.labelled_already, repeated=filtered.repeated, unreadable=filtered.unreadable,
        )  # fmt: skip
    return filtered


def _repeated(repeats: Duplicates, record: DatasetRecord) -> tuple[set[int], set[int], set[int]]:
    """Indices of the images after those of ``record`` that are in its test or validation split (or nearly), that it has
    with a label, and that occurred before; the three sets are disjoint.
    """
    start = len(record.names)
    in_test, labelled_already, repeated = set[int](), set[int](), set[int]()
    for group in repeats.exact:
        mine = [place for place in group if place >= start]
        if any(record.splits[place] != "train" for place in group if place < start):
            in_test.update(mine)
        elif group[0] < start:
            labelled_already.update(mine)
        else:
            repeated.update(mine[1:])
    for one, other in repeats.near.pairs.tolist():
        if one < start <= other and record.splits[one] != "train":
            in_test.add(other)
    return in_test, labelled_already - in_test, repeated - in_test


def _refuse_unreadable(pictures: ImageCollection, scanned: Sequence[ImageScan | CapasError]) -> None:
    failed = [(i, error) for i, error in enumerate(scanned) if isinstance(error, CapasError)]
    if 2 * len(failed) > len(scanned):
        raise CapasError(
            "too_many_unreadable", where="method.unlabelled", received=f"{len(failed)} / {len(scanned)}",
            first=escape_unprintable(pictures.name(failed[0][0])), reason=failed[0][1].part("what"),
            advice=failed[0][1].part("next"),
        ) from failed[0][1]  # fmt: skip


def predict_pseudo_labels(
    teacher: Model, pictures: ImageCollection, chosen: Sequence[int], progress: UnlabelledProgress
) -> list[PseudoLabel]:
    """Return the teacher's predictions for the ``chosen`` images, without noise."""
    number = {name: label for label, name in enumerate(teacher.classes)}
    items = (Item(name=pictures.name(i), content=pictures.decode(i)) for i in chosen)
    found: list[PseudoLabel] = []
    for index, prediction in zip(chosen, teacher.stream(items), strict=True):
        assert isinstance(prediction.prediction, str) and prediction.probability is not None
        found.append(PseudoLabel(index=index, label=number[prediction.prediction], probability=prediction.probability))
        progress(len(found), len(chosen))
    return found


def balance_pseudo_labels(pseudo_labels: Sequence[PseudoLabel], method: MethodConfig) -> list[tuple[PseudoLabel, int]]:
    """Select and balance the predictions to train on.

    Returns:
        Pairs of pseudo-label and number of copies in an epoch, in the order of the images.
    """
    sure = [answer for answer in pseudo_labels if answer.probability >= method.threshold]
    if not method.balance or not sure:
        return [(answer, 1) for answer in sure]
    ranked = sorted(sure, key=lambda answer: (-answer.probability, answer.index))
    by_class = {label: [a for a in ranked if a.label == label] for label in sorted({a.label for a in sure})}
    per_class_count = int(median([len(held) for held in by_class.values()]))
    kept = [
        (
            answer,
            min(MAX_COPIES, per_class_count // len(held) + (rank < per_class_count % len(held)))
            if len(held) < per_class_count
            else 1,
        )
        for held in by_class.values()
        for rank, answer in enumerate(held[:per_class_count])
    ]
    return sorted(kept, key=lambda pair: pair[0].index)


def add_pseudo_labels(
    record: DatasetRecord,
    source: str,
    pictures: ImageCollection,
    filtered: FilteredUnlabelled,
    pseudo_labels: Sequence[PseudoLabel],
    method: MethodConfig,
) -> tuple[DatasetRecord, PseudoLabelSummary]:
    """Append the selected pseudo-labelled images to ``record``.

    Returns:
        The extended record, and the counts of images that were used or left out.

    Raises:
        CapasError: ``unlabelled_unsure`` where no prediction reaches the threshold.
    """
    kept = balance_pseudo_labels(pseudo_labels, method)
    if not kept:
        surest = max((answer.probability for answer in pseudo_labels), default=0.0)
        raise CapasError(
            "unlabelled_unsure",
            where=source,
            received=len(pseudo_labels),
            threshold=method.threshold,
            surest=f"{surest:.2f}",
        )
    grown = _grown(
        record, source,
        [(f"{UNLABELLED_PREFIX}{pictures.name(a.index)}", filtered.hashes[a.index], a.label, copies)
         for a, copies in kept],
        method.ratio,
    )  # fmt: skip
    sure = sum(answer.probability >= method.threshold for answer in pseudo_labels)
    counts = Counter(answer.label for answer, _ in kept)
    return grown, PseudoLabelSummary(
        source=source, pictures=len(pictures), learnt=len(kept), unreadable=filtered.unreadable,
        in_test=filtered.in_test, labelled_already=filtered.labelled_already, repeated=filtered.repeated,
        near_searched=filtered.near_searched, unsure=len(pseudo_labels) - sure, crowded=sure - len(kept),
        per_class={name: counts[label] for label, name in enumerate(record.spec.classes)},
    )  # fmt: skip


def _grown(
    record: DatasetRecord, source: str, more: Sequence[tuple[str, str, int, int]], ratio: float
) -> DatasetRecord:
    """``record`` with ``more`` training examples (name, hash, label, copies); its own are repeated until there are at
    most ``ratio`` of the others to one of them.
    """
    names, hashes, labels, copies = zip(*more, strict=True)
    side: SplitName = "train"
    own = record.splits.count(side)
    each = max(1, round(sum(copies) / (ratio * own))) if ratio else 1
    start = len(record.names)
    return replace(
        record,
        names=(*record.names, *names),
        hashes=(*record.hashes, *hashes),
        labels=(*record.labels, *labels),
        splits=(*record.splits, *((side,) * len(more))),
        taught=PseudoLabelledExamples(source=source, start=start, copies=((each,) * start) + copies),
    )
