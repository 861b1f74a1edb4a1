"""Thumbnails of the items of a map, on sheets: a browser decodes few large pictures faster than many small ones."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from capas.core.rng import derive_seed
from capas.representation.previews import Previews
from capas.representation.vectors import Vectors

ACROSS: Final = 16  # thumbnails in a row, and rows on a sheet
MAX_THUMBNAILS: Final = 20_000
MAX_BYTES: Final = 16_000_000
# Fewer items, larger thumbnails: (up to so many, pixels a side).
SIDES: Final = ((1_000, 96), (6_000, 64), (MAX_THUMBNAILS, 48))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sprites:
    """Thumbnails of some of N items.

    Attributes:
        side: Pixels of the square that each may fill, from its upper left corner.
        sheets: WebP images of ``ACROSS`` × ``ACROSS`` squares; the last may have fewer rows.
        slots: For each item the number of its square, counted over all sheets; -1 without thumbnail. Shape (N).
        sizes: Width and height of the thumbnail in each square, shape (number of thumbnails, 2).
    """

    side: int
    sheets: tuple[bytes, ...]
    slots: NDArray[np.int32]
    sizes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.sizes)


def make_sprites(
    vectors: Vectors, *, seed: int = 0, progress: Callable[[int, int], None] = lambda done, total: None
) -> Sprites:
    """Return thumbnails of all items, or of a random sample where they are more than ``MAX_THUMBNAILS`` or would need
    more than ``MAX_BYTES``; none where the data are gone, or are neither images nor sounds.
    """
    count = len(vectors)
    slots = np.full(count, -1, np.int32)
    side = next((side for most, side in SIDES if count <= most), SIDES[-1][1])
    sheets: list[bytes] = []
    sizes: list[tuple[int, int]] = []
    previews = Previews(vectors.manifest.data) if vectors.manifest.medium in ("image", "audio") else None
    if previews is not None and previews.items is not None:
        order = np.random.default_rng(derive_seed(seed, "map-thumbnails")).permutation(count)[:MAX_THUMBNAILS]
        page: list[Image.Image] = []
        for done, index in enumerate(order):
            progress(done, len(order))
            thumbnail = previews.thumbnail(vectors.items[index], side)
            if thumbnail is None:
                continue
            page.append(Image.open(io.BytesIO(thumbnail)).convert("RGB"))
            slots[index] = len(sizes)
            sizes.append(page[-1].size)
            if len(page) == ACROSS**2:
                sheets.append(_sheet(page, side))
                page = []
                if sum(map(len, sheets)) + len(sheets[-1]) > MAX_BYTES:
                    break
        if page:
            sheets.append(_sheet(page, side))
        progress(len(order), len(order))
    return Sprites(side=side, sheets=tuple(sheets), slots=slots,
                   sizes=np.array(sizes, np.uint8).reshape(-1, 2))  # fmt: skip


def _sheet(thumbnails: list[Image.Image], side: int) -> bytes:
    rows = -(-len(thumbnails) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * side, rows * side), (255, 255, 255))
    for place, thumbnail in enumerate(thumbnails):
        sheet.paste(thumbnail, (place % ACROSS * side, place // ACROSS * side))
    stream = io.BytesIO()
    sheet.save(stream, "WEBP", quality=72, method=3)
    return stream.getvalue()
