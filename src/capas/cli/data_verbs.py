"""``capas look`` and ``capas plan``: dataset report and configuration; neither trains anything."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from capas.cli import show
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.i18n import say
from capas.data.inspect.dataset_scan import AudioStatistics, TableStatistics, TextStatistics
from capas.data.inspect.image_statistics import ImageStatistics, MinMedianMax
from capas.data.inspect.report import DatasetReport
from capas.data.naming import SplitName
from capas.data.problems import Problem
from capas.engine.config import config_to_toml, parse_settings
from capas.engine.plan import config_for_data, estimate_seconds, look_at, make_plan
from capas.trust.time_budget import report_budget_s

MARKS = {"error": ("✗", "bold red"), "warning": ("!", "bold yellow"), "note": ("·", "dim")}
CLASSES_SHOWN = 20
ALTERNATIVES_SHOWN = 4
REPORT_SHARE = 1 / 3  # of --time
TOO_FEW: Final = frozenset({"too_few_to_generate", "too_few_to_translate"})


def changes(
    *,
    task: str | None = None,
    target: str | None = None,
    sheet: str | None = None,
    group: str | None = None,
    network: str | None = None,
    time: str | None = None,
    seed: int | None = None,
    report: str | None = None,
    method: str | None = None,
    unlabelled: str | None = None,
    init_from: str | None = None,
    augment_with: str | None = None,
    settings: Sequence[str] | None = None,
) -> dict[str, object]:
    """Return the options of the command line as configuration values by key."""
    named = {
        "data.task": task,
        "data.target": target,
        "data.sheet": sheet,
        "data.group": group,
        "network.name": network,
        **({} if time is None else divide_time(parse_time(time), with_report=report != "none")),
        "train.seed": seed,
        "trust.report": report,
        "method.name": method,
        "method.unlabelled": unlabelled,
        "network.init_from": init_from,
        "augment.with_run": augment_with,
    }
    return {key: value for key, value in named.items() if value is not None} | parse_settings(settings or [])


def divide_time(seconds: float, *, with_report: bool) -> dict[str, object]:
    """Return the settings by which training and report together take ``seconds``: two thirds are the training's.

    >>> divide_time(90.0, with_report=True), divide_time(90.0, with_report=False)
    ({'train.time_s': 60.0, 'trust.time_s': 30.0}, {'train.time_s': 90.0})
    """
    if not with_report:
        return {"train.time_s": seconds}
    report_s = seconds * REPORT_SHARE
    return {"train.time_s": seconds - report_s, "trust.time_s": report_s}


def parse_time(text: str) -> float:
    """Return the seconds in "90", "90s", "10m", "1.5h" or "1h30m". Raises CapasError ``time_unclear``.

    >>> parse_time("1h30m")
    5400.0
    """
    match = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m(?:in)?)?(?:([\d.]+)s?)?", text.strip().lower())
    try:
        hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0, 0.0)
    except ValueError:
        hours = minutes = seconds = 0.0
    total = hours * 3600 + minutes * 60 + seconds
    if not total > 0:
        raise CapasError("time_unclear", where="--time", received=text)
    return total


def look(data: str, wanted: Mapping[str, object], as_json: bool) -> None:
    """Print the report on a dataset, with an estimate of the training time."""
    config = config_for_data(data, wanted)
    with show.stages(quiet=as_json) as stages:
        seen = look_at(config, progress=stages)
        seconds, obstacle = None, None
        if not _grave(seen):
            try:
                seconds = estimate_seconds(config, seen)
            except CapasError as error:
                if error.key not in TOO_FEW:
                    raise
                obstacle = error  # the data can be looked at all the same
    report_s = (
        None if seconds is None or config.trust.report == "none" else report_budget_s(seconds, config.trust.time_s)
    )
    if as_json:
        held = {"training_seconds": seconds, "report_seconds": report_s}
        why = {} if obstacle is None else {"not_learnable": obstacle.part("what")}
        show.print_json({**seen.as_json(), **{key: None if s is None else round(s) for key, s in held.items()}, **why})
        return
    _print_look(show.results(), seen, data, seconds, report_s)
    if obstacle is not None:
        show.results().print(Text(f"! {obstacle.part('what')}", "yellow"), soft_wrap=True)
        show.results().print(Text(f"  {obstacle.part('next')}", "dim"), soft_wrap=True)


def plan(data: str, wanted: Mapping[str, object], out: str | None) -> None:
    """Write the complete configuration to ``out``, or print it. Raises CapasError ``file_exists``."""
    with show.stages() as stages:
        made = make_plan(config_for_data(data, wanted), progress=stages)
    text = config_to_toml(made.config)
    if out is None:
        show.results().print(Text(text), end="", soft_wrap=True)
        return
    if Path(out).exists():
        raise CapasError("file_exists", where=out)
    write_atomic(Path(out), text)
    for reason in made.resolved.reasons:
        show.notes().print(Text(f"· {reason}", "dim"))
    show.notes().print(say("plan.written", path=out))


def _grave(seen: DatasetReport) -> bool:
    return any(problem.severity == "error" for problem in seen.problems)


def _print_look(
    console: Console, seen: DatasetReport, data: str, seconds: float | None, report_s: float | None
) -> None:
    spec = seen.detection.spec
    console.print(Text(say("look.title", data=data), "bold"))
    console.print()
    console.print(Text.assemble((say("look.task"), "dim"), "  ", (say(f"tasks.{spec.task}"), f"bold {show.ACCENT}")))
    for sentence in seen.detection.evidence:
        console.print(Padding(Text(f"· {sentence}"), (0, 0, 0, 2)))
    for other in seen.detection.alternatives[:ALTERNATIVES_SHOWN]:
        line = say("look.alternative", task=other.task, target=other.target, reason=other.reason)
        console.print(Padding(Text(line, "dim"), (0, 0, 0, 2)))
    console.print()
    _print_pictures(console, seen)
    console.print(_classes_table(seen) if seen.counts_classes else _splits_line(seen))
    console.print()
    if seen.problems:
        console.print(Text(say("look.problems"), "bold"))
        for problem in seen.problems:
            print_problem(console, problem)
    else:
        console.print(Text(f"✓ {say('look.no_problems')}", "green"))
    console.print()
    # Without being asked for, these tasks would not be chosen.
    asked = ("--task", spec.task) if spec.task in ("embed", "verify", "generate") or spec.unpaired else ()
    if seconds is not None:
        console.print(say("look.time", time=show.duration(seconds)))
        if report_s is not None:
            both = show.duration(seconds + report_s)
            console.print(say("look.report_time", report=show.duration(report_s), both=both))
        console.print(
            Text.assemble((say("next") + " ", "dim"), (show.command("train", data, *asked), show.ACCENT)),
            soft_wrap=True,
        )


def _print_pictures(console: Console, seen: DatasetReport) -> None:
    pictures = seen.statistics
    if isinstance(pictures, TextStatistics):
        words, count = _sizes(pictures.words), show.whole(pictures.count)
        console.print(say("look.texts", count=count, words=words, characters=_sizes(pictures.characters)))
        console.print()
    if isinstance(pictures, AudioStatistics):
        rates = ", ".join(f"{show.whole(rate)} Hz" for rate in pictures.sample_rates)
        console.print(say("look.sounds", count=show.whole(pictures.count), total=show.duration(pictures.total_s),
                          shortest=show.format_decimal(pictures.shortest_s, 2),
                          longest=show.format_decimal(pictures.longest_s, 2), rates=rates))  # fmt: skip
        console.print()
    if isinstance(pictures, TableStatistics):
        _print_columns(console, pictures)
    if not isinstance(pictures, ImageStatistics):
        return
    console.print(
        say(
            "look.pictures",
            count=show.whole(pictures.count),
            width=_sizes(pictures.width),
            height=_sizes(pictures.height),
            formats=", ".join(f"{name} {show.whole(n)}" for name, n in pictures.formats.items()),
        )
    )
    console.print(
        say("look.brightness", mean=show.format_decimal(pictures.mean, 2), std=show.format_decimal(pictures.std, 2))
    )
    console.print()


def _print_columns(console: Console, table: TableStatistics) -> None:
    rows = [
        [name, say(f"columns.{kind}"), show.whole(table.missing[name]) if table.missing[name] else ""]
        for name, kind in table.kinds.items()
    ]
    heads = [say("look.column"), say("look.column_holds"), say("look.column_missing")]
    console.print(show.table("", heads, rows, right=(2,)))
    console.print()


def _sizes(spread: MinMedianMax) -> str:
    if spread.minimum == spread.maximum:
        return show.whole(spread.median)
    return f"{show.whole(spread.median)} ({show.whole(spread.minimum)}–{show.whole(spread.maximum)})"


def _splits_line(seen: DatasetReport) -> str:
    sides: tuple[SplitName, ...] = ("train", "validation", "test")
    counts = {f"n_{side}": show.whole(seen.split.count(side)) for side in sides}
    line = say("look.splits", count=show.whole(sum(map(bool, seen.split))), **counts)
    if seen.detection.spec.task != "verify":
        return line
    own = {f"n_{side}": show.whole(seen.identities(side)) for side in sides}
    return f"{line}\n{say('look.identities', count=show.whole(len(seen.detection.spec.classes)), **own)}"


def _classes_table(seen: DatasetReport) -> object:
    counts = seen.per_class()
    parts = [seen.per_class(side) for side in ("train", "validation", "test")]
    largest = max(counts.values(), default=1)
    ranked = sorted(counts, key=lambda name: -counts[name]) if len(counts) > CLASSES_SHOWN else list(counts)
    rows = [
        [" ".join(name.split()) or "?", show.whole(counts[name]), *(show.whole(part[name]) for part in parts),
         Text(show.bar(counts[name] / largest), show.ACCENT)]
        for name in ranked[:CLASSES_SHOWN]
    ]  # fmt: skip
    if len(ranked) > CLASSES_SHOWN:
        rest = ranked[CLASSES_SHOWN:]
        rows.append([say("look.more_classes", n=len(rest)), show.whole(sum(counts[n] for n in rest)), "", "", "", ""])
    totals = [sum(part.values()) for part in (counts, *parts)]
    rows.append([Text(say("look.all"), "bold"), *(Text(show.whole(n), "bold") for n in totals), ""])
    heads = [say(f"look.column_{name}") for name in ("class", "examples", "train", "validation", "test")]
    return show.table("", [*heads, ""], rows, right=(1, 2, 3, 4))


def print_problem(console: Console, problem: Problem) -> None:
    """Print a problem with up to five examples and what to do about it."""
    mark, style = MARKS[problem.severity]
    console.print(Text.assemble((f" {mark} ", style), problem.sentence()))
    if problem.examples:
        console.print(Padding(Text(", ".join(problem.examples), "dim"), (0, 0, 0, 3)))
    console.print(Padding(Text(problem.advice(), "italic"), (0, 0, 0, 3)))
