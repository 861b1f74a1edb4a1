"""Word times of a transcript, from the frames of the CTC best path (``capas.decoding.word_alignment``).

CTC predicts in spikes, mostly late in a character, so the times are those at which a word could be told: accurate to
some tenths of a second.
"""

from collections.abc import Sequence
from typing import Final

from jaxtyping import Float
from torch import Tensor

from capas.decoding.alphabet import Alphabet
from capas.decoding.word_alignment import align_words
from capas.engine.recipes.shared.timed_text import TimedText

MAX_LINE_CHARACTERS: Final = 42  # characters of a subtitle
PAUSE_S: Final = 0.8


def word_timings(logits_TK: Float[Tensor, "T K"], alphabet: Alphabet, frame_s: float) -> list[TimedText]:
    """Return the words of the best path with their times; ``frame_s`` is the duration of a frame in seconds.

    A word's probability is the mean over its characters, each in its most confident frame.
    """
    posteriors_TK = logits_TK.float().softmax(1).numpy()
    return [
        TimedText(start_s=word.start * frame_s, end_s=word.end * frame_s, text=word.text, probability=word.probability)
        for word in align_words(posteriors_TK, alphabet)
    ]


def subtitle_lines(words: Sequence[TimedText]) -> list[TimedText]:
    """Join words to subtitles: a new one where a line is full, or after a pause."""
    lines = list[list[TimedText]]()
    for word in words:
        line = lines[-1] if lines else []
        full = len(" ".join(w.text for w in [*line, word])) > MAX_LINE_CHARACTERS
        if not line or full or word.start_s - line[-1].end_s > PAUSE_S:
            lines.append([word])
        else:
            line.append(word)
    return [_joined(line, " ") for line in lines]


def _joined(parts: Sequence[TimedText], between: str) -> TimedText:
    return TimedText(
        start_s=parts[0].start_s, end_s=parts[-1].end_s, text=between.join(part.text for part in parts),
        probability=sum(part.probability for part in parts) / len(parts),
    )  # fmt: skip
