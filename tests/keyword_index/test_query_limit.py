"""A search ends when its time is over or nobody waits for it; a query is bounded before it is asked."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.keyword_index import query_limit
from capas.keyword_index.hits import search_spots
from capas.keyword_index.query import MAX_WORDS, Or, Term, parse_query
from capas.keyword_index.query_limit import QueryLimit, check_query_limit, checked, exceeds_query_limit, limited
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.keyword_index.store import IndexOrigin, Spot


def test_without_a_limit_nothing_ends() -> None:
    assert not exceeds_query_limit() and list(checked(range(1000))) == list(range(1000))


def test_a_limit_holds_within_its_context_and_until_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(query_limit.time, "monotonic", lambda: now[0])
    with limited(QueryLimit(seconds=10)):
        now[0] = 109.0
        check_query_limit()
        now[0] = 111.0
        with pytest.raises(CapasError) as caught:
            check_query_limit()
    assert caught.value.key == "query_too_slow" and "10 s" in caught.value.part("what")
    check_query_limit()


def test_a_cancelled_walk_ends_soon() -> None:
    limit, seen = QueryLimit(seconds=1000), list[int]()
    with limited(limit), pytest.raises(CapasError):
        for number in checked(range(10_000)):
            seen.append(number)
            if number == 5:
                limit.cancel()
    assert len(seen) == query_limit.CHECK_EVERY


@pytest.mark.parametrize("query", ["*a*", "casa~1", '"la casa"', "la casa", "la OR casa"])
def test_every_kind_of_search_ends_when_nobody_waits(tmp_path: Path, query: str) -> None:
    store = SqliteSpots(tmp_path / "spots.sqlite", IndexOrigin(least=0.01, temperature=1.0, model="m"))
    store.add(["1"], [Spot(word=word, probability=0.5, page="1", line=0, start=at, end=at + 1)
                      for at, word in enumerate(("la", "casa"))])  # fmt: skip
    assert search_spots(store, parse_query(query)).count == 1
    limit = QueryLimit(seconds=1000)
    limit.cancel()
    with limited(limit), pytest.raises(CapasError) as caught:
        search_spots(store, parse_query(query))
    assert caught.value.key == "query_too_slow"
    store.close()


def test_the_database_itself_is_interrupted(tmp_path: Path) -> None:
    store = SqliteSpots(tmp_path / "spots.sqlite", IndexOrigin(least=0.01, temperature=1.0, model="m"))
    limit = QueryLimit(seconds=1000)
    limit.cancel()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with limited(limit), pytest.raises(CapasError) as caught:
        list(store._rows(endless))
    assert caught.value.key == "query_too_slow"
    store.close()


@pytest.mark.parametrize(
    "query",
    ["casa~" + "1" * 5000, "casa~10", "a~1", "ab~2", "de " * (MAX_WORDS + 1), '"' + "de " * (MAX_WORDS + 1) + '"'],
)
def test_what_would_cost_too_much_is_refused_unasked(query: str) -> None:
    with pytest.raises(CapasError) as caught:
        parse_query(query)
    assert caught.value.key == "query_wrong"


def test_what_is_asked_twice_is_asked_once() -> None:
    assert parse_query(" OR ".join(["*a*"] * 60)) == Term(text="*a*")
    assert parse_query("a OR b OR a") == Or(parts=(Term(text="a"), Term(text="b")))
