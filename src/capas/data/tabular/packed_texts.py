"""Many texts in one buffer: UTF-8 and where each begins, 8 bytes beside the text itself where a string takes 50 more.

Which of them are equal is found by their hashes in a sorted array, and then looked at.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

_BLOCK: Final = 4096
_IS_SPACE: Final = np.array([chr(code).isspace() for code in range(128)])


class PackedTexts(Sequence[str]):
    """A sequence of N texts, each decoded when it is asked for.

    Args:
        data: The texts in UTF-8, one behind the other; lone surrogates as three bytes.
        offsets: Where each begins, and the end of the last; int64, shape (N + 1,).
    """

    def __init__(self, data: bytes | bytearray, offsets: NDArray[np.int64]) -> None:
        self._data = data
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        place = range(len(self))[index]
        return self._text(*self._offsets[place : place + 2].tolist())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BLOCK):
            ends = self._offsets[start : start + _BLOCK + 1]
            block = self._text(int(ends[0]), int(ends[-1]))
            if block.isascii():
                places = (ends - ends[0]).tolist()
                yield from map(block.__getitem__, map(slice, places[:-1], places[1:]))
            else:
                bounds = ends.tolist()
                yield from map(self._text, bounds[:-1], bounds[1:])

    @property
    def byte_lengths(self) -> NDArray[np.int64]:
        """The number of bytes of each text, shape (N,)."""
        return np.diff(self._offsets)

    def any_contains(self, sign: str) -> bool:
        """Return False only where no text contains ``sign``."""
        return sign.encode("utf-8") in self._data

    def word_numbers(self) -> Iterator[int]:
        """Yield the number of words of each text, as ``split`` counts them."""
        for start in range(0, len(self), _BLOCK):
            ends = self._offsets[start : start + _BLOCK + 1] - self._offsets[start]
            block = self._data[self._offsets[start] : self._offsets[min(start + _BLOCK, len(self))]]
            if not block.isascii() or not np.diff(ends).all():
                yield from (len(text.split()) for text in self[start : start + _BLOCK])
                continue
            inside = ~_IS_SPACE[np.frombuffer(block, dtype=np.uint8)]
            begins = inside.copy()
            begins[1:] &= ~inside[:-1]
            begins[ends[:-1]] = inside[ends[:-1]]
            yield from np.add.reduceat(begins, ends[:-1], dtype=np.int64).tolist()

    def take(self, places: NDArray[np.int64]) -> "PackedTexts":
        """Return the texts at ``places``, in this order."""
        if len(places) == len(self) and bool((places == np.arange(len(self))).all()):
            return self
        starts, lengths = self._offsets[places], self._offsets[places + 1] - self._offsets[places]
        bounds = zip(starts.tolist(), (starts + lengths).tolist(), strict=True)
        data = b"".join(self._data[start:end] for start, end in bounds)
        return PackedTexts(data, np.concatenate([[0], lengths.cumsum()]).astype(np.int64))

    def _text(self, start: int, end: int) -> str:
        return self._data[start:end].decode("utf-8", "surrogatepass")


def number_of_words(texts: Sequence[str]) -> Iterable[int]:
    """Return the number of words of each text."""
    return texts.word_numbers() if isinstance(texts, PackedTexts) else (len(text.split()) for text in texts)


class TextPacker:
    """Collects texts that come in blocks, and tells which of them are equal."""

    def __init__(self) -> None:
        # They grow in place, where parts to be joined later would be held twice.
        self._data = bytearray()
        self._ends = array("q", [0])
        self._hashes = array("q")
        self._packed: PackedTexts | None = None

    def add(self, texts: Sequence[str]) -> None:
        """Add further texts."""
        joined = "".join(texts)
        encoded: Sequence[str] | Sequence[bytes] = texts
        if not joined.isascii():
            encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        end = len(self._data)
        self._data += joined.encode("utf-8", "surrogatepass")
        self._ends.extend(islice(accumulate(map(len, encoded), initial=end), 1, None))
        self._hashes.extend(map(hash, texts))

    def all_texts(self) -> PackedTexts:
        """Return all texts; nothing can be added afterwards."""
        if self._packed is None:
            self._packed = PackedTexts(self._data, np.frombuffer(self._ends, dtype=np.int64))
        return self._packed

    def distinct(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return for each text the place of the first one that equals it, shape (N,), and the places of these, in
        order."""
        texts = self.all_texts()
        hashes = np.frombuffer(self._hashes, dtype=np.int64)
        order = np.argsort(hashes, kind="stable")
        begins = np.ones(len(hashes), dtype=bool)
        begins[1:] = hashes[order[1:]] != hashes[order[:-1]]
        first = order[begins]
        places = np.empty(len(hashes), dtype=np.int64)
        places[order] = first[begins.cumsum() - 1]
        repeated = np.flatnonzero(places != np.arange(len(places)))
        pairs = zip(repeated.tolist(), places[repeated].tolist(), strict=True)
        if any(texts[own] != texts[other] for own, other in pairs):  # two texts with one hash
            held: dict[str, int] = {}
            places = np.array([held.setdefault(text, place) for place, text in enumerate(texts)], dtype=np.int64)
            first = np.array(list(held.values()), dtype=np.int64)
        return places, np.sort(first)
