"""Words have the times of their frames; subtitles end where they are full or after a pause."""

import pytest
import torch

from capas.decoding.alphabet import Alphabet
from capas.engine.recipes.shared.timed_text import TimedText
from capas.engine.recipes.transcription.word_times import subtitle_lines, word_timings


def word(text: str, start_s: float, end_s: float, probability: float = 1.0) -> TimedText:
    return TimedText(start_s=start_s, end_s=end_s, text=text, probability=probability)


def test_words_are_where_their_characters_are() -> None:
    # Labels: 0 blank, 1 space, 2 a, 3 b; frames: – a a – b – space – b.
    path = [0, 2, 2, 0, 3, 0, 1, 0, 3]
    logits = torch.full((9, 4), 0.0)
    logits[torch.arange(9), path] = 5.0
    first, second = word_timings(logits, Alphabet(characters=" ab"), 0.02)
    assert (first.text, second.text) == ("ab", "b")
    assert first.start_s == pytest.approx(0.02) and first.end_s == pytest.approx(0.10)
    assert second.start_s == pytest.approx(0.16) and second.end_s == pytest.approx(0.18)
    sure = torch.tensor([5.0, 0, 0, 0]).softmax(0)[0].item()
    assert first.probability == pytest.approx(sure, abs=1e-5)


def test_silence_has_no_words() -> None:
    logits = torch.zeros(5, 3)
    logits[:, 0] = 5.0
    assert word_timings(logits, Alphabet(characters=" a"), 0.02) == [] and subtitle_lines([]) == []


def test_a_line_is_full_at_42_characters() -> None:
    words = [word("a" * 20, 0.0, 1.0, 0.5), word("b" * 21, 1.0, 2.0, 1.0), word("c", 2.0, 3.0)]
    first, second = subtitle_lines(words)
    assert len(first.text) == 42 and first.text == f"{'a' * 20} {'b' * 21}" and second.text == "c"
    assert (first.start_s, first.end_s, first.probability) == (0.0, 2.0, 0.75)


@pytest.mark.parametrize(("pause", "lines"), [(0.75, 1), (0.875, 2)])
def test_a_pause_ends_a_line(pause: float, lines: int) -> None:
    assert len(subtitle_lines([word("a", 0.0, 1.0), word("b", 1.0 + pause, 3.0)])) == lines


def test_a_word_too_long_for_a_line_is_a_line() -> None:
    assert [one.text for one in subtitle_lines([word("a" * 50, 0, 1), word("b", 1, 2)])] == ["a" * 50, "b"]
