"""An index in shards: many SQLite files that answer as one, one for each fonds.

``shards.json`` lists them in order with the origin of all. The results are those of the index into which they would be
merged in this order (``store.merge_stores``), the order of equally probable spots included. A shard is opened on
demand, and the least recently used ones are closed.
"""

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from capas.core.errors import CapasError
from capas.core.files import read_regular, write_json
from capas.core.parsing import parse_json
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.keyword_index.store import IndexOrigin, SearchScope, Spot, check_origin

SHARD_LIST_FILE: Final = "shards.json"
MAX_OPEN_SHARDS: Final = 64
_FILE_NAME: Final = re.compile(r"\d{4,9}\.sqlite")
S = TypeVar("S", bound="ShardedSpots")


class ShardedSpots:
    """The shards in ``folder``; with an ``origin`` it is created where there is none.

    ``shards_of`` says in which shard each page belongs.

    Raises:
        CapasError: ``spots_missing``, ``spots_differ``, or ``shard_broken``, which names the shard.
    """

    def __init__(
        self,
        folder: Path,
        shards_of: Callable[[Iterable[str]], Mapping[str, str]],
        origin: IndexOrigin | None = None,
        *,
        max_open: int = MAX_OPEN_SHARDS,
    ) -> None:
        self.folder, self._shards_of, self._most_open = folder, shards_of, max_open
        self._open = dict[str, SqliteSpots]()  # the one asked last at the end
        self._split: tuple[SearchScope | None, dict[str, SearchScope]] = (None, {})
        if (folder / SHARD_LIST_FILE).is_file():
            self._origin, self._files = _listed(folder / SHARD_LIST_FILE)
            if origin is not None:
                check_origin(self._origin, origin, where=str(folder))
        elif origin is None:
            raise CapasError("spots_missing", where=folder)
        else:
            self._origin = origin
            self._list({})

    @property
    def origin(self) -> IndexOrigin:
        """The origin of all spots here."""
        return self._origin

    @property
    def shards(self) -> list[str]:
        """The shards' names in order."""
        return list(self._files)

    def add(self, pages: Sequence[str], spots: Iterable[Spot]) -> None:
        """Store the spots of whole pages, in each shard all of them or none; existing pages are replaced."""
        by_page: dict[str, list[Spot]] = {page: [] for page in pages}
        for spot in spots:
            if spot.page not in by_page:
                raise ValueError(f"{spot}; expected a place on one of {len(by_page)} pages")
            by_page[spot.page].append(spot)
        for name, part in self._parts(pages).items():
            if name not in self._files:
                file = f"{1 + len(self._files):04d}.sqlite"
                SqliteSpots(self.folder / file, self._origin).close()
                self._list({**self._files, name: file})
            with self.shard(name) as shard:
                shard.add(part, [spot for page in part for spot in by_page[page]])

    def spots(
        self,
        words: Iterable[str],
        *,
        min_probability: float = 0.0,
        limit: int | None = None,
        scope: SearchScope | None = None,
    ) -> Iterator[Spot]:
        """See ``SpotStore``."""
        order = {word: at for at, word in enumerate(dict.fromkeys(words))}
        each = list[list[Spot]]()
        for name, here in self._asked(scope):
            with self.shard(name) as shard:
                each.append(list(shard.spots(order, min_probability=min_probability, limit=limit, scope=here)))
        return islice(heapq.merge(*each, key=lambda spot: (-spot.probability, order[spot.word])), limit)

    def size(self, words: Iterable[str], max_count: int) -> int:
        """See ``SpotStore``."""
        asked, found = list(words), 0
        for name in self._files:
            if found < max_count:
                with self.shard(name) as shard:
                    found += shard.size(asked, max_count - found)
        return found

    def histogram(self, words: Iterable[str], *, scope: SearchScope | None = None) -> dict[float, int]:
        """See ``SpotStore``."""
        asked, counts = list(words), Counter[float]()
        for name, here in self._asked(scope):
            with self.shard(name) as shard:
                counts.update(shard.histogram(asked, scope=here))
        return dict(sorted(counts.items(), reverse=True))

    def by_page(
        self, words: Iterable[str], *, min_probability: float = 0.0, scope: SearchScope | None = None
    ) -> dict[str, int]:
        """See ``SpotStore``."""
        asked, found = list(words), dict[str, int]()
        for name, here in self._asked(scope):
            with self.shard(name) as shard:
                found.update(shard.by_page(asked, min_probability=min_probability, scope=here))
        return found

    def words(self, start: str, *, folded: bool) -> Iterator[tuple[str, str]]:
        """See ``SpotStore``."""
        each = list[list[tuple[str, str]]]()
        for name in self._files:
            with self.shard(name) as shard:
                each.append(list(shard.words(start, folded=folded)))
        last = None
        for pair in heapq.merge(*each, key=lambda pair: (pair[1], pair[0]) if folded else pair):
            if pair != last:
                yield pair
            last = pair

    def pages(self) -> list[str]:
        """Return the pages, by shard, and in each in the order of insertion."""
        found = list[str]()
        for name in self._files:
            with self.shard(name) as shard:
                found += shard.pages()
        return found

    def everything(self) -> Iterator[Spot]:
        """Iterate over all spots, by word, then as ``spots``."""
        for word, _ in self.words("", folded=False):
            yield from self.spots([word])

    def each(self) -> Iterator[SqliteSpots]:
        """Iterate over the shards, each open until the next is asked for."""
        for name in self._files:
            with self.shard(name) as shard:
                yield shard

    def compact(self) -> None:
        """See ``SpotStore``."""
        for shard in self.each():
            shard.compact()

    def close(self) -> None:
        """Close the files."""
        while self._open:
            self._open.popitem()[1].close()

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def shard(self, name: str) -> Iterator[SqliteSpots]:
        """Open a shard; an error in it carries its name."""
        path = self.folder / self._files[name]
        try:
            shard = self._open.pop(name, None) or SqliteSpots(path)
            self._open[name] = shard
            while len(self._open) > self._most_open:
                self._open.pop(next(iter(self._open))).close()
            check_origin(shard.origin, self._origin, where=str(path))
            yield shard
        except CapasError as error:
            if error.key not in ("spots_missing", "spots_unreadable", "spots_differ"):
                raise
            raise CapasError("shard_broken", where=path, received=error.part("what"), shard=name or "—") from error

    def _parts(self, pages: Iterable[str]) -> dict[str, list[str]]:
        """Which of the pages belong in each shard."""
        asked, parts = list(pages), dict[str, list[str]]()
        belongs = self._shards_of(asked)
        for page in asked:
            parts.setdefault(belongs[page], []).append(page)
        return parts

    def _asked(self, scope: SearchScope | None) -> list[tuple[str, SearchScope | None]]:
        """The shards where something of the scope lies, in order, each with its part of it."""
        if scope is None:
            return [(name, None) for name in self._files]
        if scope is not self._split[0]:
            self._split = (scope, self._split_up(scope))
        return [(name, self._split[1][name]) for name in self._files if name in self._split[1]]

    def _split_up(self, scope: SearchScope) -> dict[str, SearchScope]:
        if scope.lines is None:
            return {name: SearchScope(pages=frozenset(part)) for name, part in self._parts(scope.pages).items()}
        belongs = self._shards_of({page for page, _ in scope.lines})
        lines: dict[str, set[tuple[str, int]]] = {}
        for page, line in scope.lines:
            lines.setdefault(belongs[page], set()).add((page, line))
        return {name: SearchScope(lines=frozenset(part)) for name, part in lines.items()}

    def _list(self, files: dict[str, str]) -> None:
        """Write the list of the shards' files by name; known here is what is written."""
        write_json(self.folder / SHARD_LIST_FILE, {"origin": asdict(self._origin), "shards": files})
        self._files = files


def _listed(path: Path) -> tuple[IndexOrigin, dict[str, str]]:
    try:
        entries = TypeAdapter(dict[str, object]).validate_python(parse_json(read_regular(path)))
        origin = TypeAdapter(IndexOrigin).validate_python(entries["origin"])
        shards = TypeAdapter(dict[str, str]).validate_python(entries["shards"])
        if outside := [name for name in shards.values() if not _FILE_NAME.fullmatch(name)]:
            raise ValueError(f"a shard outside of the folder: {outside[0][:80]!r}")
        return origin, shards
    except (OSError, KeyError, TypeError, ValueError, ValidationError) as error:
        raise CapasError("spots_unreadable", where=path, received=str(error).splitlines()[0]) from error
