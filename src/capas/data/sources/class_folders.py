"""Class folders: the first folder below the root (or below train/, validation/, test/, or fold1/, fold2/) is the
class."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from capas.data.naming import (
    SplitName,
    natural_key,
    normalise_name,
    numbered_siblings,
    readable_name,
    split_from_fold,
    split_from_name,
)
from capas.data.sources.folder_listing import FolderListing

_WRAPPERS: Final = frozenset({
    "images", "image", "imgs", "pictures", "photos", "data", "dataset", "imagenes", "imagen", "fotos",
    "audio", "sounds", "sonidos", "texts", "textos",
    "fotografias", "datos", "conjunto",
})  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassFolders:
    """Images by class folder.

    Attributes:
        base: Folder that holds the classes or, with ``split``, the splits.
        split: Whether there are split folders.
        parts: Numbered folders above the classes ("part_1", "fold2"), by their numbers.
        paths: The images.
        labels: Their classes; None for an image directly in a split folder.
        split_names: Their splits; None without split folders.
        empty: Classes without images.
        outside: Images that lie in no class folder.
    """

    base: Path
    split: bool
    parts: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[str | None, ...]
    split_names: tuple[SplitName | None, ...]
    empty: tuple[str, ...]
    outside: tuple[str, ...]


def find_class_folders(listing: FolderListing, files: Sequence[Path] | None = None) -> ClassFolders | None:
    """Return the ``files`` (the images, unless given) by class; None when none of them lies in a class folder."""
    files = listing.images if files is None else files
    base = _unwrapped(listing, files)
    above_base = base.parts
    parts = [path.parts[len(above_base) :] if path.parts[: len(above_base)] == above_base else () for path in files]
    inside = [part for part in parts if part]
    split = _is_split(inside)
    if split is None:
        return None
    folds = () if split else _numbered_parts(inside)
    above = _folders_above_classes(inside, folds, split)
    named, split_named = cache(class_name), cache(split_from_name)  # few folders have many files
    placed: list[tuple[Path, str | None, SplitName | None]] = []
    outside: list[str] = []
    for path, part in zip(files, parts, strict=True):
        top = part[0] if len(part) > 1 else ""
        inner = part[above.get(top, 0) :]
        if (split and top not in above) or (not split and len(inner) < 2):
            outside.append(listing.relative_name(path))
        else:
            side = split_named(top) if split else split_from_fold(top, folds) if folds else None
            placed.append((path, named(inner[0]) if len(inner) > 1 else None, side))
    labels = tuple(label for _, label, _ in placed)
    return ClassFolders(
        base=base, split=split or any(side for _, _, side in placed), parts=folds,
        paths=tuple(path for path, _, _ in placed), labels=labels,
        split_names=tuple(side for _, _, side in placed), empty=_empty_classes(listing, base, above, set(labels)),
        outside=tuple(outside),
    )  # fmt: skip


def _numbered_parts(parts: Collection[tuple[str, ...]]) -> tuple[str, ...]:
    """The first folders, if they are parts of one collection ("fold1", "fold2"): numbered, with the same classes in
    each. () where they are classes themselves."""
    folders: dict[str, set[str]] = {}
    for part in parts:
        if len(part) > 1:
            folders.setdefault(part[0], set()).update(part[1:2] if len(part) > 2 else ())
    common = set.intersection(*folders.values()) if folders else set()
    return numbered_siblings(list(folders)) if len(common) > 1 else ()


def _folders_above_classes(parts: Collection[tuple[str, ...]], folds: Collection[str], split: bool) -> dict[str, int]:
    """How many folders stand above the classes in each split or fold: one, or two where a lone one repeats the name of
    the split ("train/train/") or wraps all ("train/images/")."""
    above: dict[str, int] = {}
    for top in {part[0] for part in parts if len(part) > 1}:
        if not (top in folds or (split and split_from_name(top))):
            continue
        below = {part[1] for part in parts if part[0] == top and len(part) > 1}
        lone = next(iter(below))
        repeats = normalise_name(lone) in _WRAPPERS or split_from_name(lone) == split_from_name(top) is not None
        deep = all(len(part) > 3 for part in parts if part[0] == top)
        above[top] = 2 if len(below) == 1 and repeats and deep else 1
    return above


def class_name(folder: str) -> str:
    """Return the folder's name, composed (NFC), so that "ñ" from a Mac and from elsewhere is one class, in UTF-8 or
    not."""
    return unicodedata.normalize("NFC", readable_name(folder))


def _unwrapped(listing: FolderListing, files: Sequence[Path]) -> Path:
    """The folder whose children are splits or classes: a lone ``images/`` or ``data/`` folder is stepped
    into."""
    base = listing.root
    while True:
        children = [folder for folder in listing.folders if folder.parent == base]
        if len(children) != 1 or any(path.parent == base for path in files):
            return base
        inner = {folder.name for folder in listing.folders if folder.parent == children[0]}
        wrapper = normalise_name(children[0].name) in _WRAPPERS or children[0].name == base.name
        if not inner or split_from_name(children[0].name) or not (wrapper or any(map(split_from_name, inner))):
            return base
        base = children[0]


def _is_split(parts: Collection[tuple[str, ...]]) -> bool | None:
    """Whether the first folders are splits; None when there is no class folder below or instead of them.

    One folder "train" beside others is a class (of vehicles, say); two split names, or nothing else, are
    splits.
    """
    tops = {part[0] for part in parts if len(part) > 1}
    splits = {top for top in tops if split_from_name(top)}
    if not tops:
        return None
    if splits != tops and len(splits) < 2:
        return False
    if any(len(part) > 2 and part[0] in splits for part in parts):
        return True
    return None if splits == tops else False


def _empty_classes(
    listing: FolderListing, base: Path, above: Mapping[str, int], filled: Collection[str | None]
) -> tuple[str, ...]:
    """Class folders without a single image, in any split."""
    names: set[str] = set()
    for folder in listing.folders:
        part = folder.relative_to(base).parts if folder.is_relative_to(base) else ()
        if part and (not above or part[0] in above) and len(part) == 1 + above.get(part[0], 0):
            names.add(class_name(part[-1]))
    return tuple(sorted(names - set(filled), key=natural_key))
