"""``archive learn``: the reader learns from what was corrected, and what that has brought is shown."""

import sys
from pathlib import Path
from typing import Final

from rich.text import Text

from capas.archive.learning import Gain, Lesson, compared, lay_out, taught
from capas.archive.library import Library
from capas.archive.making import kept_making
from capas.cli import show
from capas.cli.archive_verbs import list_bad, next_step, progress_of
from capas.cli.data_verbs import changes
from capas.cli.train_verbs import STOPPED, watching
from capas.core.files import only_writer, write_atomic
from capas.core.messages import say
from capas.engine.line_reader import LineReader
from capas.engine.plan import config_for
from capas.engine.predict import load_model
from capas.engine.train import Result
from capas.engine.train import train as train_run
from capas.pages.normalise import KEPT
from capas.score.resample import Figure

RULES: Final = "rules.toml"  # in the folder of the lesson


def learn(folder: Path, time: str, settings: list[str] | None, out: str | None, as_json: bool) -> None:
    """Train the archive's reader on the corrected lines, from the weights that it has, and compare the two."""
    library = Library.open(folder)
    before = kept_making(library).reader
    LineReader.open(before)  # before anything is written
    with only_writer(folder), progress_of("exporting_pages", as_json) as progress:
        lesson = lay_out(library, progress)
        taught(library, lesson)
    if not as_json:
        list_bad(lesson.written.bad)
        show.notes().print(say("archive.learn.laid_out", learnt=lesson.learnt, apart=lesson.apart))
    result = _trained(lesson, before, time, settings, out, as_json)
    gain = compared(lesson, before, result.run.folder)
    if as_json:
        show.print_json({"run": str(result.run.folder), "learnt": lesson.learnt, "apart": lesson.apart,
                         **gain.as_json()})  # fmt: skip
        return
    _print_gain(lesson, gain)
    if not gain.worse:
        next_step(say("archive.learn.next"), "archive", "read", str(folder), "--model", str(result.run.folder))


def _trained(
    lesson: Lesson, before: str, time: str, settings: list[str] | None, out: str | None, as_json: bool
) -> Result:
    """The new run, of the same shape and with the same rules for transcripts as the reader it starts from. Exits where
    it was stopped."""
    reader = LineReader.open(before)
    width = load_model(before).card.network.settings["width"]
    like = {"network.start": before, "network.width": width, "data.image_size": reader.height}
    if reader.rules.name != KEPT:
        write_atomic(lesson.folder / RULES, reader.rules.as_toml())
        like["data.transcripts"] = str(lesson.folder / RULES)
    config = config_for(str(lesson.folder), {**like, **changes(time=time, report="none", settings=settings)})
    with watching(quiet=as_json) as screen:
        result = train_run(config, out=out, watch=screen.watch)
    if result is None:
        if screen.run is not None:
            show.notes().print(Text(show.command("resume", str(screen.run.folder)), show.ACCENT), soft_wrap=True)
        sys.exit(STOPPED)
    return result


def _print_gain(lesson: Lesson, gain: Gain) -> None:
    console, shown = show.results(), gain.difference
    rows = [[say("archive.learn.before"), _rate(gain.before)], [say("archive.learn.after"), _rate(gain.after)]]
    heads = [say("archive.learn.reader"), say("archive.learn.errors")]
    console.print(show.table("", heads, rows, right=[1]))
    low, high = shown.interval or (shown.value, shown.value)
    told = "same" if not shown.shown else "better" if shown.first_is_better else "worse"
    points, low, high = (100 * abs(value) if told != "same" else 100 * value for value in (shown.value, low, high))
    ends = sorted((low, high))
    console.print(say(f"archive.learn.{told}", apart=lesson.apart, points=show.decimal(points, 1),
                      low=show.decimal(ends[0], 1), high=show.decimal(ends[1], 1)))  # fmt: skip
    if gain.changed:
        lines = [[one.truth, one.before, one.after] for one in gain.changed]
        names = [say(f"archive.learn.{name}") for name in ("truth", "before", "after")]
        console.print(show.table(say("archive.learn.changed"), names, lines))


def _rate(figure: Figure) -> str:
    ends = figure.interval or (figure.value, figure.value)
    return f"{show.percent(figure.value)} ({show.percent(ends[0])}–{show.percent(ends[1])})"
