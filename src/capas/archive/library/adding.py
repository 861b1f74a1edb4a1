"""Adds pages to the library: from files, folders and IIIF manifests.

Below a folder every file that can be a page becomes one, or as many as it has frames, and the folders between become
units. A PAGE or ALTO file of the same name, beside an image of one page or in a folder beside it, is its transcript.
Nothing is copied, except images that a manifest names by address, when asked.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlparse

from capas.archive.library.database import Library, NewPage
from capas.archive.library.scans import PICTURES, SCANS, Scan, download_image, file_hash, scans_of
from capas.core.errors import CapasError
from capas.core.files import content_hash, read_regular
from capas.core.i18n import say
from capas.data.problems import escape_unprintable
from capas.data.sources.samples import sample_folder
from capas.page_formats.formats import is_page_file, read_page
from capas.page_formats.iiif import MAX_BYTES as MAX_MANIFEST_BYTES
from capas.page_formats.iiif import read_manifest

Progress = Callable[[int, int], None]
XML: Final = (".xml", ".page", ".alto")
BATCH: Final = 64
MOST_UNLIKE: Final = 0.02  # by which the proportions of a transcript and its picture may differ
Bad = list[tuple[str, str]]


@dataclass(kw_only=True, slots=True)
class AddedPages:
    """The result of adding pages.

    Attributes:
        new: Pages that are new or have changed.
        known: Pages that were there already.
        transcripts: Transcripts found.
        bad: Files that could not be read, with the reason.
    """

    new: int = 0
    known: int = 0
    transcripts: int = 0
    bad: Bad = field(default_factory=list)


def add_pages_from(
    library: Library, paths: Sequence[Path], unit: str, *, fetch: bool, progress: Progress
) -> AddedPages:
    """Add the pages at ``paths`` to ``unit`` and units below it; a bad file costs an entry in ``bad``, not the rest.

    ``fetch`` downloads images that manifests name by address.

    Raises:
        CapasError: ``no_pages_at`` or ``nothing_to_add``.
    """
    added, waiting = AddedPages(), list[NewPage]()
    found = [item for path in paths for item in _files(path, added.bad)]
    if not found and not added.bad:
        raise CapasError("nothing_to_add", where=", ".join(map(str, paths)), kinds=", ".join(SCANS))
    for done, (path, below) in enumerate(found, 1):
        where = "/".join(part for part in (unit, below) if part)
        try:
            _check_name(path)
            waiting += (
                _pages_of_manifest(library, path, where, fetch, added.bad)
                if path.suffix.lower() == ".json"
                else _pages(path, where, added.bad)
            )
        except CapasError as error:
            added.bad.append((escape_unprintable(str(path)), error.part("what")))
        if len(waiting) >= BATCH or done == len(found):
            new = library.add_pages(waiting)
            added.new, added.known = added.new + new, added.known + len(waiting) - new
            added.transcripts += sum(bool(page.transcript) for page in waiting)
            waiting = []
        progress(done, len(found))
    return added


def _files(path: Path, bad: Bad) -> Iterator[tuple[Path, str]]:
    """The files at ``path`` that can hold pages, in natural order, each with the unit that its folder is; folders that
    cannot be looked into go to ``bad``."""
    if str(path).startswith("sample:") and (drawn := sample_folder(str(path).removeprefix("sample:"))) is not None:
        path = drawn
    if not path.exists():
        raise CapasError("no_pages_at", where=path)
    if path.is_file():
        if not is_page_file(
            path
        ):  # of a whole folder named by its files (scans/*), the transcripts come with the pictures
            yield path, ""
        return
    for folder, inner, names in os.walk(path, onerror=lambda e: bad.append((str(e.filename), e.strerror or str(e)))):
        inner[:] = sorted((name for name in inner if not name.startswith(".")), key=natural_sort_key)
        below = Path(folder).relative_to(path).as_posix()
        # A manifest first: it knows the order and the labels of the pictures beside it.
        for name in sorted(names, key=lambda name: (not _is_manifest(name), natural_sort_key(name))):
            file = Path(folder, name)
            if (file.suffix.lower() in SCANS or _is_manifest(name)) and not name.startswith("."):
                yield file, "" if below == "." else below


def _check_name(path: Path) -> None:
    """Raise CapasError ``page_unreadable`` where the path is not in UTF-8: no database or web page could hold it."""
    try:
        str(path.resolve()).encode("utf-8")
    except UnicodeEncodeError as error:
        raise CapasError(
            "page_unreadable", where=escape_unprintable(str(path)), received=say("archive.reasons.name")
        ) from error


def _is_manifest(name: str) -> bool:
    return name.lower().endswith(".json") and "manifest" in name.lower()


def natural_sort_key(name: str) -> list[tuple[int, str]]:
    """Return a key by which page 2 comes before page 10.

    >>> sorted(["f10.jpg", "f2.jpg"], key=natural_sort_key)
    ['f2.jpg', 'f10.jpg']
    """
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]


def _pages(path: Path, unit: str, bad: Bad) -> list[NewPage]:
    """The pages of one file; their content is named by the hash of the whole file."""
    scans = scans_of(path)
    digest = file_hash(path)
    transcript = _transcript(scans[0], bad) if len(scans) == 1 else ""
    label = path.stem
    return [
        NewPage(
            unit=unit, label=label if len(scans) == 1 else f"{label} {scan.frame + 1}", source=str(path.resolve()),
            frame=scan.frame, hash=digest, width=scan.width, height=scan.height, transcript=transcript,
            transcript_hash=file_hash(Path(transcript)) if transcript else "",
        )
        for scan in scans
    ]  # fmt: skip


def _transcript(scan: Scan, bad: Bad) -> str:
    """The PAGE or ALTO file of an image: beside it, or in a folder "page" or "alto" beside it. One that is of no use
    goes to ``bad``, and the page is taken as one without."""
    parent = scan.path.parent
    for folder in (parent, *(parent / name for name in ("page", "alto", "xml"))):
        for suffix in XML:
            file = folder / (scan.path.stem + suffix)
            if not file.is_file() or not is_page_file(file):
                continue
            try:
                _check_transcript(file, scan)
            except CapasError as error:
                bad.append((str(file), error.part("what")))
                continue
            return str(file.resolve())
    return ""


def _check_transcript(file: Path, scan: Scan) -> None:
    """Raises CapasError where the file cannot be read, or describes a page of another shape than the image."""
    page = read_page(file).page
    if abs(scan.width / page.width / (scan.height / page.height) - 1) > MOST_UNLIKE:
        raise CapasError("page_not_of_picture", where=file, received=f"{page.width}×{page.height}",
                         picture=f"{scan.width}×{scan.height}")  # fmt: skip


def _pages_of_manifest(library: Library, path: Path, unit: str, fetch: bool, bad: Bad) -> list[NewPage]:
    """The pages that a manifest names: images beside it, or, where ``fetch``, at their addresses."""
    try:
        manifest = read_manifest(read_regular(path, max_bytes=MAX_MANIFEST_BYTES), str(path))
    except OSError as error:
        raise CapasError("page_unreadable", where=path, received=error.strerror or str(error)) from error
    pages = []
    for sheet in manifest.sheets:
        picture = _beside(path, sheet.image)
        if picture is None and not fetch:
            raise CapasError("manifest_not_here", where=path, received=sheet.image)
        picture = picture or _fetched(library, sheet.image)
        where = unit or manifest.title
        pages += [replace(page, label=sheet.label or page.label) for page in _pages(picture, where, bad)]
    return pages


def _beside(manifest: Path, address: str) -> Path | None:
    """The image of an address where it lies beside the manifest: the path as given, or its last part."""
    place = PurePosixPath(urlparse(address).path)
    for file in (manifest.parent / address, manifest.parent / place.name):
        if place.name and "://" not in str(file) and file.is_file():
            return file
    return None


def _fetched(library: Library, address: str) -> Path:
    suffix = PurePosixPath(urlparse(address).path).suffix.lower()
    name = content_hash(address.encode()) + (suffix if suffix in PICTURES else ".jpg")
    return download_image(address, library.folder / "pictures" / name)
