"""Terminal output: consoles, tables, bars, durations, progress."""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from capas.core.i18n import say
from capas.core.inert_text import inert, inert_json
from capas.core.number_format import format_decimal, format_percent

__all__ = ["format_decimal", "format_percent"]
ACCENT = "cyan"


def results() -> Console:
    """Return the console of standard output, for what the user asked for."""
    return console()


def notes() -> Console:
    """Return the console of standard error, for progress and remarks, so that a pipe gets results alone."""
    return console(stderr=True)


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console without markup and highlighting: file names may hold what rich takes for markup."""
    return InertConsole(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False)


class InertConsole(Console):
    """A console to which no name of a file or class sends control characters; styles are its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, each piece of text by ``inert``."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(inert(piece.text), piece.style)


def command(*words: str) -> str:
    """Return a ``capas`` command line to be copied, quoted for the shell."""
    return shlex.join(["capas", *words])


def print_json(value: object) -> None:
    """Write ``value`` as JSON to standard output."""
    sys.stdout.write(inert_json(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


def whole(value: int) -> str:
    """Return a count with thousands separators."""
    return format_decimal(value, 0)


def duration(seconds: float) -> str:
    """Return a duration as "8 s", "2 min 05 s", "1 h 20 min"."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> Table:
    """Return a plain table with a title; the columns numbered in ``right`` are right-aligned."""
    drawn = Table(title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        drawn.add_column(Text(column, "dim"), justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row])
    return drawn


def bar(share: float, width: int = 24) -> str:
    """Return a share in [0, 1] as a bar of ``width`` characters, in eighths."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


class Stages:
    """Progress bars of the stages before and after training, each visible while it lasts; called with (stage, done,
    total).
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(say(f"progress.{stage}"), total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total, visible=done < total)


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[Stages]:
    """Show progress bars on standard error within the context; none without a terminal or with ``quiet``."""
    screen = notes()
    progress = Progress(
        SpinnerColumn(style=ACCENT),
        TextColumn("{task.description}"),
        BarColumn(complete_style=ACCENT),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
        disable=quiet or not screen.is_terminal,
    )
    with progress:
        yield Stages(progress)
