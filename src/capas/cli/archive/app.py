"""The verbs below ``capas archive``. Their implementations are imported when they are called."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from capas.cli.options import Json, Out, Settings
from capas.cli.usage import Verbs
from capas.core.i18n import say

archive = typer.Typer(cls=Verbs, help=say("cli.archive"), no_args_is_help=True)


def complete_archives(incomplete: str) -> list[str]:
    """Return archives, for tab completion."""
    from capas.cli.complete import archives

    return archives(incomplete)


def complete_units(context: typer.Context, incomplete: str) -> list[str]:
    """Return units of the archive that was typed before, for tab completion."""
    from capas.cli.complete import units

    return units(str(context.params.get("folder") or ""), incomplete)


def complete_readers(incomplete: str) -> list[str]:
    """Return runs that transcribe lines, for tab completion."""
    from capas.cli.complete import readers

    return readers(incomplete)


Folder = Annotated[
    Path,
    typer.Argument(
        metavar="ARCHIVE", help=say("cli.archive_folder"), autocompletion=complete_archives, show_default=False
    ),
]
Unit = Annotated[str, typer.Option(help=say("cli.archive_unit"), autocompletion=complete_units)]


class WithinOption(StrEnum):
    """The unit of a search hit: a line or a page."""

    LINE = "line"
    PAGE = "page"


class Backend(StrEnum):
    """Where pages are transcribed: in this process or on Ray workers."""

    HERE = "here"
    RAY = "ray"


@archive.command("new", help=say("cli.archive_new"))
def archive_new(
    folder: Folder,
    title: Annotated[str, typer.Option(help=say("cli.archive_title"))] = "",
    store: Annotated[str, typer.Option(metavar="STORE", help=say("cli.archive_store"))] = "file",
    as_json: Json = False,
) -> None:
    from capas.cli.archive import verbs as archive_verbs

    archive_verbs.new(folder, title, store, as_json)


@archive.command("add", help=say("cli.archive_add"))
def archive_add(
    folder: Folder,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help=say("cli.archive_paths"), show_default=False)],
    unit: Unit = "",
    fetch: Annotated[bool, typer.Option("--fetch", help=say("cli.archive_fetch"))] = False,
    as_json: Json = False,
) -> None:
    from capas.cli.archive import verbs as archive_verbs

    archive_verbs.add(folder, paths, unit, fetch, as_json)


@archive.command("status", help=say("cli.archive_status"))
def archive_status(folder: Folder, as_json: Json = False) -> None:
    from capas.cli.archive import verbs as archive_verbs

    archive_verbs.status(folder, as_json)


@archive.command("read", help=say("cli.archive_read"))
def archive_read(
    folder: Folder,
    model: Annotated[
        str, typer.Option(metavar="RUN", help=say("cli.archive_model"), autocompletion=complete_readers)
    ] = "",
    unit: Unit = "",
    min_probability: Annotated[float, typer.Option(min=1e-6, max=1, help=say("cli.archive_least"))] = 0.01,
    force: Annotated[bool, typer.Option("--force", help=say("cli.archive_again"))] = False,
    backend: Annotated[Backend, typer.Option(help=say("cli.archive_on"))] = Backend.HERE,
    workers: Annotated[int, typer.Option(min=0, help=say("cli.archive_workers"))] = 0,
    as_json: Json = False,
) -> None:
    from capas.cli.archive import verbs as archive_verbs

    archive_verbs.read(folder, model, unit, min_probability, force, backend == Backend.RAY, workers, as_json)


@archive.command("index", help=say("cli.archive_index"))
def archive_index(
    folder: Folder,
    min_probability: Annotated[float, typer.Option(min=0, max=1, help=say("cli.archive_index_least"))] = 0,
    store: Annotated[str, typer.Option(metavar="STORE", help=say("cli.archive_index_store"))] = "",
    as_json: Json = False,
) -> None:
    from capas.cli.archive import verbs as archive_verbs

    archive_verbs.index(folder, min_probability, store, as_json)


@archive.command("connect", help=say("cli.archive_connect"))
def archive_connect(
    folder: Folder,
    yes: Annotated[bool, typer.Option("--yes", help=say("cli.archive_connect_yes"))] = False,
    as_json: Json = False,
) -> None:
    from capas.cli.archive import verbs as archive_verbs

    archive_verbs.connect(folder, yes, as_json)


@archive.command("search", help=say("cli.archive_search"))
def archive_search(
    folder: Folder,
    query: Annotated[str, typer.Argument(help=say("cli.archive_query"), show_default=False)],
    min_probability: Annotated[float, typer.Option(min=0, max=1, help=say("cli.archive_threshold"))] = 0.1,
    within: Annotated[WithinOption, typer.Option(help=say("cli.archive_within"))] = WithinOption.LINE,
    unit: Unit = "",
    exactly: Annotated[bool, typer.Option("--as-written", help=say("cli.archive_as_written"))] = False,
    exact: Annotated[bool, typer.Option("--exact", help=say("cli.archive_exact"))] = False,
    whole: Annotated[bool, typer.Option("--count-all", help=say("cli.archive_count_all"))] = False,
    offset: Annotated[int, typer.Option(min=0, help=say("cli.archive_offset"))] = 0,
    limit: Annotated[int, typer.Option(min=1, help=say("cli.archive_limit"))] = 20,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help=say("cli.archive_csv"))] = None,
    page: Annotated[Path | None, typer.Option(metavar="FILE", help=say("cli.archive_page"))] = None,
    as_json: Json = False,
) -> None:
    from capas.archive.search.search import SearchRequest
    from capas.cli.archive import verbs as archive_verbs

    wanted = SearchRequest(query=query, min_probability=min_probability, within=within.value, folds=not exactly,
                           unit=unit, offset=offset, limit=limit, exact=exact, whole=whole)  # fmt: skip
    archive_verbs.search(folder, wanted, csv, page, as_json)


class Format(StrEnum):
    """Formats of exported pages."""

    ALTO = "alto"
    PAGE = "page"
    HOCR = "hocr"
    TEI = "tei"
    TEXT = "text"
    METS = "mets"
    EAD = "ead"


@archive.command("export", help=say("cli.archive_export"))
def archive_export(
    folder: Folder,
    form: Annotated[Format, typer.Option("--format", help=say("cli.archive_format"), show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help=say("cli.archive_export_out"), show_default=False)
    ],
    unit: Unit = "",
    normalise: Annotated[str, typer.Option(metavar="RULES", help=say("cli.archive_normalise"))] = "kept",
    as_json: Json = False,
) -> None:
    from capas.cli.archive import review_verbs as archive_review_verbs

    archive_review_verbs.export(folder, form.value, out, unit, normalise, as_json)


@archive.command("serve", help=say("cli.archive_serve"))
def archive_serve(
    folder: Folder,
    port: Annotated[int, typer.Option(min=0, max=65535, help=say("cli.archive_port"))] = 8765,
    host: Annotated[str, typer.Option(help=say("cli.archive_host"))] = "127.0.0.1",
    read_only: Annotated[bool, typer.Option("--read-only", help=say("cli.archive_read_only"))] = False,
    open_page: Annotated[bool, typer.Option("--open", help=say("cli.archive_open"))] = False,
    viewer: Annotated[str, typer.Option(metavar="ORIGIN", help=say("cli.archive_viewer"))] = "",
) -> None:
    from capas.archive.web.server import ServerConfig
    from capas.cli.archive import review_verbs as archive_review_verbs

    serving = ServerConfig(host=host, port=port, read_only=read_only, viewer=viewer.rstrip("/"))
    archive_review_verbs.serve(folder, serving, open_page)


@archive.command("review", help=say("cli.archive_review"))
def archive_review(
    folder: Folder,
    lines: Annotated[bool, typer.Option("--lines", help=say("cli.archive_review_lines"))] = False,
    one_by_one: Annotated[bool, typer.Option("--next", help=say("cli.archive_review_next"))] = False,
    judge: Annotated[
        tuple[int, str, str, str] | None, typer.Option(metavar="…", help=say("cli.archive_review_judge"))
    ] = None,
    correct: Annotated[
        tuple[int, str, str] | None, typer.Option(metavar="…", help=say("cli.archive_review_correct"))
    ] = None,
    export: Annotated[Path | None, typer.Option(metavar="FOLDER", help=say("cli.archive_review_export"))] = None,
    unit: Unit = "",
    limit: Annotated[int, typer.Option(min=1, help=say("cli.archive_review_limit"))] = 20,
    reviewer: Annotated[str, typer.Option(metavar="NAME", help=say("cli.archive_reviewer"))] = "",
    as_json: Json = False,
) -> None:
    from capas.cli.archive import review_verbs as verbs

    if judge is not None:
        verbs.judge_word(folder, judge, reviewer, as_json)
    if correct is not None:
        verbs.correct_line(folder, correct, reviewer, as_json)
    if one_by_one:
        verbs.correct_next(folder, unit, limit, reviewer)
    if export is not None:
        verbs.export_corrections(folder, export, as_json)
    if lines or not (judge or correct or one_by_one or export):
        verbs.list_lines(folder, unit, limit, as_json)


@archive.command("learn", help=say("cli.archive_learn"))
def archive_learn(
    folder: Folder,
    time: Annotated[str, typer.Option(metavar="15m", help=say("cli.archive_learn_time"))] = "15m",
    settings: Settings = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    from capas.cli.archive import learn_verb as archive_learn_verb

    archive_learn_verb.learn(folder, time, settings, out, as_json)
