"""``capas score`` and ``capas challenge``: evaluation of any system's output against a reference, and blind tests."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from capas.cli import show
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, metric_name
from capas.evaluation.bootstrap import (
    FEW_UNITS,
    EvaluatedMetric,
    MetricDifference,
    metric_differences,
    metrics_with_intervals,
)
from capas.evaluation.challenge.challenge import PUBLIC, Challenge, new_challenge, parse_deadline, parse_limit
from capas.evaluation.challenge.standing import current_standing, standing_cells, standing_heads, standing_page
from capas.evaluation.results import Cell, DetailTable, EvaluationResult, Given
from capas.evaluation.scorers import evaluate_files as scored
from capas.evaluation.speech.mapsswe import FEW_SEGMENTS, MAPSSWETest, mapsswe
from capas.trust.rendering.style import STYLE

MOST_ROWS = 30


def given(options: dict[str, str | int | float | bool | None]) -> dict[str, str | int | float | bool]:
    """Return the options that were set."""
    return {name: value for name, value in options.items() if value is not None and value is not False}


def score(
    task: str, reference: str, hypothesis: str, against: str | None, options: Given, seed: int, as_json: bool
) -> None:
    """Evaluate a hypothesis against a reference and print the metrics.

    Args:
        task: Name of a scorer.
        reference: File of the reference.
        hypothesis: File of the system's output.
        against: Another system's output to compare with; adds the differences of the metrics and their significance.
        options: Options of the scorer.
        seed: Seed of the bootstrap.
        as_json: Print JSON.
    """
    first = scored(task, Path(reference), Path(hypothesis), options)
    figures = metrics_with_intervals(first.measured, seed=seed)
    second = None if against is None else scored(task, Path(reference), Path(against), options)
    found = () if second is None else metric_differences(first.measured, second.measured, seed=seed)
    pairs = mapsswe(first.errors, second.errors) if second is not None and first.errors else None
    if as_json:
        tree: dict[str, object] = {
            "task": task, "metrics": {figure.name: figure.as_json() for figure in figures},
            "counts": dict(first.counts),
            "tables": {table.name: table.as_json() for table in first.tables}, "notes": [*first.notes, *first.lacks],
        }  # fmt: skip
        if second is not None:
            other = metrics_with_intervals(second.measured, seed=seed)
            tree["against"] = {
                "metrics": {figure.name: figure.as_json() for figure in other}, "counts": dict(second.counts),
                "differences": {one.name: one.as_json() for one in found}, "notes": [*second.notes, *second.lacks],
                **({} if pairs is None else {"matched_pairs": pairs.as_json()}),
            }  # fmt: skip
        show.print_json(tree)
        return
    _print_figures(figures)
    _print_score(first)
    if second is not None and against is not None:
        _print_differences(found, metrics_with_intervals(second.measured, seed=seed), hypothesis, against)
        if pairs is not None:
            _print_matched_pairs(pairs, hypothesis, against)
        show.results().print(*second.lacks, sep="\n") if second.lacks else None


def _print_figures(figures: Sequence[EvaluatedMetric]) -> None:
    console = show.results()
    rows = [
        (metric_name(figure.name), format_metric(figure.as_json()),
         format_decimal(figure.n, 0 if figure.n % 1 == 0 else 1), show.whole(figure.units))
        for figure in figures
    ]  # fmt: skip
    columns = ["", say("score.column_value"), "n", say("score.column_units")]
    console.print(show.table("", columns, rows, right=(2, 3)))
    if figures and figures[0].units < FEW_UNITS:
        console.print(Text(say("score.note_few", n=figures[0].units), "yellow"))


def _print_score(found: EvaluationResult) -> None:
    console = show.results()
    for note in (*found.notes, *found.lacks):
        console.print(note)
    for table in found.tables:
        if table.rows:
            console.print()
            _print_lines(table) if table.lines else _print_table(table)


def _print_table(table: DetailTable) -> None:
    rows = [[_cell(cell) for cell in row] for row in table.rows[:MOST_ROWS]]
    numeric = [i for i, cell in enumerate(table.rows[0]) if isinstance(cell, int | float)]
    show.results().print(show.table(table.title, [title for _, title in table.columns], rows, right=numeric))
    if len(table.rows) > MOST_ROWS:
        show.results().print(Text(say("score.more_rows", n=len(table.rows) - MOST_ROWS), "dim"))


def _print_lines(table: DetailTable) -> None:
    console = show.results()
    console.print(Text(table.title, "bold"))
    for name, errors, words, above, below in table.rows:
        console.print(Text(say("score.worst_line", name=str(name), errors=str(errors), words=str(words)), "dim"))
        console.print(Text(f"  {above}"), soft_wrap=True)
        console.print(Text(f"  {below}"), soft_wrap=True)


def _cell(cell: Cell) -> str:
    match cell:
        case EvaluatedMetric():
            return format_metric(cell.as_json())
        case None:
            return "–"
        case float():
            return f"{cell:g}"
        case _:
            return str(cell)


def _print_differences(
    found: Sequence[MetricDifference], other: Sequence[EvaluatedMetric], hypothesis: str, against: str
) -> None:  # fmt: skip
    console = show.results()
    console.print()
    console.print(Text(say("score.against", first=hypothesis, second=against), "bold"))
    values = {figure.name: format_metric(figure.as_json()) for figure in other}
    rows = [
        (metric_name(one.name), values.get(one.name, "–"), _difference_text(one),
         "–" if one.p is None else format_decimal(one.p, 3), _verdict(one, hypothesis, against))
        for one in found
    ]  # fmt: skip
    columns = ["", against, say("score.column_difference"), "p", ""]
    console.print(show.table("", columns, rows, right=(3,)))
    console.print(Text(say("score.note_paired"), "dim"))


def _difference_text(one: MetricDifference) -> str:
    figure = EvaluatedMetric(name=one.name, value=one.value, n=0, units=one.units, interval=one.interval)
    return format_metric(figure.as_json())


def _print_matched_pairs(found: MAPSSWETest, first: str, second: str) -> None:
    console = show.results()
    known = found.p is not None and found.statistic is not None
    said = (
        say("score.matched_pairs", n=found.segments, mean=format_decimal(found.mean, 2),
            statistic=format_decimal(found.statistic or 0.0, 2), p=format_decimal(found.p or 0.0, 3))
        if known else say("score.matched_pairs_none", n=found.segments)
    )  # fmt: skip
    console.print(f"{said} · {_verdict(found, first, second)}" if known else said)
    if known and found.segments < FEW_SEGMENTS:
        console.print(Text(say("score.note_few_segments", n=found.segments), "yellow"))


def _verdict(one: MetricDifference | MAPSSWETest, first: str, second: str) -> str:
    if not one.shown:
        return say("score.no_difference")
    return say("score.better", name=first if one.first_is_better else second)


def challenge_new(
    folder: str, task: str, reference: str, title: str, limit: str | None, until: str | None, public_share: float,
    options: Given, as_json: bool,
) -> None:  # fmt: skip
    """Create a challenge."""
    made = new_challenge(
        Path(folder), task=task, reference=Path(reference), title=title, options=options, public_share=public_share,
        limit=None if limit is None else parse_limit(limit), until=None if until is None else parse_deadline(until),
    )  # fmt: skip
    if as_json:
        show.print_json({"folder": folder, "public": str(made.folder / PUBLIC), "private": str(made.private)})
    else:
        show.notes().print(say("challenge.made", public=str(made.folder / PUBLIC), private=str(made.private)))


def challenge_submit(folder: str, hypothesis: str, team: str, as_json: bool) -> None:
    """Record a team's submission and print the metrics that the team may see."""
    challenge = Challenge(Path(folder))
    received = challenge.submit(Path(hypothesis), team)
    if as_json:
        show.print_json({
            "team": received.submission.team, "hash": received.submission.hash,
            "received": received.submission.received.isoformat(), "repeated": received.repeated,
            "metrics": {figure.name: figure.as_json() for figure in received.figures},
            "public_share": challenge.rules.public_share, "left": received.left, "notes": list(received.lacks),
        })  # fmt: skip
        return
    console = show.results()
    if received.repeated:
        console.print(say("challenge.repeated"))
    _print_figures(received.figures)
    for note in received.lacks:
        console.print(note)
    if challenge.rules.public_share:
        console.print(say("challenge.told_part"))
    console.print(say("challenge.filed", hash=received.submission.hash[:12], team=received.submission.team))
    if received.left is not None:
        console.print(say("challenge.left", n=received.left))


