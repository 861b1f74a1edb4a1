"""Line images of pages with ALTO or PAGE XML, cropped from the page image on demand.

The XML of ``0001.jpg`` is ``0001.xml`` in the same folder, or in a folder called alto, page or the like inside it or
beside it. Lines of one page stay in one split: their neighbours' ink, their paper and their hand would leak.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.data.image.io import ImageFiles, ImageInfo
from capas.data.naming import normalise_name
from capas.data.problems import Problem, problems_from
from capas.data.sources.folder_listing import FolderListing
from capas.page_formats.formats import is_page_file, read_page
from capas.page_formats.layout.line_images import LineExtent, crop_line, line_extents, line_size
from capas.page_formats.page import Line, Page, scale_page

PAGE_XML_FOLDERS: Final = frozenset({"alto", "page", "pagexml", "page_xml", "xml", "gt"})
_HELD: Final = 3  # pages in memory: a few threads work at neighbouring lines
_MOST_UNLIKE: Final = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class PageLine:
    """A line, the index of its page, and its extent on it."""

    line: Line
    page: int
    extent: LineExtent

    @property
    def height(self) -> int:
        """Height of its crop in pixels."""
        return self.extent.pixels


class PageLineImages:
    """The lines of pages as an ``ImageCollection``; ``lines`` refer to ``pages`` by index."""

    def __init__(self, pages: ImageFiles, lines: Sequence[PageLine]) -> None:
        self.pages = pages
        self.lines = tuple(lines)
        self._hashes: dict[int, str] = {}
        self._decoded: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.lines)

    def name(self, index: int) -> str:
        """Return ``folder/0001.jpg#line_7``."""
        one = self.lines[index]
        return f"{self.pages.name(one.page)}#{one.line.id}"

    def page_name(self, index: int) -> str:
        """Return the hash of the page's content: equal for the lines of one page, and of a copy of it."""
        page = self.lines[index].page
        if page not in self._hashes:
            self._hashes[page] = self.pages.content_hash(page)
        return self._hashes[page]

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Return the line image, (H, W, 1)."""
        one = self.lines[index]
        return crop_line(self._page(one.page), one.line, one.height, reach=one.extent)[..., None]

    def _page(self, page: int) -> NDArray[np.uint8]:
        """The page's image; the last few are kept."""
        with self._lock:
            if page not in self._decoded:
                self._decoded[page] = self.pages.decode(page)
            self._decoded.move_to_end(page)
            if len(self._decoded) > _HELD:
                self._decoded.popitem(last=False)
            return self._decoded[page]

    def info(self, index: int) -> ImageInfo:
        """Return its size, without decoding the page."""
        one = self.lines[index]
        width = line_size(one.line, one.height, one.extent)
        return ImageInfo(width=width, height=one.height, mode="L", format="line", frames=1, bytes=width * one.height,
                           wrong_extension=False, rotated=False)  # fmt: skip

    def content_hash(self, index: int) -> str:
        """Return the hash of the page's image and the line's position on it."""
        one = self.lines[index]
        place = f"{self.page_name(index)} {one.line.baseline} {one.line.polygon}"
        return content_hash(place.encode())


@dataclass(frozen=True, kw_only=True, slots=True)
class TranscribedPages:
    """Transcribed pages as lines.

    Attributes:
        lines: The lines of all pages.
        texts: Their transcripts.
        problems: What is wrong.
        used: Files that are among them.
    """

    lines: PageLineImages
    texts: tuple[str, ...]
    problems: tuple[Problem, ...]
    used: frozenset[Path]


def find_transcribed_pages(listing: FolderListing, max_pixels: int) -> TranscribedPages | None:
    """Return the pages below a folder that have XML beside them; None where there are none.

    Raises:
        CapasError: ``pages_without_pictures``, or the first error where more than half of the XML files cannot be used.
    """
    files = [path for path in listing.others if path.suffix.casefold() == ".xml" and is_page_file(path)]
    if files and not listing.images:
        raise CapasError("pages_without_pictures", where=listing.root, received=len(files), first=files[0].name)
    described = _described(listing.images, files)
    if not described:
        return None
    pictures = ImageFiles(list(described), listing.root, max_pixels)
    lines, failed, skipped = list[PageLine](), list[CapasError](), list[str]()
    for number, description in enumerate(described.values()):
        try:
            read = read_page(description)
            page = _on_picture(read.page, pictures.info(number), description)
        except CapasError as error:
            failed.append(error)
            continue
        skipped += [f"{listing.relative_name(description)}: {one.sentence()}" for one in read.skipped]
        found_reaches = line_extents(page.lines, page.height)
        lines += [PageLine(line=a, page=number, extent=b) for a, b in zip(page.lines, found_reaches, strict=True)]
    if 2 * len(failed) > len(described):
        raise failed[0]
    used = frozenset({*listing.images, *files})
    stems = {path.stem for path in described}
    problems = (
        *problems_from("page_unusable", [f"{error.where}: {error.part('what')}" for error in failed]),
        *problems_from("line_unusable", skipped),
        *problems_from("picture_missing", [listing.relative_name(path) for path in files if path.stem not in stems]),
        *problems_from("page_alone", [listing.relative_name(path) for path in listing.images if path not in described],
               severity="note"),
    )  # fmt: skip
    texts = tuple(" ".join(one.line.text.split()) for one in lines)
    return TranscribedPages(lines=PageLineImages(pictures, lines), texts=texts, problems=problems, used=used)


def _described(pictures: Sequence[Path], files: Sequence[Path]) -> dict[Path, Path]:
    """Image → description, for those that have one. PAGE's folders stand before ALTO's: it says the order."""
    if not files:
        return {}
    beside = {(path.parent, path.stem): path for path in files}
    apart: dict[tuple[Path, str], Path] = {}
    for path in sorted(files, key=lambda path: normalise_name(path.parent.name).startswith("alto")):
        if normalise_name(path.parent.name) in PAGE_XML_FOLDERS:
            apart.setdefault((path.parent.parent, path.stem), path)
    pairs = {
        path: beside.get((path.parent, path.stem))
        or apart.get((path.parent, path.stem))
        or apart.get((path.parent.parent, path.stem))
        for path in pictures
    }
    return {picture: file for picture, file in pairs.items() if file is not None}


def _on_picture(page: Page, info: ImageInfo, where: Path) -> Page:
    """The page in the image's pixels. Raises CapasError ``page_not_of_picture`` where it has another shape."""
    across, down = info.width / page.width, info.height / page.height
    if abs(across / down - 1) > _MOST_UNLIKE:
        raise CapasError("page_not_of_picture", where=where, received=f"{page.width}×{page.height}",
                         picture=f"{info.width}×{info.height}")  # fmt: skip
    return scale_page(page, info.width, info.height)
