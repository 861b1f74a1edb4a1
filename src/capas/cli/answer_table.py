"""The table of ``capas predict --out``: the user's own columns as they were, and the answers beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capas.data.tabular.raw_rows import RawTable
from capas.data.tabular.write import OutputColumn
from capas.engine.recipe import Prediction

Origins = Sequence[tuple[RawTable, int] | None]
_SUFFIX = "_capas"


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerTable:
    """The columns of an answer table.

    Attributes:
        columns: The user's columns, then those of the answers.
        rows: The number of rows.
        unread: How many of these could not be read.
        renamed: Names of answer columns that the user has too, and what they are called instead.
    """

    columns: tuple[OutputColumn, ...]
    rows: int
    unread: int
    renamed: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    answer: Prediction | None
    table: RawTable | None = None
    index: int = 0

    @property
    def refused(self) -> str:
        if self.answer is None:
            return "" if self.table is None else self.table.unread[self.index]
        return self.answer.refused or ""


def make_answer_table(
    answers: Sequence[Prediction], origins: Origins, classes: Sequence[str], *, plain_numbers: bool
) -> AnswerTable:
    """Return the table of ``answers``, of which ``origins`` says from which row of which table each comes.

    Args:
        answers: The answers.
        origins: As long as ``answers``, or longer.
        classes: The classes whose probabilities are columns.
        plain_numbers: See ``RawTable.columns``.
    """
    rows = _rows(answers, origins)
    tables = {id(row.table): row.table for row in rows if row.table is not None}
    cells = {key: table.columns(plain_numbers=plain_numbers) for key, table in tables.items()}
    own = list(dict.fromkeys(name for columns in cells.values() for name in columns))
    users = [
        OutputColumn(name=name, cells=[
            None if row.table is None or name not in cells[id(row.table)] else cells[id(row.table)][name][row.index]
            for row in rows
        ])
        for name in own
    ]  # fmt: skip
    alone = len(tables) == 1 and all(row.table is not None for row in rows)
    found = _answer_columns(rows, classes)[1 if alone else 0 :]
    renamed = {column.name: _free_name(column.name, own) for column in found if column.name in own}
    named = [OutputColumn(name=renamed.get(c.name, c.name), cells=c.cells, decimals=c.decimals) for c in found]
    # With inputs of several kinds, the name of the input is what tells them apart, and stands first.
    columns = (*users, *named) if alone else (named[0], *users, *named[1:])
    return AnswerTable(columns=columns, rows=len(rows), unread=sum(row.answer is None for row in rows), renamed=renamed)


def _rows(answers: Sequence[Prediction], origins: Origins) -> list[_Row]:
    """A row for each answer, and for each row of a table that could not be read, in the table's order."""
    rows: list[_Row] = []
    start = 0
    while start < len(answers):
        origin = origins[start]
        if origin is None:
            rows.append(_Row(answer=answers[start]))
            start += 1
            continue
        table, readable = origin[0], origin[0].readable
        own = dict(zip(readable, answers[start : start + len(readable)], strict=False))
        # Where --limit ended amid the table, so does the answer.
        end = len(table.rows) if len(own) == len(readable) else max(own) + 1
        rows += [_Row(answer=own.get(i), table=table, index=i) for i in range(end)]
        start += len(own)
    return rows


def _answer_columns(rows: Sequence[_Row], classes: Sequence[str]) -> list[OutputColumn]:
    """The input's name, the prediction, what is known of it, and the probability of every class."""
    answers = [row.answer for row in rows]
    given = [answer for answer in answers if answer is not None]
    facts = list(dict.fromkeys(key for answer in given for key in answer.facts))
    shown = classes if any(answer.probabilities for answer in given) else []
    columns = [
        OutputColumn(name="input", cells=[None if a is None else a.input for a in answers]),
        OutputColumn(name="prediction", cells=[None if a is None else a.prediction for a in answers]),
        OutputColumn(name="probability", cells=[None if a is None else a.probability for a in answers], decimals=6),
    ]
    if "interval" in facts:
        for i, name in enumerate(("lower", "upper")):
            columns.append(OutputColumn(name=name, cells=[_end(a, i) for a in answers]))
    columns.append(OutputColumn(name="refused", cells=[row.refused for row in rows]))
    for key in facts:
        # The value is the prediction, and the ends of the interval have columns of their own.
        if key not in ("interval", "value", "probability"):
            columns.append(OutputColumn(name=key, cells=[None if a is None else a.facts.get(key) for a in answers]))
    for name in shown:
        held = [None if a is None else a.probabilities.get(name) for a in answers]
        columns.append(OutputColumn(name=f"p({name})", cells=held, decimals=6))
    return columns


def _end(answer: Prediction | None, place: int) -> object:
    """One end of the interval of a number."""
    interval = None if answer is None else answer.facts.get("interval")
    return interval[place] if isinstance(interval, list) else None


def _free_name(name: str, taken: Sequence[str]) -> str:
    free, number = f"{name}{_SUFFIX}", 2
    while free in taken:
        free, number = f"{name}{_SUFFIX}{number}", number + 1
    return free
