"""Where the files of an export lie, and those of whole units: METS for each, one EAD for the archive.

Pictures are named where they lie (file:), ALTO where it was exported to the same folder before.
"""

from pathlib import Path
from typing import Final

from capas.archive.library import Library, PageRow
from capas.core.files import write_atomic
from capas.pages.ead import as_ead
from capas.pages.mets import as_mets
from capas.pages.provenance import Provenance
from capas.pages.unit import Sheet, Unit

UNIT_FORMATS: Final = ("mets", "ead")
ALTO: Final = ".alto.xml"


def write_units(library: Library, folder: Path, form: str, *, unit: str, made: Provenance) -> list[Path]:
    """Write ``mets.xml`` into the folder of every unit, or ``ead.xml`` above them; the files written. Raises CapasError
    where one cannot be."""
    pages = library.pages(unit)
    names = list(dict.fromkeys(page.unit for page in pages))
    units = {name: _unit(library, folder, name, [page for page in pages if page.unit == name]) for name in names}
    if form == "ead":
        title = library.fact("title")
        write_atomic(folder / "ead.xml", as_ead(unit or title, title, list(units.values()), made))
        return [folder / "ead.xml"]
    files = [unit_folder(folder, name) / "mets.xml" for name in names]
    for file, name in zip(files, names, strict=True):
        write_atomic(file, as_mets(units[name], made))
    return files


def page_file(folder: Path, page: PageRow, suffix: str) -> Path:
    """Where a page is exported to."""
    return unit_folder(folder, page.unit) / f"{page.position + 1:04d}_{plain(page.label)}{suffix}"


def unit_folder(folder: Path, unit: str) -> Path:
    """Where the pages of a unit are exported to; never above ``folder``."""
    return folder.joinpath(*(plain(part) for part in unit.split("/") if part))


def plain(name: str) -> str:
    """A name that any system takes for a file.

    >>> plain("../fol. 12r"), plain("..")
    ('_fol._12r', '_')
    """
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".") or "_"


def _unit(library: Library, folder: Path, name: str, pages: list[PageRow]) -> Unit:
    sheets = tuple(
        Sheet(label=page.label, image=Path(page.source).as_uri(), width=page.width, height=page.height,
              text=file.name if (file := page_file(folder, page, ALTO)).is_file() else "")
        for page in pages
    )  # fmt: skip
    return Unit(id=name or library.fact("title"), title=name.rpartition("/")[2] or library.fact("title"), sheets=sheets)
