"""``capas archive``: adding, transcribing, indexing and searching pages."""

import difflib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer
from rich.text import Text

from capas.archive.library.adding import add_pages_from
from capas.archive.library.database import Library
from capas.archive.reading.index_provenance import (
    provenance_of_reader,
    read_index_provenance,
    unread_archive_error,
    write_index_provenance,
)
from capas.archive.reading.index_stores import (
    IndexLocation,
    is_known,
    parse_location,
    stored_location,
    write_location,
)
from capas.archive.reading.known_servers import check_plain, remember_server
from capas.archive.reading.pages import LocalReader, ReadingWorkers, refuse_losing_pages, reindex
from capas.archive.reading.pages import read_pages as read_pages
from capas.archive.search.hits_csv import search_hits_csv
from capas.archive.search.search import SearchRequest, SearchResults, open_searcher
from capas.cli import show
from capas.core.errors import CapasError
from capas.core.files import only_writer, write_atomic
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_percent
from capas.keyword_index.postgres_store import PostgresSpots

BAD_SHOWN = 10
UNITS_SHOWN = 10
NOTHING_USABLE = 2  # as for any mistake of the user
STOPPED = 130  # what shells report for Ctrl-C


def new(folder: Path, title: str, store: str, as_json: bool) -> None:
    """Create an empty archive whose index is kept in ``store``."""
    place = reached(store)
    write_location(Library.create(folder, title), place)
    if as_json:
        show.print_json({"archive": str(folder)})
        return
    show.results().print(say("archive.made", folder=folder))
    next_step(say("archive.next_add"), "archive", "add", str(folder), say("archive.some_pages"))


def reached(store: str) -> IndexLocation:
    """Return the index location that ``--store`` names. Raises CapasError where it is a server that does not answer."""
    place = parse_location(store)
    if place.kind == "server":
        try:
            PostgresSpots(place.address, schema=place.schema).close()
        except CapasError as error:
            if error.key != "spots_missing":
                raise
    return place


def add(folder: Path, paths: list[Path], unit: str, fetch: bool, as_json: bool) -> None:
    """Add pages; files that cannot be read are listed, and the rest is added."""
    library = Library.open(folder)
    with only_writer(folder), progress_of("adding_pages", as_json) as progress:
        added = add_pages_from(library, paths, unit, fetch=fetch, progress=progress)
    nothing_usable = not (added.new or added.known)
    if as_json:
        show.print_json({"new": added.new, "known": added.known, "transcripts": added.transcripts,
                         "bad": [{"file": file, "what": what} for file, what in added.bad]})  # fmt: skip
        raise typer.Exit(NOTHING_USABLE if nothing_usable else 0)
    show.results().print(say("archive.added", new=show.whole(added.new), known=show.whole(added.known),
                             transcripts=show.whole(added.transcripts)))  # fmt: skip
    list_bad(added.bad)
    if nothing_usable:
        raise typer.Exit(NOTHING_USABLE)
    if added.new:
        next_step(say("archive.next_read"), "archive", "read", str(folder), "--model", say("archive.some_run"))


def connect(folder: Path, yes: bool, as_json: bool) -> None:
    """Allow the server that an archive from elsewhere names: shown, and asked for unless ``yes``.

    Raises:
        CapasError: ``server_misleading``; ``server_unconfirmed`` where nobody said yes.
    """
    library = Library.open(folder)
    place = stored_location(library)
    known = is_known(place)
    if not known:
        check_plain(place.address, where=folder)
        if not yes:
            show.notes().print(Text(say("archive.connect", address=place.address)))
            if not (sys.stdin.isatty() and typer.confirm(say("archive.connect_ask"))):
                raise CapasError("server_unconfirmed", where=folder, received=place.address)
        remember_server(place.address)
    if as_json:
        show.print_json({"kind": place.kind, "address": place.address, "new": not known})
        return
    if place.kind != "server":
        show.results().print(say("archive.connect_file"))
    else:
        told = (
            say("archive.connect_known", address=place.address)
            if known
            else say("archive.connected", address=place.address)
        )
        show.results().print(Text(told))


