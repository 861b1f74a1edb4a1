"""``capas archive learn``: trains the archive's reader on the corrected lines and compares it with the former one."""

import sys
from pathlib import Path
from typing import Final

from rich.text import Text

from capas.archive.learning.reader_training import (
    ReaderComparison,
    TrainingLines,
    compare_readers,
    mark_as_learnt,
    write_training_lines,
)
from capas.archive.library.database import Library
from capas.archive.reading.index_provenance import read_index_provenance
from capas.cli import show
from capas.cli.archive.verbs import list_bad, next_step, progress_of
from capas.cli.data_verbs import changes
from capas.cli.train_verbs import STOPPED, watching
from capas.core.files import only_writer, write_atomic
from capas.core.i18n import say
from capas.engine.plan import config_for_data
from capas.engine.predict import load_model
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.engine.run import Run
from capas.engine.train import TrainingResult
from capas.engine.train import resume as resume_run
from capas.engine.train import train as train_run
from capas.evaluation.bootstrap import EvaluatedMetric
from capas.page_formats.normalise import KEPT

RULES: Final = "rules.toml"  # in the folder of the lesson


def learn(folder: Path, time: str, settings: list[str] | None, out: str | None, as_json: bool) -> None:
    """Train the archive's reader on the corrected lines, starting from its weights, and compare the two."""
    library = Library.open(folder)
    before = read_index_provenance(library).reader
    LineReader.open(before)  # before anything is written
    with only_writer(folder), progress_of("gathering_lines", as_json) as progress:
        lesson = write_training_lines(library, progress)
        mark_as_learnt(library, lesson)
    if not as_json:
        list_bad(lesson.written.bad)
        show.notes().print(say("archive.learn.laid_out", learnt=lesson.train_count, apart=lesson.test_count))
    result = _trained(lesson, before, time, settings, out, as_json)
    gain = compare_readers(lesson, before, result.run.folder)
    if as_json:
        show.print_json({"run": str(result.run.folder), "learnt": lesson.train_count, "apart": lesson.test_count,
                         **gain.as_json()})  # fmt: skip
        return
    _print_gain(lesson, gain)
    if not gain.worse:
        next_step(say("archive.learn.next"), "archive", "read", str(folder), "--model", str(result.run.folder))


def _trained(
    lesson: TrainingLines, before: str, time: str, settings: list[str] | None, out: str | None, as_json: bool
) -> TrainingResult:
    """The new run, of the same shape and with the same normalisation rules as the reader it starts from. Exits where it
    was stopped.
    """
    reader = LineReader.open(before)
    width = load_model(before).card.network.settings["width"]
    like = {"network.init_from": before, "network.width": width, "data.image_size": reader.height}
    if reader.rules.name != KEPT:
        write_atomic(lesson.folder / RULES, reader.rules.as_toml())
        like["data.transcripts"] = str(lesson.folder / RULES)
    config = config_for_data(str(lesson.folder), {**like, **changes(time=time, report="none", settings=settings)})
    with watching(quiet=as_json) as screen:
        # Stopped before and asked for again: it goes on, with the lines that it began with.
        begun = out is not None and Run(folder=Path(out)).config.is_file() and not Run(folder=Path(out)).finished
        result = resume_run(str(out), watch=screen.watch) if begun else train_run(config, out=out, watch=screen.watch)
    if result is None:
        if screen.run is not None and screen.stopped is not None:
            stopped = screen.stopped
            show.notes().print(say("train.stopped", step=stopped.step, total=stopped.total_steps))
            show.notes().print(Text(show.command("resume", str(screen.run.folder)), show.ACCENT), soft_wrap=True)
        sys.exit(STOPPED)
    return result


def _print_gain(lesson: TrainingLines, gain: ReaderComparison) -> None:
    console, shown = show.results(), gain.difference
    rows = [[say("archive.learn.before"), _rate(gain.before)], [say("archive.learn.after"), _rate(gain.after)]]
    heads = [say("archive.learn.reader"), say("archive.learn.errors")]
    console.print(show.table("", heads, rows, right=[1]))
    low, high = shown.interval or (shown.value, shown.value)
    told = "same" if not shown.shown else "better" if shown.first_is_better else "worse"
    points, low, high = (100 * abs(value) if told != "same" else 100 * value for value in (shown.value, low, high))
    ends = sorted((low, high))
    console.print(say(f"archive.learn.{told}", apart=lesson.test_count, points=show.format_decimal(points, 1),
                      low=show.format_decimal(ends[0], 1), high=show.format_decimal(ends[1], 1)))  # fmt: skip
    if gain.changed:
        lines = [[one.target, one.before, one.after] for one in gain.changed]
        names = [say(f"archive.learn.{name}") for name in ("truth", "before", "after")]
        console.print(show.table(say("archive.learn.changed"), names, lines))


def _rate(figure: EvaluatedMetric) -> str:
    ends = figure.interval or (figure.value, figure.value)
    return f"{show.format_percent(figure.value)} ({show.format_percent(ends[0])}–{show.format_percent(ends[1])})"
