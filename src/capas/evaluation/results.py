"""The result of an evaluation: metrics, detail tables and notes; and the options of a task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from capas.core.errors import CapasError
from capas.evaluation.bootstrap import EvaluatedMetric, SystemMeasurements
from capas.evaluation.speech.mapsswe import UtteranceErrors

Given = Mapping[str, str | int | float | bool]
Cell = str | int | float | EvaluatedMetric | None
Options = TypeVar("Options")


@dataclass(frozen=True, kw_only=True, slots=True)
class DetailTable:
    """Details by speaker, class, term, …

    Attributes:
        name: Key in ``--json``.
        title: Heading.
        columns: Pairs (key in ``--json``, heading).
        rows: The rows.
        lines: Whether cells hold several lines (alignments), to be shown below each other instead of in columns.
    """

    name: str
    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    lines: bool = False

    def as_json(self) -> list[dict[str, object]]:
        """Return a list of rows by key."""
        return [
            {
                key: cell.as_json() if isinstance(cell, EvaluatedMetric) else cell
                for (key, _), cell in zip(self.columns, row, strict=True)
            }
            for row in self.rows
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationResult:
    """A system's scored output.

    Attributes:
        task: The task.
        measured: The metrics.
        counts: Plain numbers, such as errors of each kind.
        tables: Detail tables.
        notes: What the reader has to know of how it was counted.
        lacks: What the hypothesis lacks or what cannot be placed in the reference.
        errors: Errors of each utterance, of speech.
    """

    task: str
    measured: SystemMeasurements
    counts: Mapping[str, int | float]
    tables: tuple[DetailTable, ...]
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    errors: tuple[UtteranceErrors, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scorer:
    """The evaluation of one task.

    Attributes:
        score: Maps (reference, hypothesis, options) to the result.
        inputs: Returns what of a reference may be published.
        options: Class of the options.
        headline: Metric that systems are ranked by.
    """

    score: Callable[[Path, Path, Given], EvaluationResult]
    inputs: Callable[[Path, Given], tuple[str, ...]]
    options: type
    headline: str


def parse_options(kind: type[Options], given: Given, task: str) -> Options:
    """Return the checked options. Raises CapasError ``score_option`` or ``score_option_value``."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            names = ", ".join("--" + option.replace("_", "-") for option in sorted(known)) or "–"
            raise CapasError("score_option", where="--" + name.replace("_", "-"), received=task, known=names)
    try:
        return TypeAdapter(kind).validate_python(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = "--" + str(first["loc"][0] if first["loc"] else "").replace("_", "-")
        raise CapasError("score_option_value", where=where, received=str(first["input"])) from error
