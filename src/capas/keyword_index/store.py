"""The model of spots, their origin, and the protocol of every store.

A probability is kept as one byte, its log-odds in steps of 0.0725: 128 is ½, 1 and 255 are 1/10,000 and 9,999/10,000. A
linear byte could not tell 0.001 from 0.003, where most spots lie; a logarithmic one could not tell 0.98 from 0.999,
where most hits that people read lie. On log-odds both p and 1 − p are kept to ±3.7 %, well below what calibration can
promise.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, TypeVar, runtime_checkable

from capas.core.errors import CapasError

S = TypeVar("S")
_STEPS: Final = 127
_LARGEST: Final = math.log(9999)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """A word that may occur on a page.

    Attributes:
        word: The word as written.
        probability: Its probability, 0..1.
        page: Its page.
        line: Its line, from 0.
        start: Where it begins along the line, in whole frames or pixels as the archive counts.
        end: Where it ends, above ``start``.
    """

    word: str
    probability: float
    page: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexOrigin:
    """How spots were made. Spots of different origin are not comparable and are never mixed.

    Attributes:
        least: Least probability that was kept.
        temperature: Calibration temperature.
        model: Hash of the model.
    """

    least: float
    temperature: float
    model: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchScope:
    """Restriction of a search to some pages, or with ``lines`` to single lines (page, number)."""

    pages: frozenset[str] = frozenset()
    lines: frozenset[tuple[str, int]] | None = None


@runtime_checkable
class SpotStore(Protocol):
    """A store of spots. All methods raise CapasError where it cannot be read or written."""

    @property
    def origin(self) -> IndexOrigin:
        """The origin of all spots here."""
        ...

    def add(self, pages: Sequence[str], spots: Iterable[Spot]) -> None:
        """Store the spots of whole pages, all of them or none; existing pages are replaced.

        Raises:
            ValueError: A spot is of another page.
        """
        ...

    def spots(
        self,
        words: Iterable[str],
        *,
        min_probability: float = 0.0,
        limit: int | None = None,
        scope: SearchScope | None = None,
    ) -> Iterator[Spot]:
        """Iterate over spots of these words of at least ``min_probability``, the most probable first; all, or within a
        ``scope``.

        Equally probable ones are in the order of the words given, then of the pages' insertion, lines and positions.
        """
        ...

    def size(self, words: Iterable[str], max_count: int) -> int:
        """Return the number of spots of these words, counted up to ``max_count`` only, so that asking costs little."""
        ...

    def histogram(self, words: Iterable[str], *, scope: SearchScope | None = None) -> dict[float, int]:
        """Return the number of spots of these words at each probability, the highest first.

        Without a ``scope`` it is read from what ``compact`` counted, and only later pages are counted now.
        """
        ...

    def by_page(
        self, words: Iterable[str], *, min_probability: float = 0.0, scope: SearchScope | None = None
    ) -> dict[str, int]:
        """Return the number of spots of these words of at least ``min_probability`` on each page."""
        ...

    def words(self, start: str, *, folded: bool) -> Iterator[tuple[str, str]]:
        """Iterate over all words with this prefix, or whose folded form has it, in order: as written, and folded."""
        ...

    def pages(self) -> list[str]:
        """Return the pages, in the order of insertion."""
        ...

    def everything(self) -> Iterator[Spot]:
        """Iterate over all spots, by word, then as ``spots``."""
        ...

    def compact(self) -> None:
        """Free the space of replaced pages, and count the spots of frequent words for ``histogram``."""
        ...

    def close(self) -> None:
        """Close the file or connection."""
        ...

    def __enter__(self: S) -> S: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def merge_stores(into: SpotStore, shards: Iterable[SpotStore]) -> None:
    """Add all pages of the shards: the same spots as if one store had been filled.

    Of a page in several shards the last counts.

    Raises:
        CapasError: ``spots_differ``, before anything is added from a shard of another origin.
    """
    for shard in shards:
        check_origin(shard.origin, into.origin, where="")
        into.add(shard.pages(), shard.everything())


def check_origin(stored: IndexOrigin, requested: IndexOrigin, *, where: str) -> None:
    """Raise CapasError ``spots_differ`` unless both are the same."""
    for name in ("model", "temperature", "least"):
        if getattr(stored, name) != getattr(requested, name):
            raise CapasError(
                "spots_differ", where=where, received=f"{name} {getattr(stored, name)}",
                wanted=f"{name} {getattr(requested, name)}",
            )  # fmt: skip


def probability_to_byte(probability: float) -> int:
    """Return the byte, 1..255, that encodes a probability; clipped to 1/10,000..9,999/10,000."""
    if not 0 <= probability <= 1:
        raise ValueError(f"probability is {probability}; expected 0..1")
    if probability in (0, 1):
        return 255 if probability else 1
    odds = math.log(probability / (1 - probability))
    return 128 + round(max(-1.0, min(1.0, odds / _LARGEST)) * _STEPS)


def byte_to_probability(byte: int) -> float:
    """Return the probability that a byte encodes.

    >>> [round(byte_to_probability(byte), 4) for byte in (1, 96, 128, 255)]
    [0.0001, 0.0894, 0.5, 0.9999]
    """
    return 1 / (1 + math.exp(-(byte - 128) / _STEPS * _LARGEST))


def min_byte_for(probability: float) -> int:
    """Return the lowest byte that encodes a probability or more."""
    byte = probability_to_byte(probability)
    return byte + (byte_to_probability(byte) < probability)
