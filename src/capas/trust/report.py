"""The trust report: runs the nine themes in order and writes an HTML page and the same facts as JSON."""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from capas.core.errors import CapasError
from capas.core.files import only_writer, write_atomic, write_json
from capas.core.i18n import language, say
from capas.core.number_format import format_decimal
from capas.engine.run import Run
from capas.trust.rendering.blocks import Sentence
from capas.trust.rendering.html_page import ReportPage, report_page_html
from capas.trust.report_schema import FORMAT, VERSION, ReportFile
from capas.trust.subjects.open_run import open_run
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import THEMES, Theme, ThemeName
from capas.trust.theme_context import Level, ThemeContext
from capas.trust.themes import THEME_FUNCTIONS
from capas.trust.verdict import ranked_findings, verdict
from capas.version import __version__

HTML, JSON = "report.html", "report.json"
Progress = Callable[[ThemeName, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustReport:
    """A finished report.

    Attributes:
        folder: Folder that it was written to.
        tree: The contents of ``report.json``.
        themes: The themes in their order.
        verdict: The verdict, sentence by sentence.
    """

    folder: Path
    tree: Mapping[str, object]
    themes: Sequence[Theme]
    verdict: Sequence[Sentence]

    @property
    def page(self) -> Path:
        """Path of the HTML page."""
        return self.folder / HTML

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``capas trust --json``."""
        return {**self.tree, "report": str(self.page)}


def make_report(where: str, level: Level = "standard", progress: Progress | None = None) -> TrustReport:
    """Audit the run at ``where`` and write ``report/`` into its folder; nothing is written on an error.

    Raises:
        CapasError: The run is unfinished, a file of it is missing or altered, or its data are gone.
    """
    started = time.monotonic()
    run_context, model = open_run(where)
    subject = ModelUnderTest(run_context, model) if run_context.structured is None else None
    themes = [
        _theme(name, ThemeContext(run_context=run_context, subject=subject, level=level), progress) for name in THEMES
    ]
    context = ThemeContext(run_context=run_context, subject=subject, level=level)
    said = verdict(context, themes)
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
        "verdict": " ".join(sentence.text for sentence in said),
        "findings": [{"key": f.key, "gravity": f.gravity, "text": f.text} for f in ranked_findings(themes)],
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
    )
    folder = run_context.run.folder / "report"
    with only_writer(run_context.run.folder):
        for theme in themes:
            for name, content in theme.files.items():
                write_atomic(folder / name, content)
        write_atomic(folder / HTML, report_page_html(page))
        write_json(folder / JSON, ReportFile.model_validate(tree).model_dump())
    return TrustReport(folder=folder, tree=tree, themes=themes, verdict=said)


def read_report(run: Run) -> Mapping[str, object]:
    """Return the contents of an existing report. Raises CapasError ``no_report`` or ``report_unreadable``."""
    path = run.folder / "report" / JSON
    if not path.is_file():
        raise CapasError("no_report", where=run.folder)
    try:
        return ReportFile.model_validate_json(path.read_bytes()).model_dump()
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise CapasError("report_unreadable", where=path, received=reason) from error


def _theme(name: ThemeName, context: ThemeContext, progress: Progress | None) -> Theme:
    started = time.monotonic()
    if progress is not None:
        listen = progress
        context = replace(context, progress=lambda done, total: listen(name, done, total))
        listen(name, 0, 1)
    try:
        theme = THEME_FUNCTIONS[name](context)
    except CapasError as error:
        theme = Theme(name=name, not_computed_because=error.part("what"))
    if progress is not None:
        progress(name, 1, 1)
    return replace(theme, seconds=time.monotonic() - started)


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
