"""When each word of a transcript was read: from the frames of CTC's best path (``tasks/ctc``).

CTC answers in spikes, mostly late in a character, so the times are those at which a word could be told: good to some
tenths of a second.
"""

from collections.abc import Sequence
from typing import Final

from jaxtyping import Float
from torch import Tensor

from capas.engine.recipes.subtitles import Timed
from capas.tasks.transcribe import Alphabet
from capas.tasks.word_frames import words_of

LINE: Final = 42  # characters of a subtitle
PAUSE_S: Final = 0.8


def timed_words(logits_TK: Float[Tensor, "T K"], alphabet: Alphabet, frame_s: float) -> list[Timed]:
    """The words of ``read_greedily`` with their times; ``frame_s``: seconds of a frame. A word's probability is the
    mean of its characters', each in its surest frame."""
    posteriors_TK = logits_TK.float().softmax(1).numpy()
    return [
        Timed(start_s=word.start * frame_s, end_s=word.end * frame_s, text=word.text, probability=word.probability)
        for word in words_of(posteriors_TK, alphabet)
    ]


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
