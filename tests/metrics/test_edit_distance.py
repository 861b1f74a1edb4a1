"""Error rates against jiwer, and the distance against its definition."""

import json
from functools import cache

import pytest

from capas.metrics.edit_distance import Edits, character_error_rate, count_edits, error_rate, word_error_rate
from tests.harness import FIXTURES

RECORDED = json.loads((FIXTURES / "sequences" / "jiwer.json").read_text())
LINES = [(reference, reading) for reference, reading in RECORDED["lines"]]


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_counts_and_rates_are_jiwers(unit: str) -> None:
    measure = character_error_rate if unit == "characters" else word_error_rate
    for (reference, reading), counts, rate in zip(
        LINES, *(RECORDED[unit][k] for k in ("counts", "rates")), strict=True
    ):
        found = measure([reference], [reading])
        one = found.edits
        ours = [one.hits, one.substitutions, one.deletions, one.insertions]
        assert ours == counts and found.value == pytest.approx(rate), (reference, reading)
    whole = measure([a for a, _ in LINES], [b for _, b in LINES])
    assert whole.value == pytest.approx(RECORDED[unit]["rate"]) and whole.lines == len(LINES)
    assert whole.interval[0] < whole.value < whole.interval[1]


def distance(a: str, b: str) -> int:
    """Levenshtein's definition."""

    @cache
    def rest(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(rest(i - 1, j) + 1, rest(i, j - 1) + 1, rest(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return rest(len(a), len(b))


def test_the_distance_is_the_definitions_and_the_parts_add_up() -> None:
    for a, b in LINES:
        found = count_edits(a, b)
        assert found.distance == distance(a, b)
        assert found.length == len(a) and found.hits + found.substitutions + found.insertions == len(b)
        assert count_edits(b, a).distance == found.distance


def test_composed_and_decomposed_accents_differ() -> None:
    assert character_error_rate(["canci\u00f3n"], ["cancio\u0301n"]).edits.distance == 2


def test_identical_lines_leave_no_doubt_and_nothing_divides_by_nothing() -> None:
    assert character_error_rate(["uno", ""] * 3, ["uno", ""] * 3).as_json() == {
        "value": 0.0, "n": 9, "interval": [0.0, 0.0], "lines": 6, "substitutions": 0, "deletions": 0, "insertions": 0,
    }  # fmt: skip
    assert "interval" not in character_error_rate(["uno"], ["una"]).as_json()
    assert word_error_rate([""], ["uno dos"]).value == 2.0


def test_any_items_can_be_compared() -> None:
    found = error_rate([(1, 2, 3)], [(1, 3)])
    assert found.edits == Edits(hits=2, substitutions=0, deletions=1, insertions=0)


def test_the_interval_resamples_whole_lines_and_follows_its_seed() -> None:
    """100 lines of 10, a fifth all wrong: the rate's spread is that of 100 draws, not of 1,000."""
    references, readings = ["a" * 10] * 100, ["b" * 10] * 20 + ["a" * 10] * 80
    found = character_error_rate(references, readings, seed=3)
    half = 1.96 * (0.2 * 0.8 / 100) ** 0.5
    assert found.interval == pytest.approx((0.2 - half, 0.2 + half), abs=0.02)
    assert character_error_rate(references, readings, seed=3) == found
    assert character_error_rate(references, readings, seed=4).interval != found.interval


def test_lines_that_do_not_match_are_refused() -> None:
    for references, readings in (([], []), (["a"], []), (["a"], ["a", "b"])):
        with pytest.raises(ValueError, match="references"):
            character_error_rate(references, readings)
