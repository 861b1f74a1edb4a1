"""Lexicon-free keyword spotting: every word of a line whose expected count reaches a threshold.

A trie grows from each delimiter. A node is a prefix; for every frame t it holds the mass of all paths that end, just
before t, on ``delimiter prefix``: with a blank since its last letter, or without. A further letter c enters from the
whole mass, or where c repeats the last letter from what a blank has set apart:

    letter[t+1] = y[t, c] · (letter[t] + entering[t])        apart[t+1] = y[t, blank] · (letter[t] + apart[t])

What enters over all frames is the expected count of the prefix. A word's count is never greater than that of its
prefixes, so that leaving out every prefix below ``min_expected_count`` loses no word above it: the index is complete.
And as a delimiter ends the word, its count is that of the keyword automaton
(``keyword_automaton.expected_keyword_count``, which a test compares), so that there is nothing to rescore.

Beside each mass goes the same mass times the frame in which its first letter came; their quotient is where an
occurrence begins, given where it ends. Occurrences of one word that overlap are one spot.

Legend: T frames, K labels, n prefixes, 2 = mass, and mass times first frame. All is (frames, prefixes), so that a step
in time is one operation on many prefixes.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from capas.keyword_index.jit import jit_compiled
from capas.keyword_index.keyword_automaton import BLANK, normalise_posteriors

_AT_ONCE: Final = 512  # prefixes; more do not fit into the processor's cache
_TINY: Final = 1e-100  # below, a mass is 0: numbers near 1e-308 make a processor 20 times slower


@dataclass(frozen=True, kw_only=True, slots=True)
class LineSpot:
    """A word that may occur in a line.

    Attributes:
        labels: Its labels.
        probability: Probability that it occurs here.
        start: Most probable frame of its first letter.
        end: Most probable frame of the delimiter behind it; T at the line's end.
    """

    labels: tuple[int, ...]
    probability: float
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WordOccurrences:
    """Words with the mass of their occurrences over the frames; the sum over frames is the expected count.

    Attributes:
        labels: The words.
        ends_Tn: Mass by the frame that ends the occurrence; T + 1 rows, the last for the end of the line.
        starts_Tn: Mean frame in which those began.
    """

    labels: list[tuple[int, ...]]
    ends_Tn: Float[np.ndarray, "T n"]
    starts_Tn: Float[np.ndarray, "T n"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Prefixes:
    """Nodes of the trie: mass before each of the T frames and behind the last, all of it and what a blank set apart."""

    labels: list[tuple[int, ...]]
    last_n: Int[np.ndarray, " n"]
    whole_2Tn: Float[np.ndarray, "2 T n"]
    apart_2Tn: Float[np.ndarray, "2 T n"]


def line_spots(
    posteriors_TK: Float[np.ndarray, "T K"], *, delimiters: AbstractSet[int], min_expected_count: float
) -> list[LineSpot]:
    """Return the spots of a line, the most probable first.

    The best position of every word whose expected count is ``min_expected_count`` or more, and each further position
    with that probability.
    """
    spots = [
        spot
        for words in line_words(posteriors_TK, delimiters=delimiters, min_expected_count=min_expected_count)
        for spot in locate_words(words, min_expected_count)
    ]
    return sorted(spots, key=lambda spot: (-spot.probability, spot.start, spot.labels))


def line_words(
    posteriors_TK: Float[np.ndarray, "T K"], *, delimiters: AbstractSet[int], min_expected_count: float
) -> Iterator[WordOccurrences]:
    """Iterate over all words with an expected count of ``min_expected_count`` or more, in batches.

    Raises:
        ValueError: ``min_expected_count`` is not above 0, or the delimiters are none or hold the blank.
    """
    exact_TK = normalise_and_check(posteriors_TK, delimiters, min_expected_count)
    ends_T = np.append(exact_TK[:, sorted(delimiters)].sum(axis=1), 1.0)
    begins_T = np.ones(len(ends_T))
    for t, blank in enumerate(exact_TK[:, BLANK]):
        begins_T[t + 1] = ends_T[t] + begins_T[t] * blank
    yield from letter_trie(exact_TK, begins_T, ends_T, delimiters=delimiters, min_expected_count=min_expected_count)


def normalise_and_check(
    posteriors_TK: Float[np.ndarray, "T K"], delimiters: AbstractSet[int], min_expected_count: float
) -> Float[np.ndarray, "T K"]:
    """Return rows that sum to one. Raises ValueError as ``line_words`` does."""
    if min_expected_count <= 0 or not delimiters or BLANK in delimiters:
        raise ValueError(
            f"least {min_expected_count}, delimiters {delimiters}; expected a number above 0, and labels from 1"
        )
    return normalise_posteriors(posteriors_TK)


def letter_trie(
    posteriors_TK: Float[np.ndarray, "T K"],
    begins_T: Float[np.ndarray, " T1"],
    ends_T: Float[np.ndarray, " T1"],
    *,
    delimiters: AbstractSet[int],
    min_expected_count: float,
) -> Iterator[WordOccurrences]:
    """Iterate over all letter sequences with an expected count of ``min_expected_count`` or more.

    Args:
        posteriors_TK: The posteriorgram.
        begins_T: Mass, before each frame, of the paths after which a word may begin, T + 1 entries.
        ends_T: Probability that a path whose word is complete before a frame ends it there, T + 1 entries.
        delimiters: Labels between words.
        min_expected_count: Least expected count.
    """
    letters = [label for label in range(1, posteriors_TK.shape[1]) if label not in delimiters]
    # Whatever leaves the root at t begins at t.
    root_2Tn = np.stack([begins_T, begins_T * np.arange(len(begins_T))])[:, :, None]
    waiting = [_Prefixes(labels=[()], last_n=np.array([BLANK]), whole_2Tn=root_2Tn, apart_2Tn=root_2Tn)]
    while waiting:
        batch = waiting.pop()
        if batch.labels[0]:
            yield from _ended(batch, ends_T, min_expected_count)
        parents, chosen = _children(batch, posteriors_TK, letters, min_expected_count)
        for at in range(0, len(parents), _AT_ONCE):
            part = slice(at, at + _AT_ONCE)
            waiting.append(_grown(batch, posteriors_TK, parents[part], chosen[part]))


def _children(
    batch: _Prefixes, posteriors_TK: Float[np.ndarray, "T K"], letters: Sequence[int], min_expected_count: float
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Which prefixes go on with which letters: those whose expected count reaches ``min_expected_count``."""
    counts_nK = batch.whole_2Tn[0, :-1].T @ posteriors_TK
    # Without this every prefix would seem to go on with its last letter.
    again_n = (batch.apart_2Tn[0, :-1] * posteriors_TK[:, batch.last_n]).sum(axis=0)
    counts_nK[np.arange(len(again_n)), batch.last_n] = again_n
    parents, which = np.nonzero(counts_nK[:, letters] >= min_expected_count)
    return parents, np.array(letters, dtype=np.int64)[which]


