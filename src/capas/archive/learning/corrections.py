"""Writes corrected lines as line images with transcripts to train on, and as PAGE for other tools."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from PIL import Image

from capas.archive.exports.pages import archive_provenance
from capas.archive.exports.unit_files import safe_file_name
from capas.archive.library.database import Library, LineRow, PageRow
from capas.archive.library.scans import decode_page
from capas.archive.review import reviews
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.page_formats.layout.line_images import crop_line, line_extents
from capas.page_formats.page import Page
from capas.page_formats.pagexml_write import to_pagexml

LINES: Final = "lines"


@dataclass(kw_only=True, slots=True)
class WrittenCorrections:
    """The number of lines written, and the pages whose image cannot be read, with the reason."""

    lines: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)


def write_corrections(library: Library, folder: Path, progress: Callable[[int, int], None]) -> WrittenCorrections:
    """Write every corrected line: image and ``.gt.txt`` into ``folder/lines``, PAGE files into ``folder/page``.

    Empty lines are left out.

    Raises:
        CapasError: A file cannot be written.
    """
    corrected = {(one.page, one.line) for one in reviews(library) if one.verdict == "corrected"}
    numbers = sorted({page for page, _ in corrected})
    written = WrittenCorrections()
    for done, number in enumerate(numbers, 1):
        page = library.page(number)
        rows = library.lines(number)
        wanted = [row for row in rows if (number, row.line.id) in corrected and row.target]
        try:
            _write_page(library, folder, page, rows, wanted)
            written.lines += len(wanted)
        except CapasError as error:
            if error.key not in ("page_unreadable", "page_replaced", "page_too_large"):
                raise
            written.bad.append((page.source, error.part("what")))
        progress(done, len(numbers))
    return written


def _write_page(library: Library, folder: Path, page: PageRow, rows: list[LineRow], wanted: list[LineRow]) -> None:
    picture = decode_page(Path(page.source), page.frame, hash=page.hash)
    held = line_extents([row.line for row in rows], page.height)
    name = f"{page.id:06d}_{safe_file_name(page.label)}"
    for row in wanted:
        reach = held[row.number]
        line = crop_line(picture, row.line, reach.pixels, reach=reach)
        stream = io.BytesIO()
        Image.fromarray(line).save(stream, "PNG")
        file = f"{name}_{row.number + 1:04d}"
        write_atomic(folder / LINES / f"{file}.png", stream.getvalue())
        write_atomic(folder / LINES / f"{file}.gt.txt", f"{row.target}\n")
    lines = tuple(replace(row.line, text=row.target or "") for row in wanted)
    whole = Page(width=page.width, height=page.height, image=Path(page.source).name, lines=lines)
    write_atomic(folder / "page" / f"{name}.xml", to_pagexml(whole, archive_provenance(library)))
