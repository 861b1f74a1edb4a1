"""Export and import of the board: CSV and JSON without loss, and an HTML page."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from capas.core.errors import CapasError
from capas.core.files import read_regular, write_atomic, write_json
from capas.core.html import Markup, render_html
from capas.core.i18n import say
from capas.core.inert_text import InertWriter, original_cell
from capas.core.number_format import format_decimal, format_metric, metric_name
from capas.core.parsing import parse_json
from capas.leaderboard.entry import OTHER, UNSEEN, Entry
from capas.leaderboard.ranking import Contest, group_contests
from capas.trust.rendering.style import STYLE

_COLUMNS = tuple(Entry.model_fields)
TEMPLATE: Final = Path(__file__).with_name("board_page.html")
COLUMNS: Final = ("rank", "model", "network", "value", "parameters", "extra", "date")
NUMERIC_COLUMNS: Final = (0, 3, 4)
SUFFIXES = (".csv", ".json", ".html")


def write_entries(path: Path, entries: Sequence[Entry]) -> None:
    """Write ``entries`` in the format of the suffix. Raises CapasError ``board_format``."""
    match path.suffix.casefold():
        case ".csv":
            text = io.StringIO()
            writer = InertWriter(text)
            writer.writerow(_COLUMNS)
            for held in (entry.model_dump() for entry in entries):
                writer.writerow("" if held[name] is None else held[name] for name in _COLUMNS)
            write_atomic(path, text.getvalue())
        case ".json":
            write_json(path, [entry.model_dump() for entry in entries])
        case ".html":
            write_atomic(path, board_page(group_contests(entries)))
        case other:
            raise CapasError("board_format", where=path, received=other, known=", ".join(SUFFIXES))


def read_entries(path: Path) -> list[Entry]:
    """Read what ``write_entries`` wrote as CSV or JSON. Raises CapasError with the line that is wrong."""
    try:
        text = read_regular(path).decode("utf-8")
        rows = parse_json(text) if path.suffix.casefold() == ".json" else _rows_of(text)
    except FileNotFoundError as error:
        raise CapasError("no_such_path", where=path) from error
    except (OSError, ValueError, csv.Error) as error:
        raise CapasError("board_import", where=path, received=str(error)) from error
    if not isinstance(rows, list):
        raise CapasError("board_import", where=path, received=type(rows).__name__)
    return [_entry(row, f"{path}, {number + 1}") for number, row in enumerate(rows)]


def _entry(row: object, where: str) -> Entry:
    try:
        if isinstance(row, Mapping):
            row = {key: value for key, value in row.items() if value != "" or key not in _OPTIONAL}
        return Entry.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        received = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise CapasError("board_import", where=where, received=received) from error


_OPTIONAL = {name for name, field in Entry.model_fields.items() if not field.is_required() and name != "card"}


def entry_value_text(entry: Entry) -> str:
    """Return the value with its interval as text."""
    figure: dict[str, object] = {"value": entry.value, "n": entry.n}
    if entry.low is not None and entry.high is not None:
        figure["interval"] = [entry.low, entry.high]
    if entry.unit is not None:
        figure["unit"] = entry.unit
    return format_metric(figure)


def board_page(found: Sequence[Contest]) -> Markup:
    """Return all contests as one HTML page that works offline."""
    return render_html(TEMPLATE, {
        "title": say("board.title"), "style": STYLE, "contests": [_contest_values(contest) for contest in found],
        "heads": [say(f"board.columns.{name}") for name in COLUMNS], "numeric": NUMERIC_COLUMNS,
    })  # fmt: skip


def _contest_values(contest: Contest) -> dict[str, object]:
    entry = contest.first
    return {
        "title": f"{entry.data} · {entry.task} · {metric_name(entry.metric)}",
        "about": contest_note(entry),
        "rows": [entry_cells(line.rank, line.entry, line.as_good_as_best) for line in contest.lines],
    }


def contest_note(entry: Entry) -> str:
    """Return what the entries of a contest share, in one line."""
    protocol = {UNSEEN: say("board.protocols.unseen"), OTHER: say("board.protocols.other")}.get(
        entry.protocol, entry.protocol
    )
    return say(
        "board.about", data=entry.data, n=format_decimal(entry.n, 0), hash=entry.data_hash[:8], protocol=protocol
    )


def entry_cells(rank: int, entry: Entry, as_good_as_best: bool) -> list[str]:
    """Return the displayed cells of an entry; "≈" where it may be as good as the best."""
    mark = " ≈" if as_good_as_best and rank > 1 else ""
    return [f"{rank}{mark}", entry.model, entry.network, entry_value_text(entry), format_decimal(entry.parameters, 0),
            entry.extra_training_data or "–", entry.created[:10]]  # fmt: skip


def _rows_of(text: str) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{name: original_cell(cell) for name, cell in row.items() if isinstance(cell, str)} for row in rows]
