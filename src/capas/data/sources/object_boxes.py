"""Recognises boxes of objects in pictures: YOLO, Pascal VOC, COCO, LabelMe, and tables of corners.

Capas does not find objects. Without this, a YOLO file beside its picture would be a transcript, and the folders of such
data would be classes.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import open_regular
from capas.data.naming import normalise_name
from capas.data.sources.folder_listing import FolderListing
from capas.data.tabular.io import read_table

_PEEK: Final = 60_000
_LOOKED_AT: Final = 40
_MIN_SHARE: Final = 0.8
# Class, then centre, width and height, or the points of an outline, in 0..1.
_YOLO_LINE: Final = re.compile(r"\d{1,4}(?:\s+(?:0?\.\d+|[01](?:\.\d*)?|\d(?:\.\d+)?e-\d+)){4,}", re.IGNORECASE)
_CORNERS: Final = ({"xmin", "ymin", "xmax", "ymax"}, {"x1", "y1", "x2", "y2"}, {"x_min", "y_min", "x_max", "y_max"})


def find_object_boxes(listing: FolderListing) -> str | None:
    """Return the name of the format in which the folder marks objects in its pictures; None where it marks none."""
    if not listing.images:
        return None
    stems = {path.stem for path in listing.images}
    beside = [path for path in (*listing.texts, *listing.others) if path.stem in stems]
    if _most(beside, ".txt", _is_yolo):
        return "YOLO"
    if _most(beside, ".xml", lambda text: "<annotation" in text and "<bndbox>" in text):
        return "Pascal VOC"
    if _most(beside, ".json", lambda text: '"shapes"' in text and '"points"' in text):
        return "LabelMe"
    jsons = [path for path in listing.others if path.suffix.casefold() == ".json"]
    if any(_is_coco(_ends_of(path)) for path in jsons[:_LOOKED_AT]):
        return "COCO"
    return "CSV" if any(map(_has_corners, listing.tables[:3])) else None


def _most(paths: Sequence[Path], suffix: str, holds: Callable[[str], bool]) -> bool:
    """Whether ``holds`` of most of the files with this suffix that are not empty; an empty one has no object."""
    texts = [_ends_of(path) for path in paths if path.suffix.casefold() == suffix][:_LOOKED_AT]
    filled = [text for text in texts if text.strip()]
    return bool(filled) and sum(map(holds, filled)) >= _MIN_SHARE * len(filled)


def _is_yolo(text: str) -> bool:
    return all(_YOLO_LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip())


def _is_coco(text: str) -> bool:
    return '"bbox"' in text and ('"annotations"' in text or '"categories"' in text)


def _has_corners(path: Path) -> bool:
    try:
        names = set(map(normalise_name, read_table(path).columns))
    except CapasError:
        return False
    return any(corners <= names for corners in _CORNERS)


def _ends_of(path: Path) -> str:
    """The beginning of a file, and of a long one its end as well; "" where it cannot be read."""
    try:
        with open_regular(path) as stream:
            start = stream.read(_PEEK)
            if len(start) < _PEEK:
                return start.decode("utf-8", "replace")
            stream.seek(-_PEEK, os.SEEK_END)
            whole_lines = start[: start.rfind(b"\n") + 1] or start
            return (whole_lines + b"\n" + stream.read().partition(b"\n")[2]).decode("utf-8", "replace")
    except OSError:
        return ""
