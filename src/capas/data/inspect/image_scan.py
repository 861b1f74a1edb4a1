"""Scan of every image: header, content hash, thumbnail and brightness from a single decoding.

Files are read by a few threads (Pillow decodes outside the interpreter's lock), a chunk at a time: at no moment are
more decoded images in memory than there are threads. Small ones, which are decoded sooner than a thread gets the lock,
are read by one.
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
from capas.data.image.io import MAX_PIXELS_OF_ONE_THREAD, ImageCollection, ImageFiles, ImageInfo, ReadImage
from capas.data.inspect.near_duplicates import grey_image, thumbnail
from capas.data.sources.page_lines import PageLineImages

Progress = Callable[[int, int], None]
_CHUNK: Final = 256
_PROBED: Final = 4
_LEVELS: Final = np.arange(256) / 255


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
            # The first ones tell how large the images of this chunk are.
            first = [_scan_image(images, index) for index in indices[:_PROBED]]
            rest, probed = indices[_PROBED:], [scan for scan in first if isinstance(scan, ImageScan)]
            pixels = sum(scan.info.width * scan.info.height for scan in probed)
            scans.extend(first)
            if workers > 1 and (not probed or pixels > MAX_PIXELS_OF_ONE_THREAD * len(probed)):
                scans.extend(pool.map(lambda index: _scan_image(images, index), rest))
            else:
                scans.extend(_scan_image(images, index) for index in rest)
            if progress is not None:
                progress(len(scans), len(images))
    return tuple(scans)


def _scan_image(pictures: ImageCollection, index: int) -> ImageScan | CapasError:
    try:
        if isinstance(pictures, ImageFiles):
            read = pictures.read(index)
        else:
            read = ReadImage(
                info=pictures.info(index), pixels=pictures.decode(index), hash=pictures.content_hash(index)
            )
        grey = grey_image(read.pixels)
        mean, square = _brightness(read.pixels, grey)
        return ImageScan(hash=read.hash, info=read.info, thumbnail=thumbnail(grey), mean=mean, mean_square=square)
    except CapasError as error:
        return error


def _brightness(pixels: NDArray[np.uint8], grey: Image.Image) -> tuple[float, float]:
    """Mean and mean square in 0..1 of the grey image, exactly, from a histogram."""
    if pixels.shape[2] == 1 and pixels.size <= MAX_PIXELS_OF_ONE_THREAD:
        counts = np.bincount(pixels.ravel(), minlength=256).astype(np.float64)
    else:  # Pillow's takes its time for small images, but copies no pixels
        counts = np.array(grey.histogram(), dtype=np.float64)
    return float(counts @ _LEVELS / counts.sum()), float(counts @ _LEVELS**2 / counts.sum())
