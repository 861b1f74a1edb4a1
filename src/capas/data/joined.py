"""Labelled and unlabelled pictures as one collection: the labelled first, the others after them under marked names."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.data.pictures import PictureInfo, Pictures
from capas.data.sources import Source

# No path inside a folder that tells classes apart begins like this: such names hold a "/" before anything else.
MARK: Final = "unlabelled:"


class JoinedPictures:
    """The pictures of ``first``, then those of ``second``; the names of the latter begin with ``MARK``."""

    def __init__(self, first: Pictures, second: Pictures) -> None:
        self.first = first
        self.second = second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def _part(self, index: int) -> tuple[Pictures, int]:
        return (self.first, index) if index < len(self.first) else (self.second, index - len(self.first))

    def name(self, index: int) -> str:
        """As its own collection calls it, marked when it is of the second."""
        pictures, own = self._part(index)
        return pictures.name(own) if pictures is self.first else f"{MARK}{pictures.name(own)}"

    def decode(self, index: int) -> NDArray[np.uint8]:
        """See ``Pictures``."""
        pictures, own = self._part(index)
        return pictures.decode(own)

    def info(self, index: int) -> PictureInfo:
        """See ``Pictures``."""
        pictures, own = self._part(index)
        return pictures.info(own)

    def content_hash(self, index: int) -> str:
        """See ``Pictures``."""
        pictures, own = self._part(index)
        return pictures.content_hash(own)


def with_unlabelled(labelled: Source, unlabelled: Pictures) -> Source:
    """``labelled`` with these pictures after its own, every cell of theirs empty. Raises ValueError where ``labelled``
    has no pictures."""
    if labelled.pictures is None:
        raise ValueError(f"{labelled.root} holds no pictures")
    empty = (None,) * len(unlabelled)
    return replace(
        labelled,
        files=JoinedPictures(labelled.pictures, unlabelled),
        columns={name: (*cells, *empty) for name, cells in labelled.columns.items()},
        fixed_split=(*labelled.fixed_split, *empty),
    )