def _grown(
    batch: _Prefixes,
    posteriors_TK: Float[np.ndarray, "T K"],
    parents: Int[np.ndarray, " m"],
    chosen: Int[np.ndarray, " m"],
) -> _Prefixes:
    """The prefixes one letter longer."""
    entering_2Tm = batch.whole_2Tn[:, :-1, parents]
    again = np.flatnonzero(batch.last_n[parents] == chosen)
    entering_2Tm[:, :, again] = batch.apart_2Tn[:, :-1, parents[again]]
    whole_2Tm, apart_2Tm = (np.zeros((2, len(posteriors_TK) + 1, len(parents))) for _ in range(2))
    loop = jit_compiled(_loop) or _by_frames
    loop(entering_2Tm, posteriors_TK[:, chosen], posteriors_TK[:, BLANK].copy(), whole_2Tm, apart_2Tm)
    labels = [(*batch.labels[at], label) for at, label in zip(parents.tolist(), chosen.tolist(), strict=True)]
    return _Prefixes(labels=labels, last_n=chosen, whole_2Tn=whole_2Tm, apart_2Tn=apart_2Tm)


def _by_frames(
    entering_2Tm: Float[np.ndarray, "2 T m"], letter_Tm: Float[np.ndarray, "T m"], blank_T: Float[np.ndarray, " T"],
    whole_2Tm: Float[np.ndarray, "2 T1 m"], apart_2Tm: Float[np.ndarray, "2 T1 m"],
) -> None:  # fmt: skip
    """Fill the masses frame by frame, all prefixes at once."""
    held_2m = np.zeros(entering_2Tm[:, 0].shape)
    for t, blank in enumerate(blank_T):
        apart_2Tm[:, t + 1] = blank * whole_2Tm[:, t]
        held_2m = letter_Tm[t] * (held_2m + entering_2Tm[:, t])
        held_2m[held_2m < _TINY] = 0
        whole_2Tm[:, t + 1] = held_2m + apart_2Tm[:, t + 1]


