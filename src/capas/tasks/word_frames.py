"""In which frames each word of a transcript was read (``ctc.py``): from the first frame of its first character to the
last of its last one, on CTC's best path, or on the best path that says a given text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import numpy as np
from jaxtyping import Float

from capas.tasks.ctc import BLANK, aligned, frames_needed
from capas.tasks.transcribe import Alphabet


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameWord:
    """A word from frame ``start`` to before frame ``end``; ``probability``: the mean of its characters', each in its
    surest frame."""

    text: str
    start: int
    end: int
    probability: float


def words_of(posteriors_TK: Float[np.ndarray, "T K"], alphabet: Alphabet, text: str | None = None) -> list[FrameWord]:
    """The words of ``text``, in order, on the most probable path that says it; of ``read_greedily`` where none is
    given, or where the frames are too few for it."""
    labels = None if text is None else alphabet.labels(text)
    if labels is None or frames_needed(labels) > len(posteriors_TK):
        path = posteriors_TK.argmax(axis=1).tolist()
        ends = [*accumulate(sum(1 for _ in same) for _, same in groupby(path))]
        spans = [(path[end - 1], start, end) for start, end in zip([0, *ends], ends, strict=False)]
    else:
        with np.errstate(divide="ignore"):
            log_probs = np.log(posteriors_TK)
        spans = [(label, *span) for label, span in zip(labels, aligned(log_probs, labels), strict=True)]
    return _words([
        FrameWord(text=alphabet.text([label]), start=start, end=end,
                  probability=float(posteriors_TK[start:end, label].max()))
        for label, start, end in spans if label != BLANK
    ])  # fmt: skip


def _words(characters: Sequence[FrameWord]) -> list[FrameWord]:
    runs = groupby(characters, key=lambda one: bool(one.text.strip()))
    return [_joined([*run]) for of_word, run in runs if of_word]


def _joined(characters: Sequence[FrameWord]) -> FrameWord:
    return FrameWord(
        text="".join(one.text for one in characters), start=characters[0].start, end=characters[-1].end,
        probability=sum(one.probability for one in characters) / len(characters),
    )  # fmt: skip
