"""Words hyphenated at the end of a line: «cami-» and «no» are «camino».

The lines are independent, given the image, so a joined word has the probability that the one line ends with its
beginning and a hyphen, times that the next begins with its end, summed over the positions where it may be divided. Both
factors come from the trie of ``line_spots``: what may begin or end a word is all that differs. Neither factor is less
than their product, so that those below ``min_probability`` need not be kept: every division with that probability is
found.

Where no hyphen is written, as is common before print, nothing tells a divided word from two; then none is joined.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import numpy as np
from jaxtyping import Float

from capas.keyword_index.keyword_automaton import BLANK
from capas.keyword_index.line_spots import LineSpot, WordOccurrences, letter_trie, normalise_and_check


def hyphenated_spots(
    line_TK: Float[np.ndarray, "T K"],
    next_TK: Float[np.ndarray, "T2 K"],
    *,
    hyphens: AbstractSet[int],
    delimiters: AbstractSet[int],
    min_probability: float,
) -> list[LineSpot]:
    """Return words divided between a line and the next, of at least ``min_probability``, the most probable first.

    Their position is that in the first line, to its end. ``hyphens`` are labels; a delimiter may be one.
    """
    heads = [part for words in _heads(next_TK, hyphens | delimiters, min_probability) for part in _parts(words)]
    found: dict[tuple[int, ...], tuple[float, int]] = {}
    for words in _tails(line_TK, hyphens, delimiters, min_probability):
        for tail, share, start in _parts(words):
            for head, likely, _ in heads:
                if (p := share * likely) >= min_probability:
                    before, place = found.get(tail + head, (0.0, start))
                    found[tail + head] = before + p, min(start, place)
    spots = (
        LineSpot(labels=labels, probability=min(1.0, p), start=start, end=len(line_TK))
        for labels, (p, start) in found.items()
    )
    return sorted(spots, key=lambda spot: (-spot.probability, spot.start, spot.labels))


def _tails(
    line_TK: Float[np.ndarray, "T K"], hyphens: AbstractSet[int], delimiters: AbstractSet[int], min_probability: float
) -> Iterator[WordOccurrences]:
    """What stands between the last delimiter and a hyphen after which nothing comes."""
    exact_TK = normalise_and_check(line_TK, delimiters, min_probability)
    begins_T, ends_T = np.ones(len(exact_TK) + 1), np.zeros(len(exact_TK) + 1)
    delimiter_T = exact_TK[:, sorted(delimiters - hyphens)].sum(axis=1)
    for t, blank in enumerate(exact_TK[:, BLANK]):
        begins_T[t + 1] = delimiter_T[t] + begins_T[t] * blank
    for hyphen in sorted(hyphens):
        nothing, held = 1.0, 1.0  # behind frame t: only blanks; blanks, or first the same hyphen still
        for t in reversed(range(len(exact_TK))):
            ends_T[t] += exact_TK[t, hyphen] * held
            nothing, held = nothing * exact_TK[t, BLANK], exact_TK[t, hyphen] * held + exact_TK[t, BLANK] * nothing
    yield from letter_trie(
        exact_TK, begins_T, ends_T, delimiters=delimiters | hyphens, min_expected_count=min_probability
    )


def _heads(
    line_TK: Float[np.ndarray, "T K"], delimiters: AbstractSet[int], min_probability: float
) -> Iterator[WordOccurrences]:
    """The first word of a line that begins without a delimiter."""
    exact_TK = normalise_and_check(line_TK, delimiters, min_probability)
    begins_T = np.append(1.0, np.cumprod(exact_TK[:, BLANK]))
    ends_T = np.append(exact_TK[:, sorted(delimiters)].sum(axis=1), 1.0)
    yield from letter_trie(exact_TK, begins_T, ends_T, delimiters=delimiters, min_expected_count=min_probability)


def _parts(words: WordOccurrences) -> list[tuple[tuple[int, ...], float, int]]:
    """Each with its probability and the frame in which it most probably begins."""
    best_n = words.ends_Tn.argmax(axis=0)
    starts_n = np.rint(words.starts_Tn[best_n, np.arange(len(best_n))]).astype(int)
    return list(zip(words.labels, words.ends_Tn.sum(axis=0).tolist(), starts_n.tolist(), strict=True))
