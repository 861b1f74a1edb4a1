"""Divided words against every reading of two tiny lines."""

from collections import defaultdict

import pytest

from capas.keyword_index.hyphenation import hyphenated_spots
from tests.keyword_index.lines import SPACE, A, Line, noise, readings, written

HYPHEN, OTHER_HYPHEN = 2, 4


def by_definition(line: Line, following: Line, hyphens: set[int], delimiters: set[int]) -> dict[tuple[int, ...], float]:
    tails: dict[tuple[int, ...], float] = defaultdict(float)
    heads: dict[tuple[int, ...], float] = defaultdict(float)
    stops = hyphens | delimiters
    for labels, p in readings(line).items():
        if labels and labels[-1] in hyphens:
            starts = [at + 1 for at, label in enumerate(labels[:-1]) if label in stops]
            begin = max(starts, default=0)
            if begin < len(labels) - 1 and (begin == 0 or labels[begin - 1] in delimiters - hyphens):
                tails[labels[begin:-1]] += p
    for labels, p in readings(following).items():
        end = min([at for at, label in enumerate(labels) if label in stops], default=len(labels))
        if end:
            heads[labels[:end]] += p
    joined: dict[tuple[int, ...], float] = defaultdict(float)
    for tail, p in tails.items():
        for head, q in heads.items():
            joined[tail + head] += p * q
    return joined


@pytest.mark.parametrize("hyphens", [{HYPHEN}, {HYPHEN, OTHER_HYPHEN}])
@pytest.mark.parametrize("delimiters", [{SPACE}, {SPACE, HYPHEN}])
def test_they_are_the_sum_over_all_paths_of_both_lines(hyphens: set[int], delimiters: set[int]) -> None:
    for seed in range(3):
        line, following = noise(4, 5, seed=seed, sharp=0.7), noise(4, 5, seed=seed + 50, sharp=0.7)
        spots = hyphenated_spots(line, following, hyphens=hyphens, delimiters=delimiters, min_probability=1e-60)
        found = {spot.labels: spot.probability for spot in spots}
        expected = by_definition(line, following, hyphens, delimiters)
        assert len(expected) > 2 and found == pytest.approx(expected, abs=1e-11)


def test_a_divided_word_is_found_where_it_begins_and_an_undivided_one_is_not() -> None:
    line = written([5, 6, SPACE, 7, 8, HYPHEN], size=12, sure=9.0)
    following = written([9, A, SPACE, 5], size=12, sure=9.0)
    (spot, *_) = hyphenated_spots(line, following, hyphens={HYPHEN}, delimiters={SPACE}, min_probability=0.2)
    assert spot.labels == (7, 8, 9, A) and spot.probability > 0.9
    assert (spot.start, spot.end) == (13, len(line))
    whole = written([5, 6, SPACE, 7, 8], size=12, sure=9.0)
    assert hyphenated_spots(whole, following, hyphens={HYPHEN}, delimiters={SPACE}, min_probability=0.2) == []
