"""A keyword's probability against the sum over all paths."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import pytest

from capas.keyword_index import keyword_automaton as module
from capas.keyword_index.keyword_automaton import (
    build_keyword_automaton,
    expected_keyword_count,
    keyword_probability,
    normalise_posteriors,
)
from tests.keyword_index.lines import COMMA, DELIMITERS, SPACE, A, B, noise, occurrences, readings, written

KEYWORDS: list[list[set[int]]] = [
    [{A}],
    [{A}, {B}],
    [{A}, {A}],
    [{A, B}],
    [{A, B}, {A, B}],
    [{A, B}, {A}, {A, B}],
    [{A}, {SPACE}, {A}],
    [{A, B}, {SPACE, COMMA}, {A}],
    [{SPACE}, {SPACE, A}],
]


@pytest.fixture(params=["compiled", "numpy"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(module, "jit_compiled", lambda loop: None)
    else:
        pytest.importorskip("numba", reason="the extra archive is not installed")
    return str(request.param)


@pytest.mark.parametrize("letters", KEYWORDS)
@pytest.mark.parametrize("delimiters", [DELIMITERS, frozenset({SPACE})])
def test_it_is_the_sum_over_all_paths(letters: list[set[int]], delimiters: AbstractSet[int], way: str) -> None:
    word = build_keyword_automaton(letters, delimiters)
    for seed, frames in enumerate((1, 3, 5, 5)):
        line = noise(frames, 5, seed=seed)
        counted = [(p, occurrences(labels, letters, delimiters)) for labels, p in readings(line).items()]
        assert keyword_probability(line, word) == pytest.approx(sum(p for p, n in counted if n), abs=1e-12)
        assert expected_keyword_count(line, word) == pytest.approx(sum(p * n for p, n in counted), abs=1e-12)


def test_six_frames_with_two_occurrences(way: str) -> None:
    line = noise(6, 4, seed=7, sharp=0.5)
    word = build_keyword_automaton([{A}], {SPACE})
    counted = [(p, occurrences(labels, [{A}], {SPACE})) for labels, p in readings(line).items()]
    assert max(n for _, n in counted) == 3
    assert keyword_probability(line, word) == pytest.approx(sum(p for p, n in counted if n), abs=1e-12)
    assert expected_keyword_count(line, word) == pytest.approx(sum(p * n for p, n in counted), abs=1e-12)


def test_alternatives_that_touch_are_two_letters_and_not_one() -> None:
    """What adding their columns up would get wrong: «ab» without a blank between is no single letter."""
    line = np.array([[0.0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    assert keyword_probability(line, build_keyword_automaton([{A, B}], DELIMITERS)) == 0
    assert keyword_probability(line, build_keyword_automaton([{A, B}, {A, B}], DELIMITERS)) == 1


def test_long_lines_do_not_underflow(way: str) -> None:
    text = [5, 6, SPACE, 7, 8, 9, SPACE] * 200
    line = written([*text, 3, 4, 3], size=12, sure=9.0)
    assert len(line) > 5000
    assert keyword_probability(line, build_keyword_automaton([{3}, {4}, {3}], {SPACE})) > 0.5
    assert expected_keyword_count(line, build_keyword_automaton([{7}, {8}, {9}], {SPACE})) == pytest.approx(
        200, rel=0.5
    )


def test_labels_that_the_automaton_treats_alike_are_one_class() -> None:
    """Its size must not depend on how many delimiters there are."""
    letters = [{20}, {21, 22}]
    few, many = build_keyword_automaton(letters, {1}), build_keyword_automaton(letters, set(range(1, 11)))
    assert few.next_NC.shape == many.next_NC.shape and many.groups[0][:3] == (1, 2, 3)


def test_both_ways_agree_on_a_long_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="the extra archive is not installed")
    line, words = noise(180, 90, seed=3), [build_keyword_automaton(letters, DELIMITERS) for letters in KEYWORDS]
    fast = [f(line, word) for word in words for f in (keyword_probability, expected_keyword_count)]
    monkeypatch.setattr(module, "jit_compiled", lambda loop: None)
    slow = [f(line, word) for word in words for f in (keyword_probability, expected_keyword_count)]
    assert fast == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize("letters", [[], [set()], [{0}]])
def test_no_word_and_the_blank_are_refused(letters: Sequence[AbstractSet[int]]) -> None:
    with pytest.raises(ValueError, match="labels from 1"):
        build_keyword_automaton(letters, {SPACE})


@pytest.mark.parametrize("row", [[0.0, 0.0], [-0.5, 1.5], [np.nan, 1.0], [np.inf, 1.0]])
def test_what_is_no_posteriorgram_is_refused(row: list[float]) -> None:
    with pytest.raises(ValueError, match="posteriorgram"):
        normalise_posteriors(np.array([row]))


def test_rows_in_single_precision_are_made_to_sum_to_one() -> None:
    line = noise(50, 90, seed=0).astype(np.float32)
    assert normalise_posteriors(line).sum(axis=1) == pytest.approx(1, abs=1e-15)
