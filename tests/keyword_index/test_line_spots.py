"""The index of all words against every reading of tiny lines."""

from collections import defaultdict
from collections.abc import Set as AbstractSet

import numpy as np
import pytest

from capas.keyword_index import line_spots as module
from capas.keyword_index.keyword_automaton import build_keyword_automaton, expected_keyword_count
from capas.keyword_index.line_spots import line_spots, line_words
from tests.keyword_index.lines import COMMA, DELIMITERS, SPACE, Line, noise, readings, written


@pytest.fixture(params=["compiled", "numpy"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(module, "jit_compiled", lambda loop: None)
    else:
        pytest.importorskip("numba", reason="the extra archive is not installed")
    return str(request.param)


def by_definition(line: Line, delimiters: AbstractSet[int]) -> dict[tuple[int, ...], float]:
    """The expected count of every word, over all readings."""
    counts: dict[tuple[int, ...], float] = defaultdict(float)
    for labels, p in readings(line).items():
        word: list[int] = []
        for label in (*labels, min(delimiters)):
            if label not in delimiters:
                word.append(label)
            elif word:
                counts[tuple(word)] += p
                word = []
    return counts


def found(line: Line, delimiters: AbstractSet[int], least: float) -> dict[tuple[int, ...], float]:
    words = line_words(line, delimiters=delimiters, min_expected_count=least)
    return {
        labels: count
        for batch in words
        for labels, count in zip(batch.labels, batch.ends_Tn.sum(axis=0).tolist(), strict=True)
    }


@pytest.mark.parametrize("delimiters", [DELIMITERS, frozenset({SPACE}), frozenset({COMMA})])
@pytest.mark.parametrize("least", [1e-9, 0.01, 0.1])
def test_no_word_is_missing_and_none_is_false(delimiters: AbstractSet[int], least: float, way: str) -> None:
    for seed, frames in enumerate((1, 2, 5, 5)):
        line = noise(frames, 5, seed=seed, sharp=0.7)
        expected = {labels: count for labels, count in by_definition(line, delimiters).items() if count >= least}
        assert found(line, delimiters, least) == pytest.approx(expected, abs=1e-12)
        assert {
            spot.labels for spot in line_spots(line, delimiters=delimiters, min_expected_count=least)
        } == expected.keys()


def test_six_frames(way: str) -> None:
    line = noise(6, 4, seed=9, sharp=0.5)
    expected = {labels: count for labels, count in by_definition(line, {SPACE}).items() if count >= 0.001}
    assert found(line, {SPACE}, 0.001) == pytest.approx(expected, abs=1e-12)


def test_the_count_is_the_automatons_on_a_long_line(way: str) -> None:
    line = written([3, 4, 5, 1, 6, 6, 1, 7, 8, 2, 3, 4], size=30, sure=5.0)
    words = found(line, {1, 2}, 0.001)
    assert len(words) > 50
    for labels, count in words.items():
        assert count == pytest.approx(
            expected_keyword_count(line, build_keyword_automaton([{label} for label in labels], {1, 2})), abs=1e-12
        )


def test_both_ways_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="the extra archive is not installed")
    line = written([3, 4, 5, 1, 6, 6, 1, 7, 8, 2, 3, 4] * 3, size=90, sure=5.0)
    fast = found(line, {1, 2}, 1e-4)
    monkeypatch.setattr(module, "jit_compiled", lambda loop: None)
    assert fast == pytest.approx(found(line, {1, 2}, 1e-4), abs=1e-12) and len(fast) > 300


def test_many_prefixes_are_grown_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    line = written([3, 4, 5, 1, 6, 6], size=20, sure=2.0)
    whole = found(line, {1}, 1e-4)
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    assert found(line, {1}, 1e-4) == pytest.approx(whole, abs=1e-15)


def test_a_word_that_stands_twice_is_two_spots_where_it_stands() -> None:
    """Letters are written in frames 1, 5, 9, …; the delimiter behind a word ends it."""
    line = written([3, 4, 1, 5, 6, 7, 1, 3, 4], size=12, sure=9.0)
    spots = line_spots(line, delimiters={1}, min_expected_count=0.3)
    places = {(spot.labels, spot.start, spot.end) for spot in spots}
    assert places == {((3, 4), 1, 9), ((5, 6, 7), 13, 25), ((3, 4), 29, 36)}
    assert all(spot.probability > 0.9 for spot in spots)


def test_spots_are_ordered_and_no_more_than_the_expected_count() -> None:
    line = noise(40, 8, seed=5)
    spots = line_spots(line, delimiters={1}, min_expected_count=0.01)
    assert [spot.probability for spot in spots] == sorted((spot.probability for spot in spots), reverse=True)
    for labels, count in found(line, {1}, 0.01).items():
        mine = [spot for spot in spots if spot.labels == labels]
        assert mine and sum(spot.probability for spot in mine) <= count + 1e-12
        assert all(0 <= spot.start < spot.end <= 40 for spot in mine)
        assert sum(spot.probability < 0.01 for spot in mine) <= 1


def test_nothing_but_delimiters_holds_no_word() -> None:
    line = np.zeros((6, 4))
    line[:, SPACE] = 1
    assert line_spots(line, delimiters={SPACE}, min_expected_count=1e-6) == []
    assert line_spots(np.zeros((0, 4)), delimiters={SPACE}, min_expected_count=0.1) == []


@pytest.mark.parametrize(("delimiters", "least"), [({1}, 0.0), (set(), 0.1), ({0, 1}, 0.1)])
def test_what_would_not_end_is_refused(delimiters: set[int], least: float) -> None:
    with pytest.raises(ValueError, match="expected a number above 0"):
        line_spots(noise(3, 4, seed=0), delimiters=delimiters, min_expected_count=least)
