"""Export of pages in standard formats, each file with the provenance of its transcription."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from capas.archive.exports.unit_files import UNIT_FORMATS, export_folders, export_path, write_units
from capas.archive.library.database import Library, LineRow, PageRow
from capas.archive.reading.index_provenance import IndexProvenance, read_index_provenance
from capas.archive.reading.posteriors import unpack_posteriors
from capas.core.errors import CapasError
from capas.core.files import write_atomic, write_json
from capas.decoding.word_alignment import align_words
from capas.page_formats.alto_write import to_alto
from capas.page_formats.hocr_write import to_hocr
from capas.page_formats.layout.line_images import LineExtent, line_extents, line_outline
from capas.page_formats.layout.regions import region_kind
from capas.page_formats.normalise import KEPT, NormalisationRules, load_rules, normalise_page
from capas.page_formats.page import Line, Page, Region, Word, bounding_box
from capas.page_formats.pagexml_write import to_pagexml
from capas.page_formats.provenance import Provenance
from capas.page_formats.tei_write import to_tei

Written = Callable[[Page, Provenance], bytes]
FORMATS: Final[dict[str, tuple[Written, str]]] = {
    "alto": (to_alto, ".alto.xml"), "page": (to_pagexml, ".page.xml"), "hocr": (to_hocr, ".hocr.html"),
    "tei": (to_tei, ".tei.xml"), "text": (lambda page, made: (page.text + "\n").encode(), ".txt"),
}  # fmt: skip
BESIDE_TEXT: Final = "text.json"


def export_pages(
    library: Library,
    folder: Path,
    form: str,
    *,
    unit: str = "",
    rules: NormalisationRules | None = None,
    progress: Callable[[int, int], None],
) -> list[Path]:
    """Write every page of ``unit`` that has lines to ``folder``, with a folder per unit; return the files.

    Plain text cannot hold its provenance: it is written beside it, in ``text.json``.

    Args:
        library: The library.
        folder: Target folder.
        form: Page format, or METS for each unit, or one EAD of all (``unit_files``).
        unit: Unit to export; all if "".
        rules: Normalisation of the text; None for none.
        progress: Called with (done, total).

    Raises:
        CapasError: ``archive_export_format``, or a file cannot be written.
    """
    kept = load_rules(KEPT) if rules is None else rules
    if form in UNIT_FORMATS:
        return write_units(library, folder, form, unit=unit, made=archive_provenance(library))
    if form not in FORMATS:
        raise CapasError("archive_export_format", received=form, known=", ".join((*FORMATS, *UNIT_FORMATS)))
    write, suffix = FORMATS[form]
    pages = [page for page in library.pages(unit) if page.lines_from]
    made = archive_provenance(library, rules)
    places = export_folders(folder, [name for name, _ in library.units()])
    files = []
    for done, page in enumerate(pages, 1):
        path = export_path(places[page.unit], page, suffix)
        write_atomic(path, write(normalise_page(transcribed_page(library, page), kept), made))
        files.append(path)
        progress(done, len(pages))
    if form == "text" and files:
        write_json(folder / BESIDE_TEXT, asdict(made) | {"settings": dict(made.settings)})
    return files


def archive_provenance(library: Library, rules: NormalisationRules | None = None) -> Provenance:
    """Return the provenance: the model and its settings, and the normalisation rules."""
    normalisation = () if rules is None or rules.name == KEPT else (("normalisation", rules.description),)
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        making = read_index_provenance(library)
    except CapasError:
        return Provenance(created=created, settings=normalisation)
    settings = (("model", making.model), ("epsilon", f"{making.min_probability:g}"),
                ("temperature", f"{making.temperature:g}"), ("reading", making.decoding))  # fmt: skip
    return Provenance(created=created, settings=(*settings, *normalisation))


def transcribed_page(library: Library, page: PageRow) -> Page:
    """Return a page with the text of its lines.

    The corrected text where there is one, else the model's words with boxes and confidences.
    """
    page, rows, kept = library.whole(page.id, posteriors=True)
    making = read_index_provenance(library) if kept else None
    if making is not None and making.model != page.model:  # whose letters are others, until this one has read the page
        kept = {}
    held = line_extents([row.line for row in rows], page.height)
    lines = [_line(row, kept.get(row.number), reach, making) for row, reach in zip(rows, held, strict=True)]
    names = dict.fromkeys(line.region for line in lines if line.region)
    regions = tuple(Region(id=name, kind=region_kind(name)) for name in names)
    image = Path(page.source).name
    return Page(
        width=page.width, height=page.height, image=image, regions=_outlined(regions, lines), lines=tuple(lines)
    )


def _line(row: LineRow, content: bytes | None, reach: LineExtent, making: IndexProvenance | None) -> Line:
    if row.target is not None:
        return replace(row.line, text=row.target, confidence=None)
    if content is None or making is None:
        return row.line
    words = tuple(
        Word(
            text=word.text,
            confidence=word.probability,
            box=bounding_box(
                line_outline(row.line, making.height, reach, word.start * making.columns, word.end * making.columns)
            ),
        )
        for word in align_words(unpack_posteriors(content), making.alphabet, row.text)
    )
    return replace(row.line, text=row.text, confidence=row.confidence, words=words)


def _outlined(regions: Sequence[Region], lines: Sequence[Line]) -> tuple[Region, ...]:
    """Regions with the box around their lines."""
    return tuple(
        replace(region, polygon=bounding_box([p for line in lines if line.region == region.id
                                        for p in line.polygon or line.baseline]).corners)
        for region in regions
    )  # fmt: skip
