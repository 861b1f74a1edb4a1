"""A folder's files by kind, in a stable natural order; what cannot be used is reported.

Hidden files and what operating systems leave behind are ignored. A symbolic link to a folder is followed once, and
never back into the folder that is being listed.
"""

import errno
import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from capas.core.files import open_regular
from capas.data.file_types import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    TABLE_SUFFIXES,
    TEXT_SUFFIXES,
    UNSUPPORTED_AUDIO_SUFFIXES,
    UNSUPPORTED_IMAGE_SUFFIXES,
)
from capas.data.naming import natural_key
from capas.data.problems import Problem, problems_from

JUNK_NAMES: Final = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "@eadir", "icon\r"}
)
_MAGIC: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|BM.{4}\0{4}|II\*\0|MM\0\*|RIFF.{4}WEBP|P[1-6]\s", re.DOTALL
)


def is_junk(name: str) -> bool:
    """Return whether a file or folder is hidden or left by an operating system."""
    return name.startswith(".") or name.casefold() in JUNK_NAMES


@dataclass(kw_only=True, slots=True)
class FolderListing:
    """Everything below one folder, by kind.

    Attributes:
        root: The folder.
        images: Image files.
        audio_files: Audio files.
        texts: Text files.
        others: Skipped files that may still hold sentences.
        tables: Table files.
        folders: All folders below.
        skipped: Names of what was skipped, by reason.
    """

    root: Path
    images: list[Path] = field(default_factory=list)
    audio_files: list[Path] = field(default_factory=list)
    texts: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, kind: str, path: Path) -> None:
        """Record that ``path`` is left out for the reason ``kind``."""
        self.skipped.setdefault(kind, []).append(self.relative_name(path))

    def exclude(self, used: Collection[Path]) -> None:
        """Record every file that is not among ``used`` as unused."""
        for path in (*self.images, *self.audio_files, *self.texts, *self.others):
            if path not in used:
                self.skip("not_a_picture", path)

    def relative_parts(self, path: Path) -> tuple[str, ...]:
        """Return the names of the folders below the root and of the file itself."""
        return path.parts[len(self.root.parts) :]

    def relative_name(self, path: Path) -> str:
        """Return ``path`` relative to the root, as shown to the user."""
        return path.relative_to(self.root).as_posix()

    def problems(self) -> tuple[Problem, ...]:
        """Return one Problem for each reason something was skipped."""
        notes = ("not_a_picture", "symlink_loop")
        return tuple(
            item
            for kind, paths in sorted(self.skipped.items())
            for item in problems_from(kind, paths, severity="note" if kind in notes else "warning")
        )


def list_folder(root: Path, *, follow_links: bool = False) -> FolderListing:
    """Walk ``root``; unreadable folders, loops and foreign files end in ``skipped``, never in an exception.

    Symbolic links to what lies outside of ``root`` end there too unless ``follow_links``: a folder from somebody else
    could hold one to the user's own pictures, which would be learnt from and shown in the report.
    """
    listing = FolderListing(root=root)
    visited: set[tuple[int, int]] = set()
    real_root = root.resolve()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            state = folder.stat()
            if (state.st_dev, state.st_ino) in visited or _leads_back(folder, root, real_root):
                listing.skip("symlink_loop", folder)
                continue
            visited.add((state.st_dev, state.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
        except (OSError, RuntimeError):
            listing.skip("unreadable", folder)
            continue
        if folder != root:
            listing.folders.append(folder)
        inside = None if follow_links else real_root
        waiting.extend(reversed([Path(entry.path) for entry in _sort_in(listing, entries, inside)]))
    key_of = cache(natural_key)  # folders have many files, and pairs of files one name
    for paths in (listing.images, listing.audio_files, listing.texts, listing.others):
        paths.sort(key=lambda path: [key_of(part) for part in listing.relative_parts(path)])
    return listing


def _sort_in(
    listing: FolderListing, entries: list[os.DirEntry[str]], inside: Path | None
) -> Iterator[os.DirEntry[str]]:
    """Put each file where it belongs and hand back the folders; links must stay ``inside`` that folder, if any."""
    for entry in entries:
        if is_junk(entry.name):
            continue
        path = Path(entry.path)
        try:
            if inside is not None and entry.is_symlink() and not path.resolve(strict=True).is_relative_to(inside):
                listing.skip("link_outside", path)
                continue
            if entry.is_dir():
                yield entry
                continue
            if not stat.S_ISREG(entry.stat().st_mode):
                listing.skip("not_a_picture", path)  # a pipe or a socket: opening one would wait for ever
                continue
        except RuntimeError:  # of pathlib, for a link to itself
            listing.skip("symlink_loop", path)
            continue
        except OSError as error:
            listing.skip("symlink_loop" if error.errno == errno.ELOOP else "unreadable", path)
            continue
        _sort_file(listing, path)


def _sort_file(listing: FolderListing, path: Path) -> None:
    suffix = path.suffix.casefold()
    if suffix in TABLE_SUFFIXES:
        listing.tables.append(path)
    elif suffix in IMAGE_SUFFIXES:
        listing.images.append(path)
    elif suffix in AUDIO_SUFFIXES:
        listing.audio_files.append(path)
    elif suffix in TEXT_SUFFIXES:
        listing.texts.append(path)
    elif suffix in UNSUPPORTED_IMAGE_SUFFIXES:
        listing.skip("foreign_picture", path)
    elif suffix in UNSUPPORTED_AUDIO_SUFFIXES:
        listing.skip("foreign_sound", path)
    elif looks_like_image(path):
        listing.images.append(path)
    else:
        listing.others.append(path)


def looks_like_image(path: Path) -> bool:
    """Return whether the file's first bytes are those of an image format, whatever its name."""
    try:
        with open_regular(path) as stream:
            return _MAGIC.match(stream.read(16)) is not None
    except OSError:
        return False


def _leads_back(folder: Path, root: Path, real_root: Path) -> bool:
    """Whether a symbolic link points into the listed folder itself (listed anyway) or to one that contains
    it."""
    if folder == root or not folder.is_symlink():
        return False
    real = folder.resolve()
    return real.is_relative_to(real_root) or real_root.is_relative_to(real)
