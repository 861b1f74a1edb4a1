"""What an encoder is: anything that turns contents into vectors of one length."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from capas.core.spec import Medium


@runtime_checkable
class Encoder(Protocol):
    """A network as a source of vectors.

    A content is a path or an array of pixels (uint8 H×W or H×W×C) of an image, the path of a sound, a text, or the row
    of a table as a mapping.
    """

    @property
    def name(self) -> str:
        """What the user calls it by."""

    @property
    def fingerprint(self) -> str:
        """Hash of weights and preprocessing: vectors of equal fingerprints can be compared."""

    @property
    def media(self) -> tuple[Medium, ...]:
        """What it reads; two media of a joint encoder, whose vectors of both can be compared."""

    def preprocess(self, content: object, name: str) -> object:
        """Return one content, called ``name``, as ``encode`` takes it. Raises CapasError where it cannot be read."""

    def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
        """Return the vectors (B, D) of preprocessed contents of one medium."""


@runtime_checkable
class Truncates(Protocol):
    """An encoder that reads no more than the beginning of a long text or sound."""

    @property
    def truncated(self) -> int:
        """Contents so far of which the end was not read."""


def encode_contents(encoder: Encoder, contents: Sequence[object]) -> NDArray[np.float32]:
    """Return the vectors (B, D) of contents of one medium. Raises CapasError where one of them cannot be read."""
    return encoder.encode([encoder.preprocess(one, str(one)[:60]) for one in contents])
