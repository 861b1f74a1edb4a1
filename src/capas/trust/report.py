"""The trust report: nine themes, a verdict, and an HTML page with the same facts as JSON."""

import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from capas.bundle.card import read_card
from capas.core.errors import CapasError
from capas.core.files import only_writer, read_regular, write_atomic, write_json
from capas.core.i18n import language, say
from capas.core.number_format import format_decimal
from capas.engine.config import read_config
from capas.engine.run import Run
from capas.trust.data_findings import data_findings, data_problems, problem_sentences
from capas.trust.rendering.html_page import ReportPage, report_page_html
from capas.trust.report_schema import FORMAT, VERSION, ReportFile
from capas.trust.subjects.open_run import open_run
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Theme
from capas.trust.theme_context import Level, ThemeContext
from capas.trust.theme_runner import Progress, run_themes
from capas.trust.time_budget import Deadline, report_budget_s
from capas.trust.verdict import Verdict, ranked_findings, verdict
from capas.version import __version__

HTML, JSON = "report.html", "report.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustReport:
    """A finished report.

    Attributes:
        folder: Folder that it was written to.
        tree: The contents of ``report.json``.
        themes: The themes in their order.
        verdict: The verdict.
    """

    folder: Path
    tree: Mapping[str, object]
    themes: Sequence[Theme]
    verdict: Verdict

    @property
    def page(self) -> Path:
        """Path of the HTML page."""
        return self.folder / HTML

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``capas trust --json``."""
        return {**self.tree, "report": str(self.page)}


def make_report(
    where: str, level: Level = "standard", progress: Progress | None = None, *, deadline: Deadline | None = None
) -> TrustReport:
    """Audit the run at ``where`` and write ``report/`` into its folder; nothing is written on an error.

    Args:
        where: The run.
        level: How thoroughly.
        progress: Called as it comes along.
        deadline: When to be done; by default there is no limit. What it cuts short is said in the report.

    Raises:
        CapasError: The run is unfinished, a file of it is missing or altered, or its data are gone.
    """
    started = time.monotonic()
    run_context, model = open_run(where)
    subject = ModelUnderTest(run_context, model) if run_context.structured is None else None
    context = ThemeContext(run_context=run_context, subject=subject, level=level, deadline=deadline or Deadline())
    themes = run_themes(context, progress)
    problems = data_problems(run_context.run)
    before = data_findings(problems)
    said = verdict(context, themes, before)
    tree: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "run": str(run_context.run.folder),
        "model": {
            "name": run_context.card.name,
            "task": run_context.task,
            "medium": run_context.medium,
            "network": run_context.card.network.name,
            "weights": run_context.card.weights.hash,
        },
        "level": level,
        "language": language(),
        "verdict": said.text,
        "findings": [{"key": f.key, "gravity": f.gravity, "text": f.text} for f in ranked_findings(themes, before)],
        "data_problems": [dict(problem) for problem in problems],
        "themes": {theme.name: theme.as_json() for theme in themes},
        "seconds": round(time.monotonic() - started, 1),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "capas": __version__,
    }
    page = ReportPage(
        title=say("trust.title", name=run_context.card.name),
        subtitle=say("trust.subtitle", date=str(tree["created"])[:10]),
        verdict=said,
        facts=_made(context, tree),
        themes=themes,
        data_problems=problem_sentences(problems),
    )
    folder = run_context.run.folder / "report"
    with only_writer(run_context.run.folder):
        for theme in themes:
            for name, content in theme.files.items():
                write_atomic(folder / name, content)
        write_atomic(folder / HTML, report_page_html(page))
        write_json(folder / JSON, ReportFile.model_validate(tree).model_dump())
    return TrustReport(folder=folder, tree=tree, themes=themes, verdict=said)


def report_level(run: Run) -> Level | None:
    """Return the depth of report that the configuration of a run asks for; None for no report."""
    level = read_config(run.config).trust.report
    return None if level == "none" else "standard" if level == "auto" else level


def report_deadline(run: Run, time_s: float | None = None) -> Deadline:
    """Return the deadline, from now on, of the report of a run.

    Args:
        run: The finished run.
        time_s: Seconds; by default what its configuration allows, with what its training left over, and where that
            allows nothing in particular as long as the training took, two minutes at least.

    Raises:
        CapasError: The configuration or the card cannot be read.
    """
    if time_s is not None:
        return Deadline(time_s)
    config, training_s = read_config(run.config), read_card(run.bundle / "card.json").provenance.seconds
    over = max(0.0, config.train.time_s - training_s)
    return Deadline(report_budget_s(training_s, config.trust.time_s and config.trust.time_s + over))


def read_report(run: Run) -> Mapping[str, object]:
    """Return the contents of an existing report. Raises CapasError ``no_report`` or ``report_unreadable``."""
    path = run.folder / "report" / JSON
    if not path.is_file():
        raise CapasError("no_report", where=run.folder)
    try:
        return ReportFile.model_validate_json(read_regular(path)).model_dump()
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise CapasError("report_unreadable", where=path, received=reason) from error


def _made(context: ThemeContext, tree: Mapping[str, object]) -> list[tuple[str, str]]:
    card = context.run_context.card
    splits = ", ".join(
        f"{say(f'look.column_{name}')} {format_decimal(part.count, 0)}" for name, part in card.data.splits.items()
    )
    return [
        (say("trust.facts.network"), f"{card.network.name} ({format_decimal(card.network.parameters, 0)})"),
        (say("trust.facts.data"), f"{card.data.source}: {splits}"),
        (say("trust.facts.weights"), card.weights.hash),
        (say("trust.facts.report"), f"Capas {__version__}, {say(f'trust.levels.{context.level}')}, {tree['created']}, "
                                    f"{format_decimal(cast(float, tree['seconds']), 0)} s"),
    ]  # fmt: skip
