"""Decoded images for restoration, kept in memory as far as the budget allows."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from capas.core.device import physical_cores
from capas.core.memory import available_memory
from capas.data.collections import ExampleCollection
from capas.data.image.io import ImageCollection
from capas.data.image.segmentation_transforms import limit_size
from capas.engine.recipe import PreparedDataset
from capas.engine.recipes.restoration.restorer import Restorer
from capas.engine.recipes.shared.image_items import with_channels


class DecodedImages:
    """Images as uint8 H×W×C by position of the record; those beyond the memory budget are decoded on every access.

    Args:
        pictures: The collection.
        indices: Index of each position in it.
        channels: 1 or 3.
        max_side: Longer images are downscaled to it; None for no limit.
    """

    def __init__(self, pictures: ImageCollection, indices: Sequence[int], channels: int, max_side: int | None) -> None:
        self.pictures = pictures
        self.indices = indices
        self.channels = channels
        self.largest = max_side
        self._held: dict[int, NDArray[np.uint8]] = {}

    def fill(self, budget: int, progress: Callable[[int, int], None]) -> None:
        """Decode images until ``budget`` bytes are spent. Raises CapasError on one that cannot be read."""
        with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
            for start in range(0, len(self.indices), 64):
                places = range(start, min(start + 64, len(self.indices)))
                for place, picture in zip(places, pool.map(self._read, places), strict=True):
                    if picture.nbytes <= budget:
                        self._held[place], budget = picture, budget - picture.nbytes
                progress(places.stop, len(self.indices))

    def take(self, position: int) -> NDArray[np.uint8]:
        """Return the image at a position of the record."""
        held = self._held.get(position)
        return self._read(position) if held is None else held

    def _read(self, position: int) -> NDArray[np.uint8]:
        picture = with_channels(self.pictures.decode(self.indices[position]), self.channels)
        return picture if self.largest is None else limit_size(picture, self.largest)


def decode_images(work: PreparedDataset, restorer: Restorer) -> tuple[DecodedImages, DecodedImages | None]:
    """Return the input images and, for paired data, the target images."""
    paired = restorer.kind == "pairs"
    side = None if paired else restorer.max_side
    galleries = [
        DecodedImages(inputs, work.indices, restorer.channels, side)
        for inputs in _collections(work.inputs, work.targets if paired else None)
    ]
    budget = work.config.data.memory_mb * 2**20 or available_memory() * 2 // 5
    for gallery in galleries:
        gallery.fill(budget // len(galleries), work.progress)
    return galleries[0], galleries[1] if paired else None


def _collections(inputs: ExampleCollection, targets: ExampleCollection | None) -> Iterator[ImageCollection]:
    for collection in (inputs, targets):
        if isinstance(collection, ImageCollection):
            yield collection


def centre_crop(
    picture: NDArray[np.uint8], target: NDArray[np.uint8] | None, side: int, scale: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    top, left = (max(0, (length - side) // 2) for length in picture.shape[:2])
    cut = picture[top : top + side, left : left + side]
    if target is None:
        return cut, None
    return cut, target[scale * top : scale * (top + side), scale * left : scale * (left + side)]
