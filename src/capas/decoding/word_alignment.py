"""Alignment of the words of a transcript with CTC frames.

A word spans from the first frame of its first character to the last of its last one, on the best path of the line, or
of a given text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import numpy as np
from jaxtyping import Float

from capas.decoding.alphabet import Alphabet
from capas.decoding.ctc import BLANK, ctc_forced_alignment, min_ctc_frames


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignedWord:
    """A word in the half-open frame range ``start``..``end``; ``probability`` is the mean over its characters."""

    text: str
    start: int
    end: int
    probability: float


def align_words(
    posteriors_TK: Float[np.ndarray, "T K"], alphabet: Alphabet, text: str | None = None
) -> list[AlignedWord]:
    """Return the words of ``text``, in order, on its most probable path.

    The words of the greedy transcript where ``text`` is None, or the frames are too few for it.
    """
    labels = None if text is None else alphabet.encode(text)
    if labels is None or min_ctc_frames(labels) > len(posteriors_TK):
        path = posteriors_TK.argmax(axis=1).tolist()
        ends = [*accumulate(sum(1 for _ in same) for _, same in groupby(path))]
        spans = [(path[end - 1], start, end) for start, end in zip([0, *ends], ends, strict=False)]
    else:
        with np.errstate(divide="ignore"):
            log_probs = np.log(posteriors_TK)
        spans = [(label, *span) for label, span in zip(labels, ctc_forced_alignment(log_probs, labels), strict=True)]
    return _words([
        AlignedWord(text=alphabet.decode([label]), start=start, end=end,
                  probability=float(posteriors_TK[start:end, label].max()))
        for label, start, end in spans if label != BLANK
    ])  # fmt: skip


def _words(characters: Sequence[AlignedWord]) -> list[AlignedWord]:
    runs = groupby(characters, key=lambda one: bool(one.text.strip()))
    return [_joined([*run]) for of_word, run in runs if of_word]


def _joined(characters: Sequence[AlignedWord]) -> AlignedWord:
    return AlignedWord(
        text="".join(one.text for one in characters), start=characters[0].start, end=characters[-1].end,
        probability=sum(one.probability for one in characters) / len(characters),
    )  # fmt: skip