def challenge_rank(folder: str, html: str | None, final: bool, as_json: bool) -> None:
    """Print the ranking for the organiser and write the public page; ``final`` closes the challenge first."""
    from datetime import UTC, datetime

    challenge = Challenge(Path(folder))
    if final:
        challenge.submissions.close(datetime.now(UTC))
    found = current_standing(challenge)
    page = standing_page(challenge, found, STYLE)
    pages = [challenge.folder / PUBLIC / "ranking.html", *([Path(html)] if html else [])]
    for path in pages:
        if path.suffix.casefold() not in (".html", ".htm"):
            raise CapasError("challenge_page", where=path, received=path.suffix or path.name)
        write_atomic(path, page)
    if as_json:
        show.print_json({**found.as_json(), "pages": [str(path) for path in pages]})
        return
    console = show.results()
    if not found.places:
        show.notes().print(say("challenge.nothing_yet"))
        return
    console.print(Text(found.title, "bold"))
    console.print(say("challenge.page_rank", metric=metric_name(found.metric), units=found.units))
    rows = [standing_cells(place, published=True) for place in found.places]
    console.print(show.table("", standing_heads(), rows, right=(0, 3, 4)))
    console.print(Text(say("challenge.rule_rank"), "dim"))
    if not found.published:
        console.print(Text(say("challenge.organiser_only"), "yellow"))
    show.notes().print(say("challenge.page_written", path=", ".join(map(str, pages))))
