"""Spots come back as they were kept, from SQLite and from PostgreSQL, whatever happens meanwhile."""

import multiprocessing
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.keyword_index.postgres_store import PostgresSpots
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.keyword_index.store import (
    IndexOrigin,
    SearchScope,
    Spot,
    SpotStore,
    byte_to_probability,
    merge_stores,
    probability_to_byte,
)
from tests.keyword_index.servers import server, why_no_server

ORIGIN = IndexOrigin(least=0.01, temperature=1.25, model="ab12")
Open = Callable[[IndexOrigin | None], SpotStore]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    if why := why_no_server():
        pytest.skip(why)
    with server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """How to open the same store, empty at first; PostgreSQL has one per schema."""
    if request.param == "sqlite":
        return lambda origin: SqliteSpots(tmp_path / "spots.sqlite", origin)
    import psycopg

    address = str(request.getfixturevalue("postgres"))
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return lambda origin: PostgresSpots(address, origin)


@pytest.fixture
def store(opened: Open) -> Iterator[SpotStore]:
    with opened(ORIGIN) as made:
        yield made


def spot(word: str = "casa", probability: float = 0.5, page: str = "1r", line: int = 0, start: int = 10) -> Spot:
    return Spot(word=word, probability=probability, page=page, line=line, start=start, end=start + 30)


def many(page: str, seed: int, count: int = 200) -> list[Spot]:
    chance = np.random.default_rng(seed)
    words = ["de", "casa", "Dios", "cabeza", "caveça", "año", "niño", "rrey"]
    return [
        spot(words[w], p, page, line, start)
        for w, p, line, start in zip(
            chance.integers(0, 8, count).tolist(), chance.beta(0.3, 1, count).tolist(),
            chance.integers(0, 30, count).tolist(), range(count), strict=True,
        )
    ]  # fmt: skip


def kept(one: Spot) -> Spot:
    return replace(one, probability=byte_to_probability(probability_to_byte(one.probability)))


def rows(store: SpotStore) -> list[Spot]:
    return sorted(store.everything(), key=repr)


def same(spots: list[Spot]) -> list[Spot]:
    return sorted(map(kept, spots), key=repr)


def test_a_byte_keeps_both_ends_of_probability() -> None:
    assert [probability_to_byte(byte_to_probability(byte)) for byte in range(1, 256)] == list(range(1, 256))
    assert all(a < b for a, b in pairwise(map(byte_to_probability, range(1, 256))))
    for p in np.concatenate([np.geomspace(1e-4, 0.5, 500), 1 - np.geomspace(1e-4, 0.5, 500)]).tolist():
        q = byte_to_probability(probability_to_byte(p))
        assert abs(q - p) / p < 0.0371 and abs(q - p) / (1 - p) < 0.0371
    assert (probability_to_byte(0), probability_to_byte(1e-9), probability_to_byte(0.5), probability_to_byte(1)) == (
        1,
        1,
        128,
        255,
    )
    with pytest.raises(ValueError, match=r"0\.\.1"):
        probability_to_byte(1.01)


def test_what_was_added_comes_back_ordered(store: SpotStore) -> None:
    given = many("1r", 0) + many("1v", 1)
    store.add(["1r", "1v", "2r"], given)
    assert rows(store) == same(given) and store.pages() == ["1r", "1v", "2r"]
    found = list(store.spots(["casa", "Dios", "casa", "absent"]))
    expected = [kept(one) for one in given if one.word in ("casa", "Dios")]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert all(a.probability >= b.probability for a, b in pairwise(found))


def test_the_best_and_those_above_a_threshold(store: SpotStore) -> None:
    store.add(["1r"], many("1r", 0))
    everything = list(store.spots(["casa", "de"]))
    assert list(store.spots(["casa", "de"], limit=7)) == everything[:7]
    sure = list(store.spots(["casa", "de"], min_probability=0.6))
    assert 0 < len(sure) < len(everything) and sure == [one for one in everything if one.probability >= 0.6]
    counts = store.histogram(["casa", "de"])
    assert sum(counts.values()) == len(everything) and list(counts) == sorted(counts, reverse=True)
    assert sum(p * n for p, n in counts.items()) == pytest.approx(sum(one.probability for one in everything))


SCOPES = (
    SearchScope(pages=frozenset({"1v", "absent"})),
    SearchScope(lines=frozenset({("1r", 3), ("1v", 7), ("1v", 8)})),
    SearchScope(pages=frozenset()),
    SearchScope(lines=frozenset()),
)


