"""The table column that names image, audio or text files, and the file that each of its cells means.

A cell is looked up beside the table and in the folders beside it: as written, by its last part alone (paths from
another computer), and without a suffix ("img_001" for img_001.jpg).
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from capas.core.files import is_file
from capas.data.file_types import AUDIO_SUFFIXES, IMAGE_SUFFIXES, TEXT_SUFFIXES
from capas.data.sources.folder_listing import is_junk
from capas.data.tabular.columns import Cell, NumberColumn, Table, TableColumn

_ENDINGS = frozenset(suffix[1:] for suffix in (*IMAGE_SUFFIXES, *AUDIO_SUFFIXES, *TEXT_SUFFIXES))


@dataclass(frozen=True, kw_only=True, slots=True)
class PathColumn:
    """A column of paths.

    Attributes:
        name: Name of the column.
        medium: Medium of the files.
        values: Cells as text.
        files: The file of each cell; None where there is none.
    """

    name: str
    medium: Literal["image", "audio", "text"]
    values: tuple[str, ...]
    files: tuple[Path | None, ...]


def find_path_column(table: Table, folders: Sequence[Path] = ()) -> PathColumn | None:
    """Return the column whose cells name most files; None where there is none.

    ``folders`` are further ones to look in, however deep: a file in them is found by its name, if it is the only one.

    A column in which half of the cells end like a file name counts even when no file is found: the files are then
    missing, which is another fault than a table without images.
    """
    places = _FileIndex(table.path.parent, folders)
    best: PathColumn | None = None
    best_rank = (0, 0)
    for name, column in table.columns.items():
        # A number does not end like a file's name: that of 17.jpg may be 17.
        if isinstance(column, NumberColumn) and table.rows and not _could_be_stems(column, places):
            continue
        announced = 2 * _path_like_cells(column) >= max(1, table.rows)
        if not announced and not _could_be_stems(column, places):
            continue
        codes, cells = column.factorize()
        different = [_as_name(cell) for cell in cells]
        counts = np.bincount(codes, minlength=len(cells)).tolist()
        found = [places.find(value) for value in different]
        rank = (sum(n for file, n in zip(found, counts, strict=True) if file is not None), int(announced))
        if (announced or 2 * rank[0] >= table.rows) and (best is None or rank > best_rank):
            values = tuple(map(different.__getitem__, codes.tolist()))
            files = tuple(map(found.__getitem__, codes.tolist()))
            medium = _medium_of([value for value in values if value], files)
            best, best_rank = PathColumn(name=name, medium=medium, values=values, files=files), rank
    return best


def _as_name(cell: Cell) -> str:
    """A cell as a file's name: numbers without decimals (the file 17.jpg is named by 17)."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _medium_of(values: Sequence[str], files: Sequence[Path | None]) -> Literal["image", "audio", "text"]:
    """By the endings of most of the files, or of the names where no file is there."""
    endings = [file.suffix.casefold() for file in files if file] or [Path(v).suffix.casefold() for v in values]
    counts: dict[Literal["image", "audio", "text"], int] = {
        "image": sum(ending in IMAGE_SUFFIXES for ending in endings),
        "audio": sum(ending in AUDIO_SUFFIXES for ending in endings),
        "text": sum(ending in TEXT_SUFFIXES for ending in endings),
    }
    return max(counts, key=lambda medium: counts[medium])


def _path_like_cells(column: TableColumn) -> int:
    """How many cells look like paths."""
    if isinstance(column, NumberColumn) or not column.any_contains("."):
        return 0
    alike = np.fromiter(map(_looks_like_file_path, column.words), dtype=bool, count=len(column.words))
    return int(column.word_counts()[alike].sum())


def _looks_like_file_path(value: str) -> bool:
    if "." not in value[-6:]:  # no ending is longer; most cells go no further
        return False
    return " " not in value.strip()[-8:] and value[-6:].rpartition(".")[2].casefold() in _ENDINGS and "." in value


def _could_be_stems(column: TableColumn, places: "_FileIndex") -> bool:
    """Whether the cells are all different (as names of files are) and the first few name files."""
    first = [places.find(_as_name(cell)) for cell in islice((cell for cell in column if cell is not None), 20)]
    if not first or 2 * sum(file is not None for file in first) < len(first):
        return False
    return column.distinct == len(column) - int(column.missing.sum())


class _FileIndex:
    """The folder of a table, the folders in it, and further ones, with the names of the files that each holds."""

    def __init__(self, folder: Path, further: Sequence[Path]) -> None:
        self._folders = [folder, *_folders_in(folder)]
        self._names: dict[str, list[Path]] = {}
        self._stems: dict[str, list[Path]] = {}
        self._far: dict[str, list[Path]] = {}
        for place in self._folders:
            for path in _files_in(place):
                self._names.setdefault(_composed(path.name), []).append(path)
                self._stems.setdefault(_composed(path.stem), []).append(path)
        for place in set(further) - set(self._folders):
            for path in _files_in(place):
                for name in (path.name, path.stem):
                    self._far.setdefault(_composed(name), []).append(path)

    def find(self, value: str) -> Path | None:
        """The file that ``value`` means, or None.

        A bare name is taken from the nearest folder that has it; the last part of a path that is not there,
        and a name without a suffix, only count where they leave no choice.
        """
        name = value.strip().replace("\\", "/")
        if not name or "\0" in name:
            return None
        named = self._names.get(_composed(name.rpartition("/")[2]), [])
        if "/" not in name and named:
            return named[0]
        for place in self._folders if "/" in name else ():
            for spelling in (name, _composed(name), unicodedata.normalize("NFD", name)):
                if is_file(place / spelling):
                    return place / spelling
        last = _composed(name.rpartition("/")[2])
        alone = named or self._stems.get(last, []) or self._far.get(last, [])
        return alone[0] if len(alone) == 1 else None


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not is_junk(path.name))
    except OSError:
        return []


def _files_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.casefold()[1:] in _ENDINGS)
    except OSError:
        return []