def _loop(
    entering_2Tm: Float[np.ndarray, "2 T m"], letter_Tm: Float[np.ndarray, "T m"], blank_T: Float[np.ndarray, " T"],
    whole_2Tm: Float[np.ndarray, "2 T1 m"], apart_2Tm: Float[np.ndarray, "2 T1 m"],
) -> None:  # fmt: skip
    """The same, number by number, for numba."""
    held_m = np.zeros(letter_Tm.shape[1])
    for moment in range(2):
        held_m[:] = 0.0
        for t in range(len(blank_T)):
            for j in range(len(held_m)):
                held = letter_Tm[t, j] * (held_m[j] + entering_2Tm[moment, t, j])
                held_m[j] = held if held >= _TINY else 0.0
                apart_2Tm[moment, t + 1, j] = blank_T[t] * whole_2Tm[moment, t, j]
                whole_2Tm[moment, t + 1, j] = held_m[j] + apart_2Tm[moment, t + 1, j]


def _ended(batch: _Prefixes, ends_T: Float[np.ndarray, " T1"], min_expected_count: float) -> Iterator[WordOccurrences]:
    """Those prefixes that, ended by a delimiter or the line's end, are words."""
    counts_n = ends_T @ batch.whole_2Tn[0]
    kept = np.flatnonzero(counts_n >= min_expected_count)
    if len(kept):
        mass_Tn, moment_Tn = batch.whole_2Tn[:, :, kept]
        starts_Tn = np.divide(moment_Tn, mass_Tn, out=np.zeros_like(mass_Tn), where=mass_Tn > 0)
        yield WordOccurrences(
            labels=[batch.labels[at] for at in kept], ends_Tn=mass_Tn * ends_T[:, None], starts_Tn=starts_Tn
        )


def locate_words(words: WordOccurrences, min_expected_count: float) -> Iterator[LineSpot]:
    """Iterate over the best position of each word, then of what does not overlap, down to ``min_expected_count``."""
    left_Tn, starts_Tn, names = words.ends_Tn, words.starts_Tn, words.labels
    frames_T1 = np.arange(len(left_Tn))[:, None]
    needed = 0.0
    while names:
        ends_n = left_Tn.argmax(axis=0)
        begins_n = starts_Tn[ends_n, np.arange(len(names))]
        here_Tn = (frames_T1 > begins_n) & (starts_Tn < ends_n) | (frames_T1 == ends_n)
        masses_n = np.where(here_Tn, left_Tn, 0).sum(axis=0)
        for labels, mass, begin, end in zip(names, masses_n.tolist(), begins_n, ends_n, strict=True):
            if mass >= needed:
                yield LineSpot(labels=labels, probability=min(1.0, mass), start=round(begin), end=int(end))
        left_Tn = np.where(here_Tn, 0, left_Tn)
        kept = np.flatnonzero(left_Tn.sum(axis=0) >= min_expected_count)
        left_Tn, starts_Tn, names = left_Tn[:, kept], starts_Tn[:, kept], [names[at] for at in kept]
        needed = min_expected_count