@pytest.mark.parametrize("scope", SCOPES)
def test_what_stands_on_some_pages_or_lines(store: SpotStore, scope: SearchScope) -> None:
    """Where few pages are meant and spots are many they are looked up, else all are read: "de" and "rrey"."""
    store.add(
        ["1r", "1v"],
        [*many("1r", 0), *many("1v", 1), *(spot("de", 0.3 + i / 10**4, "1v", i % 30, i) for i in range(900))],
    )
    everything = list(store.spots(["de", "rrey"]))
    wanted = [
        one for one in everything
        if (one.page in scope.pages if scope.lines is None else (one.page, one.line) in scope.lines)
    ]  # fmt: skip
    assert list(store.spots(["de", "rrey"], scope=scope)) == wanted
    assert (
        list(store.spots(["de", "rrey"], min_probability=0.35, limit=5, scope=scope))
        == [one for one in wanted if one.probability >= 0.35][:5]
    )
    assert store.histogram(["de", "rrey"], scope=scope) == Counter(one.probability for one in wanted)
    found = store.by_page(["de", "rrey"], min_probability=0.35, scope=scope)
    assert found == Counter(one.page for one in wanted if one.probability >= 0.35)
    assert store.size(["de", "rrey"], 10**6) == len(everything) and store.size(["de", "rrey"], 50) == 50


def test_what_was_counted_stays_right_when_pages_come_and_are_replaced(store: SpotStore) -> None:
    store.add(["1r", "1v"], [*many("1r", 0, 6000), *many("1v", 1, 6000)])
    for change in (store.compact, lambda: store.add(["2r"], many("2r", 2, 3000)),
                   lambda: store.add(["1v"], many("1v", 3, 100)), store.compact):  # fmt: skip
        change()
        counts = store.histogram(["de", "casa"])
        assert counts == Counter(one.probability for one in store.spots(["de", "casa"]))


def test_an_index_with_former_folds_is_made_anew_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "spots.sqlite"
    with SqliteSpots(path, ORIGIN) as store:
        store.add(["1r"], [spot("çiudad")])
    with closing(sqlite3.connect(path)) as connection, connection:  # as the first version wrote it
        connection.execute("UPDATE words SET folded = 'old'")
        connection.execute("UPDATE meta SET value = '1' WHERE name = 'version'")
        connection.execute("DELETE FROM meta WHERE name = 'folds'")
        connection.execute("DROP TABLE counts")
        connection.execute("DROP TABLE gone")
    with SqliteSpots(path) as store:
        assert list(store.words("siu", folded=True)) == [("çiudad", "siudad")]
        store.compact()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    with pytest.raises(CapasError) as error:
        SqliteSpots(path)
    assert error.value.key == "spots_unreadable" and "99" in str(error.value)


def test_a_page_that_is_added_again_replaces_its_former_self(store: SpotStore) -> None:
    first, second = many("1r", 0), many("1v", 1)
    store.add(["1r", "1v"], first + second)
    store.add(["1r", "1v"], first + second)
    assert rows(store) == same(first + second)
    store.add(["1r"], [spot("nuevo", page="1r")])
    assert rows(store) == same([spot("nuevo", page="1r"), *second])
    assert sum(store.histogram(["casa"]).values()) == sum(one.word == "casa" for one in second)
    store.compact()
    assert rows(store) == same([spot("nuevo", page="1r"), *second]) and sorted(store.pages()) == ["1r", "1v"]
    store.add(["1v"], [])
    assert rows(store) == same([spot("nuevo", page="1r")])


def test_a_batch_is_kept_whole_or_not_at_all(store: SpotStore) -> None:
    store.add(["1r"], many("1r", 0))
    before = rows(store)
    with pytest.raises(ValueError, match="pages"):
        store.add(["1r", "2r"], [spot(page="2r"), spot(page="elsewhere")])
    assert rows(store) == before and store.pages() == ["1r"]


def test_words_are_listed_by_their_start_as_written_or_folded(store: SpotStore) -> None:
    store.add(["1r"], [spot(word) for word in ("cabeza", "Caveça", "cama", "ñandú", "zurdo", "Zorro")])
    assert [word for word, _ in store.words("ca", folded=False)] == ["cabeza", "cama"]
    assert {word for word, _ in store.words("cau", folded=True)} == {"cabeza", "Caveça"}
    assert [word for word, _ in store.words("ñ", folded=False)] == ["ñandú"]
    assert {form for _, form in store.words("s", folded=True)} == {"surdo", "sorro"}
    assert len(list(store.words("", folded=False))) == 6


def test_it_is_still_there_when_opened_again_and_knows_how_it_was_made(opened: Open) -> None:
    with opened(ORIGIN) as store:
        store.add(["1r"], many("1r", 0))
    with opened(None) as store:
        assert store.origin == ORIGIN and rows(store) == same(many("1r", 0))


def test_spots_of_another_origin_are_refused(opened: Open) -> None:
    opened(ORIGIN).close()
    for other in (replace(ORIGIN, least=0.1), replace(ORIGIN, temperature=1.0), replace(ORIGIN, model="cd")):
        with pytest.raises(CapasError) as error:
            opened(other)
        assert error.value.key == "spots_differ" and str(other.model) in str(error.value) + ORIGIN.model


def test_no_store_is_told(opened: Open) -> None:
    with pytest.raises(CapasError) as error:
        opened(None)
    assert error.value.key == "spots_missing"


