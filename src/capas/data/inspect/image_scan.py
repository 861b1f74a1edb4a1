"""Scan of every image: header, content hash, thumbnail and brightness from a single decoding.

Files are read by a few threads (Pillow decodes outside the interpreter's lock), a chunk at a time: at no moment are
more decoded images in memory than there are threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.data.image.io import ImageCollection, ImageFiles, ImageInfo
from capas.data.inspect.near_duplicates import grey_image, thumbnail
from capas.data.sources.page_lines import PageLineImages

Progress = Callable[[int, int], None]
_CHUNK: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageScan:
    """What the scan found of an image.

    Attributes:
        hash: Content hash.
        info: Header.
        thumbnail: uint8 (16, 16).
        mean: Mean of grey in 0..1.
        mean_square: Mean of the squares of grey in 0..1.
    """

    hash: str
    info: ImageInfo
    thumbnail: NDArray[np.uint8]
    mean: float
    mean_square: float


def scan_images(images: ImageCollection, progress: Progress | None = None) -> tuple[ImageScan | CapasError, ...]:
    """Scan every image; one that cannot be decoded gives its CapasError. ``progress(done, total)`` is called."""
    scans: list[ImageScan | CapasError] = []
    workers = physical_cores() if isinstance(images, ImageFiles | PageLineImages) else 1
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for start in range(0, len(images), _CHUNK):
            indices = range(start, min(start + _CHUNK, len(images)))
            if workers > 1:
                scans.extend(pool.map(lambda index: _scan_image(images, index), indices))
            else:
                scans.extend(_scan_image(images, index) for index in indices)
            if progress is not None:
                progress(len(scans), len(images))
    return tuple(scans)


def _scan_image(pictures: ImageCollection, index: int) -> ImageScan | CapasError:
    try:
        info = pictures.info(index)
        grey = grey_image(pictures.decode(index))
        mean, square = _brightness(grey)
        return ImageScan(
            hash=pictures.content_hash(index), info=info, thumbnail=thumbnail(grey), mean=mean, mean_square=square
        )
    except CapasError as error:
        return error


def _brightness(grey: Image.Image) -> tuple[float, float]:
    """Mean and mean square in 0..1, from Pillow's histogram: exact, and without a copy of the pixels."""
    counts = np.array(grey.histogram(), dtype=np.float64)
    levels = np.arange(256) / 255
    return float(counts @ levels / counts.sum()), float(counts @ levels**2 / counts.sum())
