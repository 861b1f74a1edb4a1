"""One look at every picture: header, content hash, thumbnail and brightness from a single decoding.

Files are read by a few threads (Pillow decodes outside the interpreter's lock), a chunk at a time: at no
moment are more decoded pictures in memory than there are threads.
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
from capas.data.duplicates import grey_image, thumbnail
from capas.data.page_lines import PageLines
from capas.data.pictures import FilePictures, PictureInfo, Pictures

Progress = Callable[[int, int], None]
_CHUNK: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What was seen of a picture: ``thumbnail`` uint8 16×16; ``mean`` and ``square`` (mean of squares) of
    grey in 0..1."""

    hash: str
    info: PictureInfo
    thumbnail: NDArray[np.uint8]
    mean: float
    square: float


def examine(pictures: Pictures, progress: Progress | None = None) -> tuple[Sight | CapasError, ...]:
    """Look at every picture; one that cannot be decoded gives its CapasError. ``progress(done, total)`` is
    told."""
    seen: list[Sight | CapasError] = []
    workers = physical_cores() if isinstance(pictures, FilePictures | PageLines) else 1
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for start in range(0, len(pictures), _CHUNK):
            indices = range(start, min(start + _CHUNK, len(pictures)))
            if workers > 1:
                seen.extend(pool.map(lambda index: _sight(pictures, index), indices))
            else:
                seen.extend(_sight(pictures, index) for index in indices)
            if progress is not None:
                progress(len(seen), len(pictures))
    return tuple(seen)


def _sight(pictures: Pictures, index: int) -> Sight | CapasError:
    try:
        info = pictures.info(index)
        grey = grey_image(pictures.decode(index))
        mean, square = _brightness(grey)
        return Sight(hash=pictures.content_hash(index), info=info, thumbnail=thumbnail(grey), mean=mean, square=square)
    except CapasError as error:
        return error


def _brightness(grey: Image.Image) -> tuple[float, float]:
    """Mean and mean square in 0..1, from Pillow's histogram: exact, and without a copy of the pixels."""
    counts = np.array(grey.histogram(), dtype=np.float64)
    levels = np.arange(256) / 255
    return float(counts @ levels / counts.sum()), float(counts @ levels**2 / counts.sum())