def status(folder: Path, as_json: bool) -> None:
    """Print what an archive holds and how far it is transcribed."""
    library = Library.open(folder)
    pages = library.pages()
    read = sum(bool(page.model) for page in pages)
    bad = [(page.source, page.problem) for page in pages if page.problem]
    facts = {
        "title": library.fact("title"), "pages": len(pages), "read": read, "bad": len(bad),
        "with_transcript": sum(bool(page.transcript) for page in pages), "units": dict(library.units()),
        "unplaced_reviews": library.unplaced_reviews(),
    }  # fmt: skip
    if as_json:
        show.print_json({**facts, "problems": [{"file": file, "what": what} for file, what in bad]})
        return
    console = show.results()
    console.print(Text(str(facts["title"]), "bold"))
    console.print(say("archive.holds", pages=show.whole(len(pages)), read=show.whole(read),
                      transcripts=show.whole(int(str(facts["with_transcript"])))))  # fmt: skip
    rows = [[unit or "—", show.whole(count)] for unit, count in library.units()]
    if rows:
        console.print(show.table("", [say("archive.columns.unit"), say("archive.columns.pages")], rows, right=[1]))
    list_bad(bad)
    _note_unplaced(library)
    if not pages:
        next_step(say("archive.next_add"), "archive", "add", str(folder), say("archive.some_pages"))
    elif not read:
        next_step(say("archive.next_read"), "archive", "read", str(folder), "--model", say("archive.some_run"))
    elif read + len(bad) < len(pages):
        next_step(say("archive.next_rest"), "archive", "read", str(folder))


def read(
    folder: Path, model: str, unit: str, least: float, again: bool, on_ray: bool, workers: int, as_json: bool
) -> None:
    """Transcribe the pages that the model has not read yet, and index every word they may hold.

    Args:
        folder: The archive.
        model: A run, a bundle or a shipped reader; "" for the one used before.
        unit: Only pages of this unit; "" for all.
        least: Least probability of an indexed word.
        again: Also pages that the model has read.
        on_ray: Use Ray workers.
        workers: Number of Ray workers, 0 for all there are.
        as_json: Print JSON.
    """
    from capas.archive.line_finding.model import LineFinder
    from capas.engine.recipes.transcription.line_reader import LineReader

    library = Library.open(folder)
    check_unit(library, unit)
    if not library.units():
        raise unread_archive_error(library)
    where = model or read_index_provenance(library).reader
    reader = LineReader.open(where)
    making = provenance_of_reader(reader, str(Path(where).resolve()) if Path(where).exists() else where, least)
    readers: ReadingWorkers
    if on_ray:
        from capas.archive.reading.ray_workers import RayWorkers

        readers = RayWorkers(reader=making.reader, min_probability=least, workers=workers)
    else:
        readers = LocalReader(reader=reader, finder=LineFinder.open().find, min_probability=least)
    with only_writer(folder), progress_of("reading_pages", as_json) as progress:
        refuse_losing_pages(library, making.origin, unit)
        write_index_provenance(library, making)
        report = read_pages(library, readers, making.origin, unit=unit, force=again, progress=progress)
    if as_json:
        show.print_json({"pages": report.pages, "lines": report.lines, "spots": report.spots,
                         "skipped_lines": report.skipped, "unplaced_reviews": library.unplaced_reviews(),
                         "bad": [{"file": file, "what": what} for file, what in report.bad]})  # fmt: skip
        return
    if not report.pages and not report.bad:
        show.results().print(say("archive.all_read"))
        return
    show.results().print(say("archive.read", pages=show.whole(report.pages), lines=show.whole(report.lines),
                             spots=show.whole(report.spots)))  # fmt: skip
    if report.skipped:
        show.notes().print(say("archive.skipped", count=show.whole(report.skipped)))
    list_bad(report.bad)
    _note_unplaced(library)
    next_step(say("archive.next_search"), "archive", "search", str(folder), say("archive.some_word"))


def _note_unplaced(library: Library) -> None:
    if count := library.unplaced_reviews():
        show.notes().print(say("archive.unplaced", count=show.whole(count)))


