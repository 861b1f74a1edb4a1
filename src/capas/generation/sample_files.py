"""Files of drawn images: each says in its metadata that it was generated, and how to draw it again."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.generation.image_sampling import DrawnImage
from capas.sampling.provenance import png_with_provenance

SHEET: Final = "samples.png"
SHEET_COLUMNS: Final = 16
GAP: Final = 2
_UNSAFE: Final = re.compile(r"[^\w-]+")


def image_name(image: DrawnImage) -> str:
    """Return the file name of a drawn image: its number, and its class or the beginning of its text."""
    if image.asked_for is None:
        return f"{image.number:05d}.png"
    return f"{image.number:05d}-{_UNSAFE.sub('_', image.asked_for)[:40] or 'class'}.png"


def new_sample_folder(folder: Path) -> Path:
    """Return a folder that holds nothing yet. Raises CapasError ``folder_not_empty``."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CapasError("folder_not_empty", where=folder)
    return folder


def write_drawn_image(folder: Path, image: DrawnImage, provenance: Mapping[str, str]) -> Path:
    """Write an image as a PNG with its provenance, and return its path. Raises CapasError ``disk_full`` or
    ``cannot_write``."""
    own = {"number": str(image.number), "class": image.class_name, "prompt": image.prompt}
    said = {name: value for name, value in own.items() if value is not None}
    path = folder / image_name(image)
    write_atomic(path, png_with_provenance(image.pixels, {**provenance, **said}))
    return path


def write_contact_sheet(folder: Path, images: Sequence[DrawnImage], provenance: Mapping[str, str]) -> Path:
    """Write all images side by side, at most ``SHEET_COLUMNS`` in a row, and return the path."""
    path = folder / SHEET
    write_atomic(path, png_with_provenance(contact_sheet([image.pixels for image in images]), provenance))
    return path


def contact_sheet(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return images of one shape side by side on white, as square as can be up to ``SHEET_COLUMNS`` columns."""
    columns = min(SHEET_COLUMNS, math.ceil(math.sqrt(len(images))))
    rows = math.ceil(len(images) / columns)
    height, width = images[0].shape[:2]
    sheet = np.full(
        (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, *images[0].shape[2:]), 255, dtype=np.uint8
    )
    for i, image in enumerate(images):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet
