"""Pairs in batches: a source ends, a target begins and ends, all are padded on the right."""

import pytest
import torch

from capas.core.errors import CapasError
from capas.data.text.vocabulary import BOS, EOS, PAD
from capas.engine.config import Config
from capas.engine.recipes.translation.data import (
    collate_translation_pairs,
    fit_vocabulary,
    input_texts,
    pad_token_rows,
)
from tests.engine.recipes.made_work import sentences_named, texts_of


def test_rows_are_padded_to_the_longest() -> None:
    tokens, lengths = pad_token_rows([[7, 8, 9], [5]])
    assert tokens.tolist() == [[7, 8, 9], [5, PAD, PAD]] and lengths.tolist() == [3, 1]
    assert tokens.dtype == torch.int64


def test_pairs_have_their_ends() -> None:
    batch = collate_translation_pairs([[10, 11], [12]], [[20], []])
    assert batch.source.tolist() == [[10, 11, EOS], [12, EOS, PAD]] and batch.source_lengths.tolist() == [3, 2]
    assert batch.target.tolist() == [[BOS, 20, EOS], [BOS, EOS, PAD]] and batch.target_lengths.tolist() == [3, 2]


def test_the_vocabulary_has_the_size_that_was_asked_for() -> None:
    texts = ["the cat sat on the mat", "the cat and the hat"] * 5
    code = fit_vocabulary(Config().merged({"text.vocab_size": 300}), texts)
    assert len(code) <= 300 and code.decode(code.encode("the cat, Ω")) == "the cat, Ω"
    # "the cat" is seen often: each word is one token.
    assert len(code.encode("the cat")) == 2


def test_a_vocabulary_that_cannot_spell_says_how_much_it_takes() -> None:
    letters = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 60)) * 2
    with pytest.raises(CapasError) as error:
        fit_vocabulary(Config().merged({"text.vocab_size": 300}), [letters])
    # 4 special tokens, 256 bytes, 60 characters.
    assert error.value.key == "vocabulary_too_small" and error.value.where == "text.vocab_size"
    assert error.value.received == "300" and error.value.values["least"] == "320"


def test_texts_are_taken_and_other_inputs_refused() -> None:
    assert list(input_texts(texts_of(["a", "b"]))) == ["a", "b"]
    for other in (None, sentences_named([["a"]])):
        with pytest.raises(AssertionError):
            input_texts(other)
