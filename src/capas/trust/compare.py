"""Comparison of two trust reports; a difference is claimed only where both models were tested on the same examples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch

from capas.core.errors import CapasError
from capas.core.number_format import metric_value
from capas.engine.dataset_record import DatasetRecord, read_dataset_record
from capas.engine.run import Run, find_run, read_metrics
from capas.metrics.bootstrap import percentile_interval
from capas.trust.predictions import read_correct
from capas.trust.report import read_report
from capas.trust.theme import THEMES

RESAMPLES = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportComparison:
    """Two reports side by side.

    Attributes:
        a: Name of the first run.
        b: Name of the second run.
        figures: Triples (metric name, value of A, value of B).
        statuses: Triples (theme, status of A, status of B).
        difference: B's accuracy minus A's on the same examples with a 95 % interval; None where test sets differ.
    """

    a: str
    b: str
    figures: Sequence[tuple[str, object, object]]
    statuses: Sequence[tuple[str, str, str]]
    difference: Mapping[str, object] | None

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``capas trust --compare A B --json``."""
        return {
            "a": self.a,
            "b": self.b,
            "metrics": {name: {"a": first, "b": second} for name, first, second in self.figures},
            "themes": {name: {"a": first, "b": second} for name, first, second in self.statuses},
            "difference": self.difference,
        }


def compare(first: str, second: str) -> ReportComparison:
    """Compare the reports of two runs. Raises CapasError where one has none, or where they learnt different tasks."""
    runs = [find_run(first), find_run(second)]
    trees = [read_report(run) for run in runs]
    tasks = [cast(Mapping[str, object], tree["model"])["task"] for tree in trees]
    if tasks[0] != tasks[1]:
        raise CapasError("compare_tasks", where=second, received=str(tasks[1]), known=str(tasks[0]))
    metrics = [cast(Mapping[str, object], read_metrics(run)["metrics"]) for run in runs]
    themes = [cast(Mapping[str, Mapping[str, object]], tree["themes"]) for tree in trees]
    return ReportComparison(
        a=str(runs[0].folder),
        b=str(runs[1].folder),
        figures=[(name, metrics[0][name], metrics[1][name]) for name in metrics[0] if name in metrics[1]],
        statuses=[(name, str(themes[0][name]["status"]), str(themes[1][name]["status"])) for name in THEMES],
        difference=_difference(runs),
    )


def metric_gain(figures: tuple[str, object, object]) -> float:
    """Return B's value of a metric minus A's."""
    return metric_value(figures[2]) - metric_value(figures[1])


def _difference(runs: Sequence[Run]) -> Mapping[str, object] | None:
    """Paired: the same examples are drawn again and again for both (Efron 1979)."""
    records = [read_dataset_record(run) for run in runs]
    held = [_by_content(run, record) for run, record in zip(runs, records, strict=True)]
    if held[0] is None or held[1] is None or set(held[0]) != set(held[1]) or not held[0]:
        return None
    gains = torch.tensor([held[1][key] - held[0][key] for key in sorted(held[0])], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(0, len(gains), (RESAMPLES, len(gains)), generator=generator)
    low, high = percentile_interval(gains[drawn].mean(1), len(gains))
    if math.isnan(low):  # too few to tell: anything may be
        low, high = -1.0, 1.0
    return {"value": round(float(gains.mean()), 6), "n": len(gains), "interval": [round(low, 6), round(high, 6)]}


def _by_content(run: Run, record: DatasetRecord) -> dict[str, float] | None:
    """Whether each test example was answered rightly, by its content's hash; None where that is no yes or no."""
    right = read_correct(run)
    if right is None:
        return None
    hashes = dict(zip(record.names, record.hashes, strict=True))
    return {hashes[name]: float(value) for name, value in right.items() if name in hashes}
