"""When each word of a transcript was read: from the frames of CTC's best path (``tasks/ctc``).

A word lasts from the first frame of its first character to the last frame of its last one. CTC answers in spikes,
mostly late in a character, so the times are those at which a word could be told: good to some tenths of a second.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from jaxtyping import Float
from torch import Tensor

from capas.engine.recipes.subtitles import Timed
from capas.tasks.ctc import BLANK
from capas.tasks.transcribe import Alphabet

LINE: Final = 42  # characters of a subtitle
PAUSE_S: Final = 0.8


def timed_words(logits_TK: Float[Tensor, "T K"], alphabet: Alphabet, frame_s: float) -> list[Timed]:
    """The words of ``read_greedily`` with their times; ``frame_s``: seconds of a frame. A word's probability is the
    mean of its characters', each in its surest frame."""
    surest, path = logits_TK.float().softmax(1).max(1)
    words, characters, place = list[Timed](), list[Timed](), 0
    for label, same in groupby(path.tolist()):
        end = place + sum(1 for _ in same)
        text = "" if label == BLANK else alphabet.text([label])
        if text.strip():
            chance = float(surest[place:end].max())
            characters.append(Timed(start_s=place * frame_s, end_s=end * frame_s, text=text, probability=chance))
        elif text and characters:
            words.append(_joined(characters, ""))
            characters = []
        place = end
    return [*words, _joined(characters, "")] if characters else words


def lines_of(words: Sequence[Timed]) -> list[Timed]:
    """Words as subtitles: a new one where a line is full, or after a pause."""
    lines = list[list[Timed]]()
    for word in words:
        line = lines[-1] if lines else []
        full = len(" ".join(w.text for w in [*line, word])) > LINE
        if not line or full or word.start_s - line[-1].end_s > PAUSE_S:
            lines.append([word])
        else:
            line.append(word)
    return [_joined(line, " ") for line in lines]


def _joined(parts: Sequence[Timed], between: str) -> Timed:
    return Timed(
        start_s=parts[0].start_s, end_s=parts[-1].end_s, text=between.join(part.text for part in parts),
        probability=sum(part.probability for part in parts) / len(parts),
    )  # fmt: skip
