"""Evaluation of labels: accuracy, balanced accuracy, macro-F1, confusion and, with probabilities, log loss.

The means over classes are over those that occur in the reference, as everywhere in Capas. An example that the
hypothesis lacks is incorrect, and its log loss is that of uniform probabilities.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.evaluation.bootstrap import EvaluatedMetric, SystemMeasurements, from_sums
from capas.evaluation.results import Cell, DetailTable, EvaluationResult, Given, parse_options
from capas.evaluation.table_files import TableRow, parse_number, read_table_rows, shortened
from capas.metrics.rate import rate

IDS: Final = ("id", "input", "file", "path", "example", "name")
LABELS: Final = ("label", "prediction", "class", "target", "clase", "etiqueta")
SUM_MAY_BE_OFF_BY: Final = 0.02
_LEAST: Final = 1e-12  # as tasks.metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassificationOptions:
    """There are none."""


def score_classification(reference: Path, hypothesis: Path, given: Given) -> EvaluationResult:
    """Score the labels in ``hypothesis``.

    Raises:
        CapasError: Naming file and line of what does not fit; ``score_one_class``.
    """
    parse_options(ClassificationOptions, given, "classification")
    wanted, said = _by_id(reference), _by_id(hypothesis)
    for name, row in said.items():
        if name not in wanted:
            raise CapasError("score_unknown_id", where=row.where, received=name, reference=str(reference))
    truth = [row.cells["label"] for row in wanted.values()]
    answers = [said[name].cells["label"] if name in said else None for name in wanted]
    if len(set(truth)) < 2:
        raise CapasError("score_one_class", where=reference, received=truth[0] if truth else "–")
    losses = _losses(wanted, said, sorted(set(truth)))
    classes = sorted(set(truth) | {answer for answer in answers if answer is not None})
    absent = [name for name in wanted if name not in said]
    lacks = (say("score.note_absent_wrong", n=len(absent), names=shortened(absent)),) if absent else ()
    measured = _measured(tuple(wanted), truth, answers, classes, losses)
    counts = {"examples": len(wanted), "right": sum(a == b for a, b in zip(truth, answers, strict=True)),
              "absent": len(absent)}  # fmt: skip
    return EvaluationResult(task="classification", measured=measured, counts=counts, lacks=lacks,
                 tables=(_per_class(truth, answers, classes), _confusion(truth, answers, classes)))  # fmt: skip


def classification_inputs(reference: Path, given: Given) -> tuple[str, ...]:
    """Return the ids."""
    parse_options(ClassificationOptions, given, "classification")
    return tuple(_by_id(reference))


def _by_id(path: Path) -> dict[str, TableRow]:
    found: dict[str, TableRow] = {}
    for row in read_table_rows(path, (IDS, LABELS)):
        name = row.cells["id"]
        if name in found:
            raise CapasError("score_twice", where=row.where, received=name, first=found[name].where)
        if not row.cells["label"]:
            raise CapasError("score_no_label", where=row.where, received=name)
        found[name] = row
    return found


def _losses(wanted: Mapping[str, TableRow], said: Mapping[str, TableRow], classes: Sequence[str]) -> list[float] | None:
    """Of every example -ln p(its class); None where the hypothesis states no probabilities that tell it."""
    columns = set(next(iter(said.values())).cells)
    if not all(f"p({name})" in columns for name in classes) and not ("probability" in columns and len(classes) == 2):
        return None
    even = 1 / max(2, len(classes))
    found = []
    for name, row in wanted.items():
        p = even if name not in said else _probability(said[name], row.cells["label"])
        found.append(-math.log(max(p, _LEAST)))
    return found


def _probability(row: TableRow, label: str) -> float:
    """What a row says of the probability of ``label``."""
    stated = {key: _share(cell, row.where) for key, cell in row.cells.items() if key.startswith("p(")}
    if f"p({label})" in stated:
        if abs(sum(stated.values()) - 1) > SUM_MAY_BE_OFF_BY:
            raise CapasError("score_probabilities", where=row.where, received=f"{sum(stated.values()):.4g}")
        return stated[f"p({label})"]
    p = _share(row.cells["probability"], row.where)
    return p if row.cells["label"] == label else 1 - p


def _share(text: str, where: str) -> float:
    value = parse_number(text, where)
    if not 0 <= value <= 1:
        raise CapasError("score_probabilities", where=where, received=text)
    return value


def _measured(
    ids: tuple[str, ...], truth: Sequence[str], answers: Sequence[str | None], classes: Sequence[str],
    losses: Sequence[float] | None,
) -> SystemMeasurements:  # fmt: skip
    """Sums by class: of it and called so, of it, called so; then examples and losses."""
    number_of = {name: i for i, name in enumerate(classes)}
    k = len(classes)
    stats = torch.zeros(len(ids), 3 * k + 2, dtype=torch.double)
    for i, (true, answer) in enumerate(zip(truth, answers, strict=True)):
        stats[i, k + number_of[true]] = 1
        if answer is not None:
            stats[i, 2 * k + number_of[answer]] = 1
            stats[i, number_of[true]] = float(true == answer)
    stats[:, 3 * k] = 1
    if losses is not None:
        stats[:, 3 * k + 1] = torch.tensor(losses, dtype=torch.double)

    def figures(sums: Tensor) -> Tensor:
        hits, actual, called = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
        absent = actual == 0
        recall = (hits / actual).masked_fill(absent, torch.nan).nanmean(1)
        f1 = (2 * hits / (actual + called)).masked_fill(absent, torch.nan).nanmean(1)
        found = [hits.sum(1) / sums[:, 3 * k], recall, f1]
        return torch.stack(found if losses is None else [*found, sums[:, 3 * k + 1] / sums[:, 3 * k]], dim=1)

    names = ("accuracy", "balanced_accuracy", "macro_f1", *(("log_loss",) if losses is not None else ()))
    return SystemMeasurements(names=names, units=ids, sizes=torch.ones(len(ids)).double(), of=from_sums(stats, figures))


def _figure(name: str, hits: int, n: int) -> EvaluatedMetric:
    share = rate(hits, n)
    return EvaluatedMetric(name=name, value=share.value, n=n, units=n, interval=share.interval)


def _per_class(truth: Sequence[str], answers: Sequence[str | None], classes: Sequence[str]) -> DetailTable:
    hits = Counter(a for a, b in zip(truth, answers, strict=True) if a == b)
    actual, called = Counter(truth), Counter(answers)
    rows: list[tuple[Cell, ...]] = [
        (name, actual[name], _figure("recall", hits[name], actual[name]) if actual[name] else None,
         _figure("precision", hits[name], called[name]) if called[name] else None)
        for name in classes
    ]  # fmt: skip
    columns = (("class", say("score.column_class")), ("n", "n"), ("recall", say("score.column_recall")),
               ("precision", say("score.column_precision")))  # fmt: skip
    return DetailTable(name="classes", title=say("score.by_class"), columns=columns, rows=tuple(rows))


def _confusion(truth: Sequence[str], answers: Sequence[str | None], classes: Sequence[str]) -> DetailTable:
    """The pairs that are mixed up, the most frequent first."""
    mixed = Counter((a, b) for a, b in zip(truth, answers, strict=True) if a != b)
    rows = tuple((a, b if b is not None else "–", n) for (a, b), n in mixed.most_common())
    columns = (("truth", say("score.reference")), ("answer", say("score.hypothesis")),
               ("count", say("score.column_count")))  # fmt: skip
    return DetailTable(name="confusion", title=say("score.confusion"), columns=columns, rows=rows)
