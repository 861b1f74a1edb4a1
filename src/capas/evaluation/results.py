"""What a scoring gives: the measured system, tables that go into detail, and remarks; and the options of a task."""

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
    """Details by speaker, class, term, …: ``name`` and ``columns`` are the keys in ``--json``; ``lines`` is for texts
    of several lines (alignments) that stand below each other instead of in columns."""

    name: str
    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    lines: bool = False

    def as_json(self) -> list[dict[str, object]]:
        """A list of rows by key."""
        return [
            {
                key: cell.as_json() if isinstance(cell, EvaluatedMetric) else cell
                for (key, _), cell in zip(self.columns, row, strict=True)
            }
            for row in self.rows
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationResult:
    """A system's answers to one ``task``, scored; ``counts`` are plain numbers (errors of each kind), ``notes``
    what the reader has to know of how it was counted, ``lacks`` what of the reference the hypothesis lacks or cannot
    be placed in (it tells nothing of how good the rest is); ``errors`` those of each utterance, of speech."""

    task: str
    measured: SystemMeasurements
    counts: Mapping[str, int | float]
    tables: tuple[DetailTable, ...]
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    errors: tuple[UtteranceErrors, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scorer:
    """``score(reference, hypothesis, options)``, what of a reference may be published (``inputs``), and the figure that
    systems are ranked by (``headline``)."""

    score: Callable[[Path, Path, Given], EvaluationResult]
    inputs: Callable[[Path, Given], tuple[str, ...]]
    options: type
    headline: str


def parse_options(kind: type[Options], given: Given, task: str) -> Options:
    """The options ``given``, checked. Raises CapasError ``score_option`` or ``score_option_value``."""
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
