"""In which frames each word of a transcript was read, by CTC's best path (``ctc.py``): from the first frame of its
first character to the last of its last one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float

from capas.tasks.ctc import BLANK
from capas.tasks.transcribe import Alphabet


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameWord:
    """A word from frame ``start`` to before frame ``end``; ``probability``: the mean of its characters', each in its
    surest frame."""

    text: str
    start: int
    end: int
    probability: float


def words_of(posteriors_TK: Float[np.ndarray, "T K"], alphabet: Alphabet) -> list[FrameWord]:
    """The words of ``read_greedily``, in order."""
    path = posteriors_TK.argmax(axis=1).tolist()
    surest = posteriors_TK.max(axis=1)
    words, characters, place = list[FrameWord](), list[FrameWord](), 0
    for label, same in groupby(path):
        end = place + sum(1 for _ in same)
        text = "" if label == BLANK else alphabet.text([label])
        if text.strip():
            chance = float(surest[place:end].max())
            characters.append(FrameWord(text=text, start=place, end=end, probability=chance))
        elif text and characters:
            words.append(_joined(characters))
            characters = []
        place = end
    return [*words, _joined(characters)] if characters else words


def _joined(characters: Sequence[FrameWord]) -> FrameWord:
    return FrameWord(
        text="".join(one.text for one in characters), start=characters[0].start, end=characters[-1].end,
        probability=sum(one.probability for one in characters) / len(characters),
    )  # fmt: skip
