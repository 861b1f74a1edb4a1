"""What an item looks like on a page: a thumbnail of an image, the waveform of a sound, the beginning of a text."""

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from capas.core.errors import CapasError
from capas.data.audio.io import read_audio
from capas.data.image.io import decode_image
from capas.representation.data_items import TEXT_COLUMN, DataItems, open_data_items
from capas.representation.vectors import VectorItem

_WAVE_COLUMNS: Final = 96
_INK: Final = (70, 90, 110)


class Previews:
    """Previews of the items of one data source; none of an item that has moved, or was changed into another kind.

    Args:
        data: The data source that the vectors' manifest names; a source that is gone gives no previews.
    """

    def __init__(self, data: str) -> None:
        try:
            self.items: DataItems | None = open_data_items(data)
        except CapasError:
            self.items = None

    def text(self, item: VectorItem) -> str:
        """Return the beginning of a text, "" of anything else."""
        return item.columns.get(TEXT_COLUMN, "")

    def thumbnail(self, item: VectorItem, side: int) -> bytes | None:
        """Return a WebP of at most ``side`` × ``side`` pixels: an image, or the waveform of a sound; None of what has
        none.
        """
        pixels = self._pixels(item, side)
        if pixels is None:
            return None
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels[..., :3])
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        image.save(stream, "WEBP", quality=70, method=2)
        return stream.getvalue()

    def path(self, item: VectorItem) -> Path | None:
        """Return the file of an item that is one and is still there."""
        content = self._content(item)
        return content if isinstance(content, Path) and content.is_file() else None

    def _content(self, item: VectorItem) -> object:
        items = self.items
        if items is None or not 0 <= item.index < len(items) or items.name(item.index) != item.name:
            return None
        try:
            return items.content(item.index)
        except CapasError:
            return None

    def _pixels(self, item: VectorItem, side: int) -> NDArray[np.uint8] | None:
        content = self._content(item)
        if isinstance(content, np.ndarray):
            return content if content.ndim == 3 else content[..., None]
        if not isinstance(content, Path) or self.items is None:
            return None
        try:
            return decode_image(content, scale=True) if self.items.medium == "image" else _waveform(content, side)
        except CapasError:
            return None


def _waveform(path: Path, side: int) -> NDArray[np.uint8]:
    """The loudest value of each stretch of a sound, as bars about the middle, uint8 (side / 2, side, 3)."""
    samples = np.abs(read_audio(path).samples)
    columns = min(side, _WAVE_COLUMNS)
    peaks = np.array([part.max(initial=0.0) for part in np.array_split(samples, columns)])
    height = max(2, side // 2)
    half = np.maximum(1, peaks / max(float(peaks.max()), 1e-6) * height / 2).repeat(-(-side // columns))[:side]
    rows = np.abs(np.arange(height)[:, None] - (height - 1) / 2)
    page = np.full((height, side, 3), 255, np.uint8)
    page[rows < half[None, :]] = _INK
    return page