def test_merged_shards_are_the_single_index(opened: Open, tmp_path: Path) -> None:
    batches = {f"{n}r": many(f"{n}r", n) for n in range(6)}
    with SqliteSpots(tmp_path / "single.sqlite", ORIGIN) as single, opened(ORIGIN) as merged:
        shards = [SqliteSpots(tmp_path / f"shard{n}.sqlite", ORIGIN) for n in range(3)]
        for n, (page, spots) in enumerate(batches.items()):
            single.add([page], spots)
            shards[n % 3].add([page], spots)
        shards[0].add(["0r"], batches["0r"])
        merge_stores(merged, shards)
        merge_stores(merged, shards[1:])
        assert rows(merged) == rows(single) and sorted(merged.pages()) == sorted(single.pages())
        assert merged.histogram(["casa"]) == single.histogram(["casa"])
        other = SqliteSpots(tmp_path / "other.sqlite", replace(ORIGIN, model="cd34"))
        with pytest.raises(CapasError) as error:
            merge_stores(merged, [other])
        assert error.value.key == "spots_differ" and "cd34" in str(error.value)


def _write(opened: tuple[str, str], first: int) -> None:
    kind, where = opened
    store: SpotStore = SqliteSpots(Path(where), ORIGIN) if kind == "sqlite" else PostgresSpots(where, ORIGIN)
    with store:
        for n in range(first, first + 10):
            store.add([f"{n}", "shared"], [*many(f"{n}", n, 50), spot("shared", page="shared", start=n)])


def test_two_writers_at_once_lose_nothing(store: SpotStore, request: pytest.FixtureRequest) -> None:
    where = (
        ("sqlite", str(store.path)) if isinstance(store, SqliteSpots) else ("pg", request.getfixturevalue("postgres"))
    )
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(where, first)) for first in (0, 10)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    expected = [one for n in range(20) for one in many(f"{n}", n, 50)]
    shared = [one for one in store.everything() if one.page == "shared"]
    assert [one for one in rows(store) if one.page != "shared"] == same(expected) and len(shared) == 1


def _write_and_die(path: Path) -> None:
    store = SqliteSpots(path, ORIGIN)

    def spots() -> Iterator[Spot]:
        yield from many("2r", 2)
        os.kill(os.getpid(), signal.SIGKILL)

    store.add(["1r", "2r"], spots())


def test_a_kill_in_the_middle_leaves_the_former_pages(tmp_path: Path) -> None:
    with SqliteSpots(tmp_path / "spots.sqlite", ORIGIN) as store:
        store.add(["1r"], many("1r", 0))
        victim = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(store.path,))
        victim.start()
        victim.join(60)
        assert victim.exitcode == -signal.SIGKILL
        assert rows(store) == same(many("1r", 0)) and store.pages() == ["1r"]


def test_a_spot_takes_at_most_24_bytes(tmp_path: Path) -> None:
    with SqliteSpots(tmp_path / "spots.sqlite", ORIGIN) as store:
        for page in range(50):
            store.add([f"{page}"], many(f"{page}", page, 1000))
        store.compact()
        path = store.path
    assert path.stat().st_size / 50_000 < 24


def test_compacting_gives_back_the_room_of_replaced_pages(tmp_path: Path) -> None:
    sizes = []
    with SqliteSpots(tmp_path / "spots.sqlite", ORIGIN) as store:
        for times in (1, 5):
            for _ in range(times):
                store.add(["1r"], many("1r", 0, 5000))
            store.compact()
            sizes.append(store._connection.execute("PRAGMA page_count").fetchone()[0])
    assert sizes[1] < 1.2 * sizes[0]


@pytest.mark.parametrize("content", [b"", b"no database" * 100, b"SQLite format 3\x00" + bytes(4096)])
def test_a_file_that_is_something_else_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "spots.sqlite"
    path.write_bytes(content)
    with pytest.raises(CapasError) as error:
        SqliteSpots(path)
    # An empty file is what is left of an index that was only begun.
    assert error.value.key == ("spots_unreadable" if content else "spots_missing") and path.read_bytes() == content


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(CapasError) as error:
        SqliteSpots(path, ORIGIN)
    assert error.value.key == "spots_unreadable" and path.read_bytes() == before


def test_a_damaged_page_is_told(tmp_path: Path) -> None:
    path = tmp_path / "spots.sqlite"
    with SqliteSpots(path, ORIGIN) as store:
        for page in range(20):
            store.add([f"{page}"], many(f"{page}", page, 1000))
        store.compact()
    content = bytearray(path.read_bytes())
    content[20000:-8192] = bytes([0x5A]) * (len(content) - 28192)
    path.write_bytes(content)
    with pytest.raises(CapasError) as error, SqliteSpots(path) as store:
        list(store.everything())
    assert error.value.key == "spots_unreadable" and "spots.sqlite" in str(error.value)


def test_a_server_that_is_not_there_is_told() -> None:
    pytest.importorskip("psycopg", reason="the extra archive is not installed")
    with pytest.raises(CapasError) as error:
        PostgresSpots("postgresql:///nothing?host=/nowhere", ORIGIN)
    assert error.value.key == "spots_server"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(CapasError) as error:
        PostgresSpots("postgresql:///x")
    assert error.value.key == "extra_missing" and "capas[archive]" in str(error.value)
