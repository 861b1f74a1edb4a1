"""Files of drawn images: each says in its metadata that it was generated, and how to draw it again."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.generation.image_sampling import DrawnImage
from capas.version import __version__

SHEET: Final = "samples.png"
SHEET_COLUMNS: Final = 16
GAP: Final = 2
_UNSAFE: Final = re.compile(r"[^\w-]+")


def image_name(image: DrawnImage) -> str:
    """Return the file name of a drawn image: its number, and its class where it has one."""
    if image.class_name is None:
        return f"{image.number:05d}.png"
    return f"{image.number:05d}-{_UNSAFE.sub('_', image.class_name)[:40] or 'class'}.png"


def new_sample_folder(folder: Path) -> Path:
    """Return a folder that holds nothing yet. Raises CapasError ``folder_not_empty``."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CapasError("folder_not_empty", where=folder)
    return folder


def write_drawn_image(folder: Path, image: DrawnImage, provenance: Mapping[str, str]) -> Path:
    """Write an image as a PNG with its provenance, and return its path. Raises CapasError ``disk_full`` or
    ``cannot_write``."""
    own = {"number": str(image.number), **({} if image.class_name is None else {"class": image.class_name})}
    path = folder / image_name(image)
    write_atomic(path, png_with_provenance(image.pixels, {**provenance, **own}))
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


def png_with_provenance(pixels: NDArray[np.uint8], provenance: Mapping[str, str]) -> bytes:
    """Return a PNG whose text fields say that Capas generated it, and ``provenance`` under names that begin with
    "capas:".
    """
    info = PngInfo()
    info.add_text("Software", f"Capas {__version__}")
    # The term of IPTC's vocabulary for what a trained network made.
    info.add_text("DigitalSourceType", "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
    for name, value in provenance.items():
        info.add_itxt(f"capas:{name}", value)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()
