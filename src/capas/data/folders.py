"""A folder's pictures and tables, listed in a stable natural order; whatever cannot be used is said, not
hidden.

Hidden files and what operating systems leave behind are ignored. A symbolic link to a folder is followed
once, and never back into the folder that is being listed.
"""

import errno
import os
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from capas.data.pictures import SUFFIXES
from capas.data.problems import Problem, found
from capas.data.sound import SUFFIXES as SOUNDS

SplitName = Literal["train", "validation", "test"]

PICTURE_SUFFIXES: Final = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
SOUND_SUFFIXES: Final = frozenset(SOUNDS)
TEXT_SUFFIXES: Final = frozenset({".txt", ".text"})
TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
# Pictures that Pillow's own decoders do not read: worth a sentence of their own.
FOREIGN_PICTURES: Final = frozenset({
    ".heic", ".heif", ".avif", ".svg", ".pdf", ".dcm", ".psd", ".raw", ".cr2", ".cr3", ".nef", ".arw",
    ".dng", ".jp2", ".jxl", ".exr", ".nii",
})  # fmt: skip
JUNK: Final = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "@eadir", "icon\r"})
_MAGIC: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|BM.{4}\0{4}|II\*\0|MM\0\*|RIFF.{4}WEBP|P[1-6]\s", re.DOTALL
)
_SPLITS: Final[dict[str, SplitName]] = {
    "train": "train", "training": "train", "entrenamiento": "train", "entreno": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "validacion": "validation",
    "dev": "validation",
    "test": "test", "testing": "test", "prueba": "test", "pruebas": "test",
}  # fmt: skip


def plain(text: str) -> str:
    """``text`` in lower case without accents, for comparing names.

    >>> plain("Validación")
    'validacion'
    """
    decomposed = unicodedata.normalize("NFD", text.casefold().strip())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def split_called(name: str) -> SplitName | None:
    """The split that a folder or a cell names, in English or Spanish, or None."""
    return _SPLITS.get(plain(name))


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key under which "2" stands before "10"; equal only for equal texts.

    >>> sorted(["p10", "p2", "P1"], key=natural_key)
    ['P1', 'p2', 'p10']
    """
    parts = re.split(r"([0-9]{1,18})", text.casefold())
    return (
        *((1, int(part), "") if part.isdecimal() else (2, 0, part) for part in parts if part),
        (0, 0, text),
    )


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden or left by an operating system."""
    return name.startswith(".") or name.casefold() in JUNK


@dataclass(kw_only=True, slots=True)
class Listing:
    """Everything below one folder: ``pictures``, ``sounds``, ``texts``, ``tables``, the ``folders`` themselves, what
    was skipped, and the ``others`` among that, which may still hold sentences."""

    root: Path
    pictures: list[Path] = field(default_factory=list)
    sounds: list[Path] = field(default_factory=list)
    texts: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, kind: str, path: Path) -> None:
        """Remember that ``path`` is left out for the reason ``kind``."""
        self.skipped.setdefault(kind, []).append(self.shown(path))

    def leave_aside(self, used: Collection[Path]) -> None:
        """Remember every file that is not among ``used`` as one that has no part in this."""
        for path in (*self.pictures, *self.sounds, *self.texts, *self.others):
            if path not in used:
                self.skip("not_a_picture", path)

    def shown(self, path: Path) -> str:
        """``path`` relative to the root, as shown to the user."""
        return path.relative_to(self.root).as_posix()

    def problems(self) -> tuple[Problem, ...]:
        """One Problem for each reason something was skipped."""
        notes = ("not_a_picture", "symlink_loop")
        return tuple(
            item
            for kind, paths in sorted(self.skipped.items())
            for item in found(kind, paths, severity="note" if kind in notes else "warning")
        )


def list_folder(root: Path) -> Listing:
    """Walk ``root``; unreadable folders, loops and foreign files end in ``skipped``, never in an
    exception."""
    listing = Listing(root=root)
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
        waiting.extend(reversed([Path(entry.path) for entry in _sort_in(listing, entries)]))
    for paths in (listing.pictures, listing.sounds, listing.texts, listing.others):
        paths.sort(key=lambda path: [natural_key(part) for part in path.relative_to(root).parts])
    return listing


def _sort_in(listing: Listing, entries: list[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    """Put each file where it belongs and hand back the folders."""
    for entry in entries:
        if is_junk(entry.name):
            continue
        path = Path(entry.path)
        try:
            if entry.is_dir():
                yield entry
                continue
            path.stat()
        except OSError as error:
            listing.skip("symlink_loop" if error.errno == errno.ELOOP else "unreadable", path)
            continue
        _sort_file(listing, path)


def _sort_file(listing: Listing, path: Path) -> None:
    suffix = path.suffix.casefold()
    if suffix in TABLE_SUFFIXES:
        listing.tables.append(path)
    elif suffix in PICTURE_SUFFIXES:
        listing.pictures.append(path)
    elif suffix in SOUND_SUFFIXES and path.is_file():
        listing.sounds.append(path)
    elif suffix in TEXT_SUFFIXES and path.is_file():
        listing.texts.append(path)
    elif suffix in FOREIGN_PICTURES:
        listing.skip("foreign_picture", path)
    elif not path.is_file():
        listing.skip("not_a_picture", path)  # a pipe or a socket: opening one would wait for ever
    elif looks_like_picture(path):
        listing.pictures.append(path)
    else:
        listing.others.append(path)


def looks_like_picture(path: Path) -> bool:
    """Whether the file's first bytes are those of a picture format, whatever its name."""
    try:
        with path.open("rb") as stream:
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
