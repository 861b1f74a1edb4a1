"""Where the words of a line stand."""

import numpy as np
import pytest
import torch

from capas.decoding.alphabet import Alphabet
from capas.decoding.transcripts import greedy_transcript
from capas.decoding.word_alignment import align_words
from capas.objectives.transcription import ctc_temperature

ALPHABET = Alphabet(characters=" ab")


def posteriors(path: str, sure: float = 0.9) -> np.ndarray:
    """Frames that say the labels of ``path``, "-" the blank, each with this probability."""
    labels = ["- ab".replace("-", "_").index(c) for c in path.replace("-", "_")]
    found = np.full((len(labels), 4), (1 - sure) / 3)
    found[np.arange(len(labels)), labels] = sure
    return found


def test_words_last_from_their_first_character_to_their_last() -> None:
    found = align_words(posteriors("-aa-b- -bb-"), ALPHABET)
    assert [(word.text, word.start, word.end) for word in found] == [("ab", 1, 5), ("b", 8, 10)]
    assert [word.probability for word in found] == pytest.approx([0.9, 0.9])


def test_words_are_those_that_are_read() -> None:
    chance = np.random.default_rng(0)
    for _ in range(50):
        values = chance.dirichlet(np.full(4, 0.3), size=20)
        text = greedy_transcript(torch.from_numpy(values).log(), ALPHABET).text
        assert [word.text for word in align_words(values, ALPHABET)] == text.split()


def test_the_words_of_a_given_text_are_found_where_they_are_most_probable() -> None:
    """The best path reads "ab b"; "ab ab" is found with its second "a" where that is likeliest."""
    values = posteriors("-aa-b- -bb-")
    values[7] = [0.5, 0.05, 0.4, 0.05]
    assert align_words(values, ALPHABET, "ab b") == align_words(values, ALPHABET)
    found = align_words(values, ALPHABET, "ab ab")
    assert [(word.text, word.start, word.end) for word in found] == [("ab", 1, 5), ("ab", 7, 10)]
    assert found[1].probability == pytest.approx((0.4 + 0.9) / 2)
    assert align_words(values, ALPHABET, "ab " * 5) == align_words(values, ALPHABET)  # it has no room


def test_nothing_read_is_no_word() -> None:
    assert align_words(posteriors("--- -"), ALPHABET) == []


def test_the_temperature_makes_up_for_what_was_too_sure() -> None:
    """Labels drawn from softened logits: the softening is found."""
    chance = torch.Generator().manual_seed(0)
    logits, labels = [], []
    for _ in range(150):
        line = 3 * torch.randn(12, 4, generator=chance)
        path = torch.multinomial((line / 2.0).softmax(1), 1, generator=chance)[:, 0].tolist()
        logits.append(line)
        labels.append([k for k, before in zip(path, [0, *path], strict=False) if k and k != before])
    assert ctc_temperature(logits, labels) == pytest.approx(2.0, rel=0.15)
    assert ctc_temperature([2 * line for line in logits], labels) == pytest.approx(4.0, rel=0.15)


def test_lines_that_cannot_be_judged_leave_the_temperature() -> None:
    assert ctc_temperature([torch.zeros(2, 4)], [[1, 2, 3]]) == 1.0
