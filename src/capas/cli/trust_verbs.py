"""``capas trust``: the trust report of a run, or a comparison of two."""

from collections.abc import Sequence
from typing import cast

from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from capas.cli import show
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, metric_name
from capas.engine.run import find_finished_run
from capas.trust.compare import ReportComparison, compare
from capas.trust.rendering.html_page import MARKS
from capas.trust.report import TrustReport, make_report, report_deadline
from capas.trust.theme import THEMES
from capas.trust.theme_context import Level
from capas.trust.theme_runner import ReportProgress

SIGNS = {"plain": " ", "good": "✓", "attention": "!", "problem": "✗"}
TONES = {"plain": "", "good": "green", "attention": "yellow", "problem": "red"}
STYLES = {
    "nothing_found": "green",
    "partly_tested": "yellow",
    "attention": "yellow",
    "problem": "red",
    "not_computed": "dim",
}


def trust(runs: Sequence[str], level: Level, side_by_side: bool, time_s: float | None, as_json: bool) -> None:
    """Make the trust report of a run and print its verdict, or compare the reports of two."""
    if len(runs) != (2 if side_by_side else 1):
        raise CapasError("trust_runs" if not side_by_side else "compare_runs", where="RUN", received=" ".join(runs))
    if side_by_side:
        found = compare(runs[0], runs[1])
        if as_json:
            show.print_json(found.as_json())
        else:
            _print_comparison(found)
        return
    report = make_with_progress(runs[0], level, time_s=time_s, quiet=as_json)
    if as_json:
        show.print_json(report.as_json())
    else:
        print_report(report)


def make_with_progress(run: str, level: Level, *, time_s: float | None = None, quiet: bool) -> TrustReport:
    """Make the trust report within ``time_s`` seconds, by default those of ``report_deadline``, with a progress bar."""
    deadline = report_deadline(find_finished_run(run), time_s)
    console = show.console(stderr=True, quiet=quiet)
    shown = Progress(
        SpinnerColumn(style=show.ACCENT),
        TextColumn("{task.description}"),
        BarColumn(complete_style=show.ACCENT),
        TextColumn("{task.fields[detail]}", style="dim"),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with shown:
        bar = shown.add_task(say("progress.trust"), total=len(THEMES), detail="")

        def progress(at: ReportProgress) -> None:
            shown.update(bar, completed=at.themes_done + at.fraction, detail=progress_detail(at))

        return make_report(run, level, progress, deadline=deadline)


def progress_detail(at: ReportProgress) -> str:
    """Return the theme at work and the most time that is left."""
    theme = say(f"trust.themes.{at.theme}")
    return say("trust.time.left", theme=theme, time=show.duration(at.seconds_left))


def print_report(report: TrustReport) -> None:
    """Print the verdict, the status of each theme, and the path of the page."""
    console = show.results()
    found = report.verdict
    console.print(Text(found.headline.text, "bold"))
    for box in found.boxes:
        line = Text.assemble((f"{SIGNS[box.tone]} {box.heading}: ", TONES[box.tone] or "bold"), box.text)
        console.print(Padding(line, (0, 0, 0, 2)))
    for sentence in found.more:
        line = Text.assemble((f"{SIGNS[sentence.tone]} ", TONES[sentence.tone]), sentence.text)
        console.print(Padding(line, (0, 0, 0, 2)))
    for note in found.notes:
        console.print(Padding(Text(note, "dim"), (0, 0, 0, 2)))
    console.print()
    rows = [
        [
            Text(f"{MARKS[theme.status]} ", STYLES[theme.status]) + Text(say(f"trust.themes.{theme.name}")),
            Text(say(f"trust.status.{theme.status}"), STYLES[theme.status]),
        ]
        for theme in report.themes
    ]
    console.print(show.table("", ["", ""], rows))
    console.print()
    console.print(Text.assemble((say("trust.page") + " ", "dim"), (str(report.page), show.ACCENT)), soft_wrap=True)


def _print_comparison(found: ReportComparison) -> None:
    console = show.results()
    rows = [[metric_name(name), format_metric(a), format_metric(b)] for name, a, b in found.figures]
    rows += [
        [say(f"trust.themes.{name}"), say(f"trust.status.{a}"), say(f"trust.status.{b}")]
        for name, a, b in found.statuses
    ]
    console.print(show.table("", ["", found.a, found.b], rows))
    if found.difference is None:
        console.print(Text(say("trust.compare.other_tests"), "yellow"))
        return
    low, high = cast(list[float], found.difference["interval"])
    value = cast(float, found.difference["value"])
    said = "trust.compare.no_difference" if low <= 0 <= high else "trust.compare.difference"
    console.print(say(said, points=f"{'+' if value > 0 else ''}{format_decimal(100 * value, 1)}",
                      low=format_decimal(100 * low, 1), high=format_decimal(100 * high, 1),
                      n=cast(int, found.difference["n"])))  # fmt: skip
