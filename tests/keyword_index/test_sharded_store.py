"""Many shards answer as the one index would into which they can be merged."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.keyword_index.hits import search_spots
from capas.keyword_index.query import parse_query
from capas.keyword_index.sharded_store import ShardedSpots
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.keyword_index.store import IndexOrigin, SearchScope, merge_stores
from tests.keyword_index.test_hits import QUERIES, drawn

ORIGIN = IndexOrigin(least=0.01, temperature=1.0, model="m")
PAGES = [str(page) for page in range(12)]


def shards_of(pages: Iterable[str]) -> Mapping[str, str]:
    return {page: f"fonds {int(page) % 4}" for page in pages}


@pytest.fixture
def sharded(tmp_path: Path) -> Iterator[ShardedSpots]:
    """Four shards of which two may be open."""
    spots = drawn(12, 4)
    with ShardedSpots(tmp_path / "spots", shards_of, ORIGIN, max_open=2) as store:
        for start in range(0, 12, 5):
            part = PAGES[start : start + 5]
            store.add(part, [one for one in spots if one.page in part])
        yield store


@pytest.fixture
def single(sharded: ShardedSpots, tmp_path: Path) -> Iterator[SqliteSpots]:
    with SqliteSpots(tmp_path / "single.sqlite", ORIGIN) as store:
        merge_stores(store, sharded.each())
        yield store


def test_shards_answer_as_the_single_index(sharded: ShardedSpots, single: SqliteSpots) -> None:
    words = ["rey", "de", "casa", "la"]
    for _ in range(2):  # before and after what is frequent was counted
        assert sharded.pages() == single.pages() and list(sharded.everything()) == list(single.everything())
        for scope in (
            None,
            SearchScope(pages=frozenset("1357")),
            SearchScope(lines=frozenset({("1", 0), ("2", 3), ("6", 5)})),
        ):
            assert list(sharded.spots(words, scope=scope)) == list(single.spots(words, scope=scope))
            top = list(single.spots(words, min_probability=0.3, limit=9, scope=scope))
            assert list(sharded.spots(words, min_probability=0.3, limit=9, scope=scope)) == top
            assert sharded.histogram(words, scope=scope) == single.histogram(words, scope=scope)
            assert sharded.by_page(words, min_probability=0.3, scope=scope) == single.by_page(
                words, min_probability=0.3, scope=scope
            )
        for most in (0, 7, 10**6):
            assert sharded.size(words, most) == single.size(words, most)
        for start in ("", "r", "ca"):
            for folded in (True, False):
                assert list(sharded.words(start, folded=folded)) == list(single.words(start, folded=folded))
        sharded.compact()
        single.compact()


def test_searching_shards_is_searching_the_single_index(sharded: ShardedSpots, single: SqliteSpots) -> None:
    for text in QUERIES:
        for most in (20, 10_000):
            for pages in (None, frozenset({"1", "5", "9"})):
                one, other = (
                    search_spots(store, parse_query(text), min_probability=0.2, limit=7, pages=pages, max_spots=most)
                    for store in (sharded, single)
                )
                assert one == other, text


def test_few_files_are_open_and_a_unit_asks_its_shard_only(sharded: ShardedSpots) -> None:
    list(sharded.spots(["de"]))
    assert len(sharded._open) == 2
    sharded.close()
    list(sharded.spots(["de"], scope=SearchScope(pages=frozenset({"1", "5"}))))
    assert list(sharded._open) == ["fonds 1"]


@pytest.mark.parametrize("content", [None, b"no database" * 1000])
def test_a_missing_or_broken_shard_is_named(sharded: ShardedSpots, content: bytes | None) -> None:
    sharded.close()
    path = sharded.folder / "0003.sqlite"
    path.unlink()
    for beside in sharded.folder.glob("0003.sqlite-*"):
        beside.unlink()
    if content is not None:
        path.write_bytes(content)
    list(sharded.spots(["de"], scope=SearchScope(pages=frozenset({"0"}))))
    with pytest.raises(CapasError) as error:
        list(sharded.spots(["de"]))
    assert error.value.key == "shard_broken" and "fonds 2" in str(error.value) and "0003.sqlite" in str(error.value)


def test_it_is_opened_again_and_another_origin_is_refused(sharded: ShardedSpots) -> None:
    with ShardedSpots(sharded.folder, shards_of) as again:
        assert again.origin == ORIGIN and again.shards == sharded.shards == [f"fonds {n}" for n in range(4)]
    with pytest.raises(CapasError) as error:
        ShardedSpots(sharded.folder, shards_of, replace(ORIGIN, model="other"))
    assert error.value.key == "spots_differ"
    with pytest.raises(CapasError) as error:
        ShardedSpots(sharded.folder / "nowhere", shards_of)
    assert error.value.key == "spots_missing"
