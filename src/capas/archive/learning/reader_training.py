"""Fine-tuning of a handwriting model on corrected lines, and its comparison with the previous model.

One page in five, drawn by the hash of its image, is held out: its corrected lines are never trained on and measure the
gain. Where too few lines lie on such pages, one corrected line in five is held out in place of them. A line that a
model of this archive was once trained on never tests a later one.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from pydantic import TypeAdapter
from torch import Tensor

from capas.archive.learning.corrections import LINES, WrittenCorrections, write_corrections
from capas.archive.library.database import FILE, Library
from capas.core.errors import CapasError
from capas.core.parsing import parse_json
from capas.engine.predict import load_model
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.evaluation.bootstrap import (
    EvaluatedMetric,
    MetricDifference,
    SystemMeasurements,
    from_sums,
    metric_differences,
    metrics_with_intervals,
)
from capas.metrics.edit_distance import count_edits

FOLDER: Final = "corrected"
FACT: Final = "learnt_lines"
APART: Final = 0.2
FEWEST_APART, FEWEST_LEARNT = 5, 10
SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingLines:
    """Corrected lines written for training.

    Attributes:
        folder: Folder with ``train`` and ``test``.
        train_count: Lines in ``train``.
        test_count: Lines in ``test``.
        written: What was and could not be written.
    """

    folder: Path
    train_count: int
    test_count: int
    written: WrittenCorrections


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedReading:
    """A line that the two models read differently: the reference and both transcripts."""

    target: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderComparison:
    """Character error rates of two models on the same lines.

    Attributes:
        before: Error rate of the previous model.
        after: Error rate of the new model.
        difference: ``after`` minus ``before``, with its test.
        changed: The lines that changed most.
    """

    before: EvaluatedMetric
    after: EvaluatedMetric
    difference: MetricDifference
    changed: tuple[ChangedReading, ...]

    @property
    def worse(self) -> bool:
        """Whether the new model is significantly worse."""
        return self.difference.shown and not self.difference.first_is_better

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``--json``."""
        return {
            "before": self.before.as_json(), "after": self.after.as_json(), "difference": self.difference.as_json(),
            "changed": [{"truth": one.target, "before": one.before, "after": one.after} for one in self.changed],
        }  # fmt: skip


def write_training_lines(library: Library, progress: Callable[[int, int], None]) -> TrainingLines:
    """Write the corrected lines into a new folder of the archive, completely or not at all.

    Raises:
        CapasError: ``too_few_corrections``.
    """
    before = [int(path.name) for path in (library.folder / FOLDER).glob("*/") if path.name.isdecimal()]
    whole = library.folder / FOLDER / f"{1 + max(before, default=0):03d}"
    folder = library.folder / FOLDER / ".new"
    shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
    written = write_corrections(library, folder, progress)
    stems = sorted(path.name.removesuffix(".gt.txt") for path in (folder / LINES).glob("*.gt.txt"))
    apart = _apart(library, stems)
    if len(apart) < FEWEST_APART or len(stems) - len(apart) < FEWEST_LEARNT:
        shutil.rmtree(folder, ignore_errors=True)
        raise CapasError("too_few_corrections", where=library.folder, received=len(stems),
                         fewest=FEWEST_APART + FEWEST_LEARNT, apart=len(apart))  # fmt: skip
    for stem in stems:
        part = folder / ("test" if stem in apart else "train")
        part.mkdir(exist_ok=True)
        for ending in (".png", ".gt.txt"):
            (folder / LINES / f"{stem}{ending}").rename(part / f"{stem}{ending}")
    (folder / LINES).rmdir()
    folder.rename(whole)
    return TrainingLines(folder=whole, train_count=len(stems) - len(apart), test_count=len(apart), written=written)


def mark_as_learnt(library: Library, lesson: TrainingLines) -> None:
    """Record the lines that were trained on."""
    stems = {path.name.removesuffix(".gt.txt") for path in (lesson.folder / "train").glob("*.gt.txt")}
    library.set_fact(FACT, json.dumps(sorted(stems | set(_taught(library)))))


def _taught(library: Library) -> list[str]:
    held = library.fact(FACT)
    try:
        return TypeAdapter(list[str]).validate_python(parse_json(held)) if held else []
    except ValueError as error:
        raise CapasError("archive_unreadable", where=library.folder / FILE, received=str(error)) from error


def _apart(library: Library, stems: Sequence[str]) -> frozenset[str]:
    """The lines to keep apart: of the same corrected lines always the same ones, whatever was learnt since."""
    hashes, known = {page.id: page.hash for page in library.pages()}, frozenset(_taught(library))
    pages = {stem: hashes[int(stem.partition("_")[0])] for stem in stems}
    by_page = frozenset(stem for stem in stems if _share(pages[stem]) < APART)
    enough = max(FEWEST_APART, APART / 2 * len(stems)) <= len(by_page) <= len(stems) / 2
    if enough and len(by_page - known) >= FEWEST_APART:
        return by_page - known
    return frozenset(stem for stem in stems if _share(pages[stem] + stem) < APART) - known


def _share(text: str) -> float:
    """0 to 1, always the same for a text, evenly spread over texts."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def compare_readers(lesson: TrainingLines, before: str | Path, after: str | Path) -> ReaderComparison:
    """Compare both models on the held-out lines, whose text is normalised as for the first one.

    Raises as ``load_model``.
    """
    files, rules = sorted((lesson.folder / "test").glob("*.png")), LineReader.open(before).rules
    truths = [rules.apply(file.with_suffix(".gt.txt").read_text(encoding="utf-8").strip()) for file in files]
    readings = [[one.text or "" for one in load_model(where).predict(files)] for where in (before, after)]
    units = tuple(file.stem for file in files)
    first, second = (_measured(units, truths, texts) for texts in readings)
    lines = [ChangedReading(target=t, before=b, after=a) for t, b, a in zip(truths, *readings, strict=True) if a != b]
    lines.sort(key=lambda line: -abs(_wrong(line.target, line.before) - _wrong(line.target, line.after)))
    (difference,) = metric_differences(second, first)
    return ReaderComparison(
        before=metrics_with_intervals(first)[0],
        after=metrics_with_intervals(second)[0],
        difference=difference,
        changed=tuple(lines[:SHOWN]),
    )


def _wrong(truth: str, text: str) -> int:
    return count_edits(truth, text).distance


def _measured(units: tuple[str, ...], truths: Sequence[str], texts: Sequence[str]) -> SystemMeasurements:
    """Characters wrong in each line, of how many."""
    counts = [[_wrong(truth, text), len(truth)] for truth, text in zip(truths, texts, strict=True)]
    stats = torch.tensor(counts, dtype=torch.double)

    def rate(sums: Tensor) -> Tensor:
        return (sums[:, :1] / sums[:, 1:]).nan_to_num()

    return SystemMeasurements(names=("cer",), units=units, sizes=stats[:, 1], of=from_sums(stats, rate))
