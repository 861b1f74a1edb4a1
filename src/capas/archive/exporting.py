"""Pages out of the archive, in the standards that other tools read; each file says which model read it and how."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from capas.archive.library import Library, LineRow, PageRow
from capas.archive.making import Making, kept_making
from capas.archive.posteriors import unpacked
from capas.archive.unit_files import UNIT_FORMATS, page_file, unit_folders, write_units
from capas.core.errors import CapasError
from capas.core.files import write_atomic, write_json
from capas.pages.alto_write import as_alto
from capas.pages.hocr_write import as_hocr
from capas.pages.line_images import Reach, place, reaches
from capas.pages.normalise import KEPT, Rules, normalised, rules_of
from capas.pages.page import Line, Page, Region, Word, box_of
from capas.pages.pagexml_write import as_pagexml
from capas.pages.provenance import Provenance
from capas.pages.regions import kind_of
from capas.pages.tei_write import as_tei
from capas.tasks.word_frames import words_of

Written = Callable[[Page, Provenance], bytes]
FORMATS: Final[dict[str, tuple[Written, str]]] = {
    "alto": (as_alto, ".alto.xml"), "page": (as_pagexml, ".page.xml"), "hocr": (as_hocr, ".hocr.html"),
    "tei": (as_tei, ".tei.xml"), "text": (lambda page, made: (page.text + "\n").encode(), ".txt"),
}  # fmt: skip
BESIDE_TEXT: Final = "text.json"


def export(
    library: Library,
    folder: Path,
    form: str,
    *,
    unit: str = "",
    rules: Rules | None = None,
    progress: Callable[[int, int], None],
) -> list[Path]:
    """Write every page of ``unit`` that has lines to ``folder``, a folder per unit, their text normalised by ``rules``
    where there are some; or METS for each unit, or one EAD of all (``unit_files``). Plain text says nothing of itself:
    how it was made stands beside it, in ``text.json``. Raises CapasError ``archive_export_format``, or where a file
    cannot be written."""
    kept = rules_of(KEPT) if rules is None else rules
    if form in UNIT_FORMATS:
        return write_units(library, folder, form, unit=unit, made=provenance(library))
    if form not in FORMATS:
        raise CapasError("archive_export_format", received=form, known=", ".join((*FORMATS, *UNIT_FORMATS)))
    write, suffix = FORMATS[form]
    pages = [page for page in library.pages(unit) if page.lines_from]
    made = provenance(library, rules)
    places = unit_folders(folder, [name for name, _ in library.units()])
    files = []
    for done, page in enumerate(pages, 1):
        path = page_file(places[page.unit], page, suffix)
        write_atomic(path, write(normalised(page_of(library, page), kept), made))
        files.append(path)
        progress(done, len(pages))
    if form == "text" and files:
        write_json(folder / BESIDE_TEXT, asdict(made) | {"settings": dict(made.settings)})
    return files


def provenance(library: Library, rules: Rules | None = None) -> Provenance:
    """Who read the archive, with what settings, and by which rules its text was normalised; only the program and the
    rules where nothing has been read."""
    normalisation = () if rules is None or rules.name == KEPT else (("normalisation", rules.told),)
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        making = kept_making(library)
    except CapasError:
        return Provenance(created=created, settings=normalisation)
    settings = (("model", making.model), ("epsilon", f"{making.least:g}"),
                ("temperature", f"{making.temperature:g}"), ("reading", making.reading))  # fmt: skip
    return Provenance(created=created, settings=(*settings, *normalisation))


def page_of(library: Library, page: PageRow) -> Page:
    """A page with what its lines say: words with boxes and probabilities where it was read, what people wrote where
    they did."""
    page, rows, kept = library.whole(page.id, posteriors=True)
    making = kept_making(library) if kept else None
    if making is not None and making.model != page.model:  # whose letters are others, until this one has read the page
        kept = {}
    held = reaches([row.line for row in rows], page.height)
    lines = [_line(row, kept.get(row.number), reach, making) for row, reach in zip(rows, held, strict=True)]
    names = dict.fromkeys(line.region for line in lines if line.region)
    regions = tuple(Region(id=name, kind=kind_of(name)) for name in names)
    image = Path(page.source).name
    return Page(
        width=page.width, height=page.height, image=image, regions=_outlined(regions, lines), lines=tuple(lines)
    )


def _line(row: LineRow, content: bytes | None, reach: Reach, making: Making | None) -> Line:
    if row.truth is not None:
        return replace(row.line, text=row.truth, confidence=None)
    if content is None or making is None:
        return row.line
    words = tuple(
        Word(text=word.text, confidence=word.probability,
             box=box_of(place(row.line, making.height, reach, word.start * making.columns, word.end * making.columns)))
        for word in words_of(unpacked(content), making.alphabet, row.text)
    )  # fmt: skip
    return replace(row.line, text=row.text, confidence=row.confidence, words=words)


def _outlined(regions: Sequence[Region], lines: Sequence[Line]) -> tuple[Region, ...]:
    """Regions with the box around their lines."""
    return tuple(
        replace(region, polygon=box_of([p for line in lines if line.region == region.id
                                        for p in line.polygon or line.baseline]).corners)
        for region in regions
    )  # fmt: skip
