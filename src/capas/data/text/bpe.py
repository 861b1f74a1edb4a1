"""Byte-pair encoding: the most frequent pair of neighbouring symbols is merged into one symbol, over and over.

Sennrich, Haddow & Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016 (arXiv:1508.07909),
Algorithm 1. Counts are updated word type by word type instead of being recomputed, as in the authors' own faster
version. Where we deviate: among equally frequent pairs the alphabetically first is merged (the paper leaves it open),
so that the result does not depend on the order of the texts.
"""

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

Pair = tuple[str, str]


class PairCounts:
    """Counts of neighbouring symbol pairs in word types that occur ``frequencies`` times."""

    def __init__(self, words: Mapping[tuple[str, ...], int]) -> None:
        self.words = [list(word) for word in words]
        self.frequencies = list(words.values())
        self.counts: defaultdict[Pair, int] = defaultdict(int)
        self.places: defaultdict[Pair, set[int]] = defaultdict(set)
        for number in range(len(self.words)):
            self._count(number, 1)
        # Entries whose count has changed since are dropped when they surface.
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.heap)

    def most_common(self) -> tuple[Pair, int] | None:
        """Return the pair to merge next and its count; None where no two symbols are left side by side."""
        while self.heap:
            negative, pair = heapq.heappop(self.heap)
            if self.counts.get(pair, 0) == -negative:
                return pair, -negative
        return None

    def merge(self, pair: Pair) -> None:
        """Merge ``pair`` to one symbol in every word that has it."""
        touched: set[Pair] = set()
        for number in list(self.places[pair]):
            touched |= self._count(number, -1)
            self.words[number] = merge_pair(self.words[number], pair)
            touched |= self._count(number, 1)
        for other in touched:
            if count := self.counts[other]:
                heapq.heappush(self.heap, (-count, other))
            else:
                del self.counts[other], self.places[other]

    def _count(self, number: int, sign: int) -> set[Pair]:
        word, change = self.words[number], sign * self.frequencies[number]
        pairs = list(pairwise(word))
        for pair in pairs:
            self.counts[pair] += change
            if sign > 0:
                self.places[pair].add(number)
            else:
                self.places[pair].discard(number)
        return set(pairs)


def learn_merges(words: Mapping[tuple[str, ...], int], merges: int, *, min_count: int = 2) -> list[Pair]:
    """Return the first ``merges`` pairs, in order, fewer where none is left that occurs ``min_count`` times.

    ``words`` maps word types as symbols to their frequencies.

    >>> learn_merges({("l", "o", "w"): 5, ("n", "e", "w"): 3}, 2)
    [('l', 'o'), ('lo', 'w')]
    """
    counts, learnt = PairCounts(words), list[Pair]()
    while len(learnt) < merges:
        found = counts.most_common()
        if found is None or found[1] < min_count:
            break
        learnt.append(found[0])
        counts.merge(found[0])
    return learnt


def merge_pair(symbols: Sequence[str], pair: Pair) -> list[str]:
    """Return ``symbols`` with each ``pair`` merged, from the left.

    >>> merge_pair("aaab", ("a", "a"))
    ['aa', 'a', 'b']
    """
    result: list[str] = []
    i = 0
    while i < len(symbols):
        if i + 1 < len(symbols) and symbols[i] == pair[0] and symbols[i + 1] == pair[1]:
            result.append(pair[0] + pair[1])
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


def apply_merges(symbols: Sequence[str], ranks: Mapping[Pair, int]) -> list[str]:
    """Return the ``symbols`` of one word after all merges; ``ranks`` maps pairs to their order."""
    word = list(symbols)
    while len(word) > 1:
        best = min(pairwise(word), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        word = merge_pair(word, best)
    return word
