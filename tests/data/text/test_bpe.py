"""Byte-pair encoding against the paper's worked example and its own short program."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from capas.data.text.bpe import Pair, apply_merges, learn_merges, merge_pair

# Sennrich et al. 2016, Algorithm 1; the mark of a word's end is one symbol.
PAPER = {
    ("l", "o", "w", "</w>"): 5,
    ("l", "o", "w", "e", "r", "</w>"): 2,
    ("n", "e", "w", "e", "s", "t", "</w>"): 6,
    ("w", "i", "d", "e", "s", "t", "</w>"): 3,
}


def test_the_papers_example_is_learnt_in_its_order() -> None:
    learnt = learn_merges(PAPER, 10)
    assert learnt[:5] == [("e", "s"), ("es", "t"), ("est", "</w>"), ("l", "o"), ("lo", "w")]
    ranks = {pair: rank for rank, pair in enumerate(learnt)}
    assert [apply_merges(word, ranks) for word in PAPER][::2] == [["low</w>"], ["newest</w>"]]
    # The paper's point: a word never seen is made of known parts.
    assert apply_merges(("l", "o", "w", "e", "s", "t", "</w>"), ranks) == ["low", "est</w>"]


def slow(words: dict[tuple[str, ...], int], merges: int) -> list[Pair]:
    """Algorithm 1 as printed: all counts anew each time."""
    learnt: list[Pair] = []
    for _ in range(merges):
        counts: Counter[Pair] = Counter()
        for word, frequency in words.items():
            for pair in pairwise(word):
                counts[pair] += frequency
        if not counts or max(counts.values()) < 2:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        learnt.append(best)
        shorter: Counter[tuple[str, ...]] = Counter()
        for word, frequency in words.items():
            shorter[tuple(merge_pair(word, best))] += frequency
        words = dict(shorter)
    return learnt


@pytest.mark.parametrize("seed", range(5))
def test_kept_counts_learn_what_fresh_counts_learn(seed: int) -> None:
    """On three letters, where aaa and abab overlap with themselves all the time."""
    rng = random.Random(seed)
    words = {tuple(rng.choices("abc", k=rng.randint(1, 9))): rng.randint(1, 5) for _ in range(60)}
    assert learn_merges(words, 40) == slow(words, 40)


def test_the_order_of_the_words_does_not_matter() -> None:
    backwards = dict(reversed(PAPER.items()))
    assert learn_merges(backwards, 20) == learn_merges(PAPER, 20)


def test_merging_in_turn_gives_the_words_as_learnt() -> None:
    rng = random.Random(1)
    words = {tuple(rng.choices("abc", k=rng.randint(1, 9))): rng.randint(1, 5) for _ in range(60)}
    learnt = learn_merges(words, 30)
    for word in words:
        expected: list[str] = list(word)
        for pair in learnt:
            expected = merge_pair(expected, pair)
        assert apply_merges(word, {pair: rank for rank, pair in enumerate(learnt)}) == expected


def test_pairs_seen_too_seldom_are_not_merged() -> None:
    assert learn_merges({("a", "b"): 1, ("c", "d"): 3}, 10) == [("c", "d")]
    assert learn_merges({("a", "b"): 1}, 10, min_count=1) == [("a", "b")]
    assert learn_merges({("a",): 9}, 10) == []
