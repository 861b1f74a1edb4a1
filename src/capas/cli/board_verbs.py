"""``capas board``: results side by side, as far as they are comparable."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from capas.cli import show
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.number_format import metric_name
from capas.engine.run import find_run
from capas.leaderboard.entry import Entry
from capas.leaderboard.exchange import contest_note, entry_cells, read_entries, write_entries
from capas.leaderboard.filing import file_run
from capas.leaderboard.ranking import Contest, group_contests, rank_entries
from capas.leaderboard.store import Board

COLUMNS = ("rank", "model", "network", "value", "parameters", "extra", "date", "id")
NARROW = ("rank", "model", "network", "value", "id")
WIDE = 110  # columns of the terminal, for all of them
ID_DIGITS = 8


def show_board(task: str | None, data: str | None, metric: str | None, every: bool, as_json: bool) -> None:
    """Print the contests that match; of each only the headline metric, unless ``every`` or a ``metric`` is
    asked for.
    """
    entries = [
        entry
        for entry in Board().entries()
        if task in (None, entry.task) and metric in (None, entry.metric) and (data is None or data in entry.data)
    ]
    found = group_contests(entries)
    if not every and metric is None:
        found = _headlines(found)
    if as_json:
        show.print_json([contest_json(contest) for contest in found])
        return
    if not found:
        show.notes().print(say("board.empty"))
        return
    for contest in found:
        print_contest(contest)


def contest_json(contest: Contest) -> dict[str, object]:
    """Return the form of ``capas board show --json``."""
    first = contest.first
    return {
        "task": first.task, "data": first.data, "data_hash": first.data_hash, "split": first.split,
        "protocol": first.protocol, "metric": first.metric,
        "lines": [
            {"rank": line.rank, "as_good_as_best": line.as_good_as_best, "id": line.entry.id, **line.entry.model_dump()}
            for line in contest.lines
        ],
    }  # fmt: skip


def print_contest(contest: Contest) -> None:
    """Print a contest as a table."""
    first, console = contest.first, show.results()
    console.print(Text(f"{first.data} · {first.task} · {metric_name(first.metric)}", "bold"))
    console.print(Text(contest_note(first), "dim"))
    rows = [dict(zip(COLUMNS, [*entry_cells(line.rank, line.entry, line.as_good_as_best), line.entry.id], strict=True))
            for line in contest.lines]  # fmt: skip
    shown = COLUMNS if console.width >= WIDE else NARROW
    heads = [say(f"board.columns.{name}") for name in shown]
    right = [i for i, name in enumerate(shown) if name in ("rank", "value", "parameters")]
    # The first digits of an id name it as well as all of them do.
    cells = [[row[name][:ID_DIGITS] if name == "id" else row[name] for name in shown] for row in rows]
    console.print(show.table("", heads, cells, right=right))
    console.print()


def compare(ids: Sequence[str], as_json: bool) -> None:
    """Print two or more entries beside each other. Raises CapasError ``board_not_comparable`` where they are not
    comparable.
    """
    chosen = [_named(name) for name in ids]
    if len({entry.key for entry in chosen}) > 1:
        first, other = chosen[0], next(entry for entry in chosen if entry.key != chosen[0].key)
        names = ("data_hash", "split", "metric", "protocol")
        differs = [name for name, a, b in zip(names, first.key, other.key, strict=True) if a != b]
        raise CapasError("board_not_comparable", where=other.id, received=", ".join(differs))
    contest = Contest(lines=rank_entries(chosen))
    if as_json:
        show.print_json(contest_json(contest))
    else:
        print_contest(contest)


def add(run: str, as_json: bool) -> None:
    """File the metrics of a run."""
    new = file_run(find_run(run))
    _said({"new": new}, say("board.added", n=new), as_json)


def export(path: str, as_json: bool) -> None:
    """Write the whole board to a file."""
    entries = Board().entries()
    write_entries(Path(path), entries)
    _said({"path": path, "lines": len(entries)}, say("board.exported", n=len(entries), path=path), as_json)


def import_(path: str, as_json: bool) -> None:
    """Add the entries of a file; nothing is added where one of them is invalid."""
    entries = read_entries(Path(path))
    new = Board().add(entries)
    _said({"lines": len(entries), "new": new}, say("board.imported", n=len(entries), new=new), as_json)


def remove(ids: Sequence[str], as_json: bool) -> None:
    """Remove entries."""
    count = Board().remove([_named(name).id for name in ids])
    _said({"removed": count}, say("board.removed", n=count), as_json)


def _named(name: str) -> Entry:
    """The one entry whose id begins with ``name``."""
    found = [entry for entry in Board().entries() if entry.id.startswith(name)] if name else []
    if len(found) != 1:
        raise CapasError("board_no_such_line", where=str(Board().path), received=name, count=len(found))
    return found[0]


def _headlines(found: Sequence[Contest]) -> list[Contest]:
    """Of contests that differ in the metric alone, the one with the headline metric."""
    kept: dict[tuple[str, str, str], Contest] = {}
    for contest in found:
        first = contest.first
        key = (first.data_hash, first.split, first.protocol)
        held = kept.get(key)
        if held is None or _order(first.metric) < _order(held.first.metric):
            kept[key] = contest
    return list(kept.values())


_FIRST = ("accuracy", "micro_f1", "mean_iou", "entity_f1", "bleu", "cer", "psnr", "mae", "frame_error")


def _order(metric: str) -> int:
    return _FIRST.index(metric) if metric in _FIRST else len(_FIRST)


def _said(tree: dict[str, object], text: str, as_json: bool) -> None:
    if as_json:
        show.print_json(tree)
    else:
        show.notes().print(text)
