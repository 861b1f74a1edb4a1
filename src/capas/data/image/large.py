"""Images with more pixels than are kept: scaled down while they are decoded.

JPEG and JPEG 2000 hold smaller versions of themselves, which are decoded alone; other formats are decoded whole, one at
a time, where the memory suffices, and reduced by averaging.
"""

import io
import math
import threading
from collections.abc import Sequence
from typing import Final

from PIL import ExifTags, Image, ImageFile

from capas.core.memory import available_memory

MAX_SCALABLE_PIXELS: Final = 2_000_000_000  # of the formats that hold smaller versions
_MAX_WHOLE_BYTES: Final = 2_000_000_000
_MAX_RATIO: Final = 400  # of pixels to file, of the formats that lose nothing
_LOSSY: Final = ("WEBP", "AVIF", "HEIF")
_BYTES_PER_PIXEL: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # others: 4
_one_at_a_time = threading.Lock()


def reduction_factor(width: int, height: int, max_pixels: int) -> int:
    """Return by how much the sides are divided so that no more than about ``max_pixels`` are left.

    >>> reduction_factor(9000, 8000, 50_000_000), reduction_factor(100, 100, 50_000_000)
    (2, 1)
    """
    return max(1, math.ceil(math.sqrt(width * height / max_pixels)))


def reduced_size(width: int, height: int, factor: int) -> tuple[int, int]:
    """Return width and height of the reduced image."""
    return math.ceil(width / factor), math.ceil(height / factor)


def can_reduce(image: Image.Image, file_bytes: int) -> bool:
    """Return whether an image, of which only the header was read, may be decoded to be reduced.

    A file that holds far less than its header promises is none that anybody scanned.
    """
    pixels = image.width * image.height
    if image.format in ("JPEG", "MPO", "JPEG2000"):
        return pixels <= MAX_SCALABLE_PIXELS
    whole = pixels * _BYTES_PER_PIXEL.get(image.mode, 4)
    packed = whole // 8 if image.mode == "1" else whole
    plausible = image.format in _LOSSY or packed <= _MAX_RATIO * file_bytes
    return plausible and whole <= min(_MAX_WHOLE_BYTES, available_memory() // 2)


def load_reduced(image: Image.Image, factor: int) -> Image.Image:
    """Decode an image, of which only the header was read, with its sides divided by ``factor``."""
    width, height = image.size
    if isinstance(image, ImageFile.ImageFile) and image.format in ("JPEG", "MPO"):
        image.draft(None, (width // factor, height // factor))
    elif image.format == "JPEG2000":
        image.reduce = int(math.log2(factor))  # type: ignore[method-assign,assignment]
    with _one_at_a_time:
        image.load()
        # A TIFF is turned upright by loading it.
        turned = image.format == "TIFF" and (image.width > image.height) != (width > height)
        target = reduced_size(*((height, width) if turned else (width, height)), factor)
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
        smooth = image.convert(_smooth_mode(image)) if image.mode in ("1", "P", "PA") else image
        reduced = smooth.resize(target, Image.Resampling.BOX)
    reduced.getexif()[ExifTags.Base.Orientation] = orientation
    return reduced


def _smooth_mode(image: Image.Image) -> str:
    """A mode whose pixels can be averaged."""
    return "L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB"


def open_without_pixel_limit(stream: io.BytesIO | io.BufferedReader, formats: Sequence[str]) -> Image.Image:
    """Read the header of an image that ``Image.open`` refuses for its number of pixels.

    Raises:
        ValueError: No decoder of ``formats`` accepts it.
    """
    stream.seek(0)
    start = stream.read(16)
    for name in formats:
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is not None and accept is not None and accept(start) is True:
            stream.seek(0)
            return factory(stream, "")
    raise ValueError(f"no decoder among {', '.join(formats)}")
