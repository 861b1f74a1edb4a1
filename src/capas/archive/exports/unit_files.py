"""Paths of exported files, and the files of whole units: METS for each, one EAD for the archive.

Images are referenced where they lie (file:), ALTO where it was exported to the same folder before.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from capas.archive.library.database import Library, PageRow
from capas.core.files import write_atomic
from capas.page_formats.ead import to_ead
from capas.page_formats.mets import to_mets
from capas.page_formats.provenance import Provenance
from capas.page_formats.unit import ArchivalUnit, Sheet

UNIT_FORMATS: Final = ("mets", "ead")
ALTO: Final = ".alto.xml"


def write_units(library: Library, folder: Path, form: str, *, unit: str, made: Provenance) -> list[Path]:
    """Write ``mets.xml`` into the folder of every unit, or ``ead.xml`` above them; return the files.

    Raises:
        CapasError: A file cannot be written.
    """
    pages = library.pages(unit)
    names = list(dict.fromkeys(page.unit for page in pages))
    places = export_folders(folder, [name for name, _ in library.units()])
    units = {name: _unit(library, places[name], name, [page for page in pages if page.unit == name]) for name in names}
    if form == "ead":
        title = library.fact("title")
        write_atomic(folder / "ead.xml", to_ead(unit or title, title, list(units.values()), made))
        return [folder / "ead.xml"]
    files = [places[name] / "mets.xml" for name in names]
    for file, name in zip(files, names, strict=True):
        write_atomic(file, to_mets(units[name], made))
    return files


def export_path(place: Path, page: PageRow, suffix: str) -> Path:
    """Return the path of an exported page, in the folder of its unit."""
    return place / f"{page.position + 1:04d}_{safe_file_name(page.label)}{suffix}"


def export_folders(folder: Path, units: Iterable[str]) -> dict[str, Path]:
    """Return the folder of each unit, never above ``folder``.

    Where names differ only in characters that no file name may have, or in case, the later ones are numbered.

    >>> [path.as_posix() for path in export_folders(Path("out"), ["Leg 1", "Leg:1", "../b"]).values()]
    ['out/Leg_1', 'out/Leg_1_2', 'out/_/b']
    """
    found, taken = dict[str, Path](), set[str]()
    for unit in units:
        place = first = folder.joinpath(*(safe_file_name(part) for part in unit.split("/") if part))
        number = 1
        while str(place).casefold() in taken:
            number += 1
            place = first.with_name(f"{first.name}_{number}")
        taken.add(str(place).casefold())
        found[unit] = place
    return found


def safe_file_name(name: str) -> str:
    """Return a name that is valid as a file name on any system.

    >>> safe_file_name("../fol. 12r"), safe_file_name("..")
    ('_fol._12r', '_')
    """
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".") or "_"


def _unit(library: Library, place: Path, name: str, pages: list[PageRow]) -> ArchivalUnit:
    sheets = tuple(
        Sheet(label=page.label, image=Path(page.source).as_uri(), width=page.width, height=page.height,
              text=file.name if (file := export_path(place, page, ALTO)).is_file() else "")
        for page in pages
    )  # fmt: skip
    return ArchivalUnit(
        id=name or library.fact("title"), title=name.rpartition("/")[2] or library.fact("title"), sheets=sheets
    )
