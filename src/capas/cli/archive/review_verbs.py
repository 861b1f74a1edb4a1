"""``capas archive``: served in the browser, exported, reviewed."""

import getpass
import re
import tempfile
from dataclasses import asdict
from pathlib import Path

import typer
from PIL import Image
from rich.console import Console

from capas.archive.exports.pages import export_pages as export_pages
from capas.archive.learning.corrections import LINES, write_corrections
from capas.archive.library.database import Library
from capas.archive.library.scans import decode_page
from capas.archive.reading.index_provenance import read_index_provenance, unread_archive_error
from capas.archive.review import UncertainLine, record_correction, record_verdict, uncertain_lines
from capas.archive.web.server import ServerConfig
from capas.archive.web.server import serve_archive as serve_archive
from capas.cli import show
from capas.cli.archive.verbs import STOPPED, check_unit, list_bad, next_step, progress_of
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.page_formats.layout.line_images import crop_line, line_extents
from capas.page_formats.normalise import load_rules

PICTURE_HEIGHT = 96
ORIGIN = re.compile(r"https?://[^/?#\s]+")


def serve(folder: Path, serving: ServerConfig, open_page: bool) -> None:
    """Serve an archive until Ctrl-C."""
    notes = show.notes()
    if serving.viewer and not ORIGIN.fullmatch(serving.viewer):
        raise CapasError("wrong_viewer", received=serving.viewer)
    if serving.host not in ("127.0.0.1", "localhost", "::1") and not serving.read_only:
        notes.print(say("archive.serve.everyone"))
    serve_archive(
        Library.open(folder), serving, open_page=open_page,
        ready=lambda address: show.results().print(say("archive.serve.at", address=address)),
    )  # fmt: skip
    notes.print(say("archive.serve.stopped"))
    raise typer.Exit(STOPPED)


def export(folder: Path, form: str, out: Path, unit: str, normalise: str, as_json: bool) -> None:
    """Export an archive's pages in a standard format, their text normalised by rules."""
    library, rules = Library.open(folder), load_rules(normalise)
    check_unit(library, unit)
    with progress_of("exporting_pages", as_json) as progress:
        files = export_pages(library, out, form, unit=unit, rules=rules, progress=progress)
    if not files:
        raise unread_archive_error(library)
    if as_json:
        show.print_json({"files": [str(file) for file in files]})
        return
    show.results().print(say("archive.review.files", count=show.whole(len(files)), folder=out))


def list_lines(folder: Path, unit: str, limit: int, as_json: bool) -> None:
    """Print the lines with the most expected errors."""
    library = Library.open(folder)
    check_unit(library, unit)
    read_index_provenance(library)  # says so where nothing has been read
    lines = uncertain_lines(library, unit=unit, limit=limit)
    if as_json:
        show.print_json({"lines": [asdict(line) for line in lines]})
        return
    if not lines:
        show.results().print(say("archive.review.none"))
        return
    rows = [[str(one.page), one.line, show.format_decimal(one.expected_errors, 1), one.text] for one in lines]
    names = [say("archive.columns.id"), say("archive.columns.name"), say("archive.columns.errors"),
             say("archive.columns.text")]  # fmt: skip
    show.results().print(show.table(say("archive.review.doubtful"), names, rows, right=[0, 2]))


def correct_next(folder: Path, unit: str, limit: int, reviewer: str) -> None:
    """Ask for the text of the most uncertain lines, one by one."""
    library, console = Library.open(folder), show.results()
    check_unit(library, unit)
    read_index_provenance(library)
    lines = uncertain_lines(library, unit=unit, limit=limit)
    console.print(say("archive.review.typing") if lines else say("archive.review.none"))
    kept = 0
    with tempfile.TemporaryDirectory(prefix="capas-review-") as beside:
        for line in lines:
            picture = Path(beside) / "line.png"
            _show_line(library, line, picture, console)
            typed = _asked(console)
            if typed == "q":
                break
            if typed != "s":
                record_correction(
                    library, line.page, line.line, typed or line.text, _name(reviewer), text_before=line.text
                )
                kept += 1
    show.notes().print(say("archive.review.kept", count=show.whole(kept)))


def judge_word(folder: Path, judged: tuple[int, str, str, str], reviewer: str, as_json: bool) -> None:
    """Record whether a word stands in a line. Raises CapasError ``wrong_verdict``."""
    page, line, word, verdict = judged
    if verdict not in ("right", "wrong"):
        raise CapasError("wrong_verdict", received=verdict)
    kept = record_verdict(
        Library.open(folder), page, line, word, "right" if verdict == "right" else "wrong", _name(reviewer)
    )
    if as_json:
        show.print_json(asdict(kept))
        return
    show.results().print(say("archive.review.judged", word=word, verdict=verdict, line=line, page=page))


def correct_line(folder: Path, corrected: tuple[int, str, str], reviewer: str, as_json: bool) -> None:
    """Record the corrected text of a line."""
    page, line, text = corrected
    kept = record_correction(Library.open(folder), page, line, " ".join(text.split()), _name(reviewer))
    if as_json:
        show.print_json(asdict(kept))
        return
    show.results().print(say("archive.review.kept", count=1))


def export_corrections(folder: Path, out: Path, as_json: bool) -> None:
    """Write the corrected lines as training data."""
    library = Library.open(folder)
    with progress_of("exporting_pages", as_json) as progress:
        written = write_corrections(library, out, progress)
    if as_json:
        bad = [{"file": file, "what": what} for file, what in written.bad]
        show.print_json({"lines": written.lines, "folder": str(out / LINES), "bad": bad})
        return
    list_bad(written.bad)
    if not written.lines:
        show.results().print(say("archive.review.nothing_to_export"))
        return
    show.results().print(say("archive.review.exported", lines=show.whole(written.lines), folder=out))
    next_step(say("archive.review.then"), "train", str(out / LINES))


def _show_line(library: Library, line: UncertainLine, picture: Path, console: Console) -> None:
    """Print where a line is, its transcript, and the path of its image, if its page can be decoded."""
    page = library.page(line.page)
    console.print()
    console.print(say("archive.review.says", page=line.page, label=page.label, line=line.line,
                      errors=show.format_decimal(line.expected_errors, 1)))  # fmt: skip
    try:
        rows = library.lines(line.page)
        held = line_extents([row.line for row in rows], page.height)
        found = decode_page(Path(page.source), page.frame, hash=page.hash)
        cut_out = crop_line(found, rows[line.number].line, PICTURE_HEIGHT, reach=held[line.number])
        Image.fromarray(cut_out).save(picture)
        console.print(say("archive.review.picture_at", path=picture))
    except CapasError as error:
        console.print(error.part("what"))
    console.print(f"  {line.text}")


def _asked(console: Console) -> str:
    """What was typed; "q" at the end of the input."""
    try:
        return console.input(f"{say('archive.review.prompt')} > ").strip()
    except EOFError:
        return "q"


def _name(reviewer: str) -> str:
    if reviewer.strip():
        return reviewer.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise CapasError("no_reviewer") from error