def index(folder: Path, least: float, store: str, as_json: bool) -> None:
    """Rebuild the index from what was read, with another least probability (0: unchanged) or in another place ("":
    unchanged).
    """
    library = Library.open(folder)
    making = read_index_provenance(library)
    making = replace(making, min_probability=least or making.min_probability)
    place = reached(store) if store else None
    with only_writer(folder), progress_of("indexing_pages", as_json) as progress:
        spots = reindex(library, making.alphabet, making.origin, progress, place)
        write_index_provenance(library, making)
    if as_json:
        show.print_json({"spots": spots, "least": making.min_probability})
        return
    show.results().print(say("archive.indexed", spots=show.whole(spots)))


def search(folder: Path, wanted: SearchRequest, table: Path | None, page: Path | None, as_json: bool) -> None:
    """Print the hits of a query, the most probable first; as a table (CSV) or a page (HTML) where asked."""
    library = Library.open(folder)
    check_unit(library, wanted.unit)
    wanted = replace(wanted, by_unit=as_json)
    with open_searcher(library) as one:
        findings = one.search(wanted if table is None else replace(wanted, offset=0, limit=10**9))
    if table is not None:
        write_atomic(table, search_hits_csv(findings))
        findings = replace(findings, hits=findings.hits[wanted.offset : wanted.offset + wanted.limit])
    if page is not None:
        from capas.archive.search.hits_page import write_hits_page

        write_hits_page(page, library, wanted, findings)
    if as_json:
        show.print_json(findings.as_json())
        return
    _print_findings(findings)
    for file in (table, page):
        if file is not None:
            show.notes().print(say("archive.written", path=file))


def _print_findings(findings: SearchResults) -> None:
    console = show.results()
    if not findings.count:
        console.print(say("archive.nothing_found"))
        return
    precision = findings.precision
    low, high = findings.expected.interval
    console.print(say(f"archive.expected_{findings.counted}", hits=show.whole(findings.count),
                      right=format_decimal(findings.expected.value, 1),
                      low=format_decimal(low, 0), high=format_decimal(high, 0),
                      precision="—" if precision is None else format_percent(precision.value, 0)))  # fmt: skip
    rows = []
    for one in findings.hits:
        line = "" if one.line is None else str(one.line + 1)
        words = ", ".join(dict.fromkeys(place.word for place in one.words))
        rows.append([format_percent(one.probability, 1), one.page.unit, one.page.label, line, words, one.text])
    names = ("probability", "unit", "page", "line", "word", "text")
    console.print(show.table("", [say(f"archive.columns.{name}") for name in names], rows, right=[0, 3]))
    show.notes().print(Text(say("archive.probability_is"), "dim"))


@contextmanager
def progress_of(stage: str, as_json: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar for a stage; none with ``--json``. Ctrl-C ends it with a line on what is kept."""
    try:
        with show.stages(quiet=as_json) as stages:
            yield lambda done, of: stages(stage, done, of)
    except KeyboardInterrupt:
        show.notes().print(say(f"archive.stopped.{stage}"))
        raise typer.Exit(STOPPED) from None


def check_unit(library: Library, unit: str) -> None:
    """Raise CapasError ``no_such_unit`` where neither this unit nor one below it holds pages."""
    names = [name for name, _ in library.units()]
    if unit and not any(name == unit or name.startswith(f"{unit}/") for name in names):
        near = difflib.get_close_matches(unit, names, UNITS_SHOWN) or [name for name in names if name][:UNITS_SHOWN]
        raise CapasError("no_such_unit", where=library.folder, received=unit, known=", ".join(near) or "—")


def list_bad(bad: list[tuple[str, str]]) -> None:
    """Print which files could not be read, and why."""
    notes = show.notes()
    if not bad:
        return
    notes.print(say("archive.bad", count=show.whole(len(bad))))
    for file, what in bad[:BAD_SHOWN]:
        notes.print(f"  {file}: {what}")
    if len(bad) > BAD_SHOWN:
        notes.print("  …")


def next_step(words: str, *command: str) -> None:
    """Print what to do next, as a command to be copied."""
    show.notes().print(f"{words}\n  {show.command(*command)}")
