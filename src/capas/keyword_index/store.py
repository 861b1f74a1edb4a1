"""Spots as they are kept: what one is, what was recorded of their making, and what every store of them can do.

A probability is kept as one byte, its log-odds in steps of 0.0725: 128 is ½, 1 and 255 are 1/10,000 and 9,999/10,000.
A linear byte could not tell 0.001 from 0.003, where most spots lie; a logarithmic one could not tell 0.98 from 0.999,
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
    """A word that may be written on a page: in which line (from 0), and from where to where along it, in whole frames
    or pixels as the archive counts (``start`` < ``end``)."""

    word: str
    probability: float
    page: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexOrigin:
    """How spots were made: the least probability that was kept, the temperature of the calibration, the model's hash.
    Spots of different origin are not comparable and are never mixed."""

    least: float
    temperature: float
    model: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchScope:
    """Where to look: on some pages, or with ``lines`` in single lines (page, number) only."""

    pages: frozenset[str] = frozenset()
    lines: frozenset[tuple[str, int]] | None = None


@runtime_checkable
class SpotStore(Protocol):
    """Where spots are kept. All methods raise CapasError where the store cannot be read or written."""

    @property
    def origin(self) -> IndexOrigin:
        """How all spots here were made."""
        ...

    def add(self, pages: Sequence[str], spots: Iterable[Spot]) -> None:
        """Keep the spots of whole pages, all of them or none; pages that were there already are replaced. Raises
        ValueError where a spot is of another page."""
        ...

    def spots(
        self,
        words: Iterable[str],
        *,
        min_probability: float = 0.0,
        limit: int | None = None,
        scope: SearchScope | None = None,
    ) -> Iterator[Spot]:
        """Spots of these words, the most probable first, down to ``min_probability``; all, or those in a ``scope``. Equally
        probable ones stand in the order of the words given, then of the pages as they came, lines and places."""
        ...

    def size(self, words: Iterable[str], max_count: int) -> int:
        """How many spots these words have; counted up to ``max_count`` only, so that asking costs little."""
        ...

    def histogram(self, words: Iterable[str], *, scope: SearchScope | None = None) -> dict[float, int]:
        """How many spots these words have at each probability, the highest first. Without a ``scope`` it is read from
        what ``compact`` counted, and only later pages are counted now."""
        ...

    def by_page(
        self, words: Iterable[str], *, min_probability: float = 0.0, scope: SearchScope | None = None
    ) -> dict[str, int]:
        """How many spots these words have on each page, down to ``min_probability``."""
        ...

    def words(self, start: str, *, folded: bool) -> Iterator[tuple[str, str]]:
        """All words that begin so, or whose folded form does, in order: as written, and folded."""
        ...

    def pages(self) -> list[str]:
        """The pages kept, in the order in which they came."""
        ...

    def everything(self) -> Iterator[Spot]:
        """All spots, by word, then as ``spots``."""
        ...

    def compact(self) -> None:
        """Give back the room of replaced pages, and count the spots of frequent words for ``histogram``."""
        ...

    def close(self) -> None:
        """Let go of the file or connection."""
        ...

    def __enter__(self: S) -> S: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def merge_stores(into: SpotStore, shards: Iterable[SpotStore]) -> None:
    """Add all pages of the shards: the same spots as if one store had been filled. Of a page in several shards the
    last counts. Raises CapasError ``spots_differ`` before anything is added from a shard of another origin."""
    for shard in shards:
        check_origin(shard.origin, into.origin, where="")
        into.add(shard.pages(), shard.everything())


def check_origin(stored: IndexOrigin, requested: IndexOrigin, *, where: str) -> None:
    """Raises CapasError ``spots_differ`` unless both are the same."""
    for name in ("model", "temperature", "least"):
        if getattr(stored, name) != getattr(requested, name):
            raise CapasError(
                "spots_differ", where=where, received=f"{name} {getattr(stored, name)}",
                wanted=f"{name} {getattr(requested, name)}",
            )  # fmt: skip


def probability_to_byte(probability: float) -> int:
    """The byte, 1..255, that keeps a probability; those beyond 1/10,000 and 9,999/10,000 are kept as these."""
    if not 0 <= probability <= 1:
        raise ValueError(f"probability is {probability}; expected 0..1")
    if probability in (0, 1):
        return 255 if probability else 1
    odds = math.log(probability / (1 - probability))
    return 128 + round(max(-1.0, min(1.0, odds / _LARGEST)) * _STEPS)


def byte_to_probability(byte: int) -> float:
    """The probability that a byte stands for.

    >>> [round(byte_to_probability(byte), 4) for byte in (1, 96, 128, 255)]
    [0.0001, 0.0894, 0.5, 0.9999]
    """
    return 1 / (1 + math.exp(-(byte - 128) / _STEPS * _LARGEST))


def min_byte_for(probability: float) -> int:
    """The lowest byte that stands for a probability or more."""
    byte = probability_to_byte(probability)
    return byte + (byte_to_probability(byte) < probability)
