"""Evaluation of spoken or written term detection: mAP, gAP, precision and recall, and term-weighted value (TWV).

Terms that the reference lacks have no average precision; hits of them count as false alarms in gAP alone. TWV needs the
number of ``trials``: the seconds of speech, or of written terms the number of words or lines searched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.evaluation.bootstrap import EvaluatedMetric, SystemMeasurements, headline_metric
from capas.evaluation.results import Cell, DetailTable, EvaluationResult, Given, parse_options
from capas.evaluation.search.average_precision import (
    BETA,
    RankedHits,
    average_precision,
    mean_average_precision,
    precision_recall_curve,
    term_weighted_values,
)
from capas.evaluation.search.occurrences import Matching, Occurrences, match_hits, read_occurrences, refuse_unknown
from capas.evaluation.table_files import shortened

CURVE_POINTS: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectionOptions:
    """Options of term detection.

    Attributes:
        match: How a hit matches an occurrence.
        tolerance: In seconds.
        iou: Least intersection over union of boxes.
        trials: Number of trials of TWV; 0 for no TWV.
        threshold: Score threshold.
        beta: Cost of a false alarm β.
    """

    match: Matching = "midpoint"
    tolerance: Annotated[float, Field(ge=0)] = 0.5
    iou: Annotated[float, Field(gt=0, le=1)] = 0.5
    trials: Annotated[float, Field(ge=0)] = 0.0
    threshold: float = 0.5
    beta: Annotated[float, Field(gt=0)] = BETA


def score_detection(reference: Path, hypothesis: Path, given: Given) -> EvaluationResult:
    """Score the hits in ``hypothesis``. Raises CapasError naming file and line of what does not fit."""
    options = parse_options(DetectionOptions, given, "detection")
    wanted, said = read_occurrences(reference, scored=False), read_occurrences(hypothesis, scored=True)
    refuse_unknown(said, wanted, reference)
    if not wanted.found:
        raise CapasError("score_empty", where=reference)
    found = match_hits(said.found, wanted.found, matching=options.match, tolerance_s=options.tolerance, iou=options.iou)
    terms = sorted({one.term for one in wanted.found})
    extra = sorted({one.term for one in said.found} - set(terms))
    ranked = _ranked(wanted, said, found, [*terms, *extra])
    if options.trials and options.trials <= float(ranked.occurrences.sum(0).max()):
        raise CapasError("score_trials", where="--trials", received=f"{options.trials:g}",
                         least=f"{float(ranked.occurrences.sum(0).max()):g}")  # fmt: skip
    by_term = [ranked.only(i) for i in range(len(terms))]
    measured = _measured(wanted.files, ranked, by_term, options)
    right = sum(one is not None for one in found)
    counts = {"occurrences": len(wanted.found), "terms": len(terms), "hits": len(said.found), "right": right,
              "false_alarms": len(said.found) - right, "never_found": len(wanted.found) - right}  # fmt: skip
    notes = [say("score.note_hits", n=len(wanted.found), terms=len(terms), right=right, wrong=len(said.found) - right)]
    if extra:
        notes.append(say("score.note_terms", n=len(extra), names=shortened(extra)))
    notes.append(say("score.note_twv", beta=f"{options.beta:g}", threshold=f"{options.threshold:g}",
                     trials=f"{options.trials:g}") if options.trials else say("score.note_no_trials"))  # fmt: skip
    tables = (_per_term(terms, by_term, wanted.files), _curve_table(ranked))
    return EvaluationResult(task="detection", measured=measured, counts=counts, tables=tables, notes=tuple(notes))


def detection_inputs(reference: Path, given: Given) -> tuple[str, ...]:
    """Return the files and the terms, separately: not which is where."""
    parse_options(DetectionOptions, given, "detection")
    wanted = read_occurrences(reference, scored=False)
    terms = sorted({one.term for one in wanted.found})
    return (*(f"file\t{name}" for name in sorted(wanted.files)), *(f"term\t{name}" for name in terms))


def _ranked(wanted: Occurrences, said: Occurrences, found: Sequence[int | None], terms: Sequence[str]) -> RankedHits:
    file_number = {name: i for i, name in enumerate(wanted.files)}
    term_number = {name: i for i, name in enumerate(terms)}
    occurrences = torch.zeros(len(file_number), len(terms), dtype=torch.double)
    for one in wanted.found:
        occurrences[file_number[one.file], term_number[one.term]] += 1
    return RankedHits.of(
        torch.tensor([file_number[hit.file] for hit in said.found], dtype=torch.long),
        torch.tensor([term_number[hit.term] for hit in said.found], dtype=torch.long),
        torch.tensor([one is not None for one in found], dtype=torch.bool),
        torch.tensor([hit.score for hit in said.found], dtype=torch.double),
        occurrences,
    )


def _measured(
    files: tuple[str, ...], ranked: RankedHits, by_term: list[RankedHits], options: DetectionOptions
) -> SystemMeasurements:
    def figures(weights: Tensor) -> Tensor:
        found = [mean_average_precision(by_term, weights), average_precision(ranked, weights)]
        if options.trials:
            found += term_weighted_values(ranked, weights, options.trials, options.threshold, options.beta)
        return torch.stack(found, dim=1)

    names = ("mean_average_precision", "global_average_precision", *(("twv", "maximum_twv") if options.trials else ()))
    return SystemMeasurements(names=names, units=files, sizes=ranked.occurrences.sum(1), of=figures)


def _per_term(terms: Sequence[str], by_term: Sequence[RankedHits], files: tuple[str, ...]) -> DetailTable:
    rows: list[tuple[Cell, ...]] = []
    for name, ranked in zip(terms, by_term, strict=True):
        right = int(ranked.right.sum())
        rows.append((name, int(ranked.occurrences.sum()), _ap_of(ranked, files), right, len(ranked.right) - right))
    columns = (("term", say("score.column_term")), ("occurrences", say("score.column_occurrences")), ("ap", "AP"),
               ("right", say("score.column_right")), ("false_alarms", say("score.column_false_alarms")))  # fmt: skip
    return DetailTable(name="terms", title=say("score.by_term"), columns=columns, rows=tuple(rows))


def _ap_of(ranked: RankedHits, files: tuple[str, ...]) -> EvaluatedMetric:
    measured = SystemMeasurements(names=("average_precision",), units=files, sizes=ranked.occurrences.sum(1),
                        of=lambda weights: average_precision(ranked, weights)[:, None])  # fmt: skip
    found = headline_metric(measured)
    # Drawn again, the one file that a term is in is always the same: that tells nothing of other files.
    return found if int((ranked.occurrences[:, 0] > 0).sum()) > 1 else replace(found, interval=None)


def _curve_table(ranked: RankedHits) -> DetailTable:
    """Precision and recall at up to ``CURVE_POINTS`` thresholds, spread evenly over the list."""
    points = precision_recall_curve(ranked)
    step = max(1, -(-len(points) // CURVE_POINTS))
    kept = points[::-step][::-1] if points else []
    rows: list[tuple[Cell, ...]] = [(round(t, 6), round(p, 4), round(r, 4)) for t, p, r in kept]
    columns = (("threshold", say("score.column_threshold")), ("precision", say("score.column_precision")),
               ("recall", say("score.column_recall")))  # fmt: skip
    return DetailTable(name="curve", title=say("score.curve"), columns=columns, rows=tuple(rows))
