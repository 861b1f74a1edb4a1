"""Concatenation of labelled and unlabelled images in one collection, for semi-supervised training."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.data.image.io import ImageCollection, ImageInfo
from capas.data.sources.source import DataSource
from capas.data.tabular.columns import column_from_cells

# No path inside a folder that tells classes apart begins like this: such names hold a "/" before anything else.
UNLABELLED_PREFIX: Final = "unlabelled:"


class ConcatImages:
    """The images of ``first``, then those of ``second``, whose names begin with ``UNLABELLED_PREFIX``."""

    def __init__(self, first: ImageCollection, second: ImageCollection) -> None:
        self.first = first
        self.second = second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def _part(self, index: int) -> tuple[ImageCollection, int]:
        return (self.first, index) if index < len(self.first) else (self.second, index - len(self.first))

    def name(self, index: int) -> str:
        """Return the name in its own collection, with the prefix if it is of the second."""
        pictures, position = self._part(index)
        return pictures.name(position) if pictures is self.first else f"{UNLABELLED_PREFIX}{pictures.name(position)}"

    def decode(self, index: int) -> NDArray[np.uint8]:
        """See ``ImageCollection``."""
        pictures, position = self._part(index)
        return pictures.decode(position)

    def info(self, index: int) -> ImageInfo:
        """See ``ImageCollection``."""
        pictures, position = self._part(index)
        return pictures.info(position)

    def content_hash(self, index: int) -> str:
        """See ``ImageCollection``."""
        pictures, position = self._part(index)
        return pictures.content_hash(position)


def append_unlabelled(labelled: DataSource, unlabelled: ImageCollection) -> DataSource:
    """Append unlabelled images to ``labelled``, with empty cells in every column.

    Raises:
        ValueError: ``labelled`` has no images.
    """
    if labelled.images is None:
        raise ValueError(f"{labelled.root} holds no pictures")
    empty = (None,) * len(unlabelled)
    return replace(
        labelled,
        files=ConcatImages(labelled.images, unlabelled),
        columns={name: column_from_cells((*cells, *empty)) for name, cells in labelled.columns.items()},
        fixed_split=(*labelled.fixed_split, *empty),
    )
