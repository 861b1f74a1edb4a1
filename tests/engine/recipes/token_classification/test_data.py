"""Label sets are IOB2 whatever the data is in; batches are padded."""

import pytest

from capas.data.text.word_features import WordFeatures
from capas.engine.config import Config
from capas.engine.recipes.token_classification.data import (
    LabelSet,
    collate_sentences,
    fit_word_features,
    sentences_of,
)
from tests.engine.recipes.made_work import sentences_named, texts_of


def test_labels_of_any_scheme_are_the_kinds_in_iob2() -> None:
    for labels in (["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], ["S-PER", "E-LOC", "O"], ["I-LOC", "I-PER"]):
        found = LabelSet.from_data(labels)
        assert found.labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER") and found.spans
    assert found.to_scheme(["I-PER", "I-PER", "O", "I-LOC"]) == ["B-PER", "I-PER", "O", "B-LOC"]
    assert found.encode(["O", "I-PER", "B-LOC"]) == [0, 4, 1]


def test_labels_that_mark_no_spans_stand_for_themselves() -> None:
    found = LabelSet.from_data(["VERB", "NOUN"])
    assert found.labels == ("NOUN", "VERB") and not found.spans
    assert found.to_scheme(["VERB", "NOUN"]) == ["VERB", "NOUN"]


@pytest.mark.parametrize("labels", [[], ["a", "a"]])
def test_each_label_is_there_once(labels: list[str]) -> None:
    with pytest.raises(ValueError, match="expected at least one, each once"):
        LabelSet(labels)


def test_a_network_may_not_continue_what_has_not_begun() -> None:
    labels = LabelSet.from_data(["B-A", "I-A", "O"])
    code = WordFeatures.fit([["x", "y"]] * 2)
    crf = labels.network(code, 4).crf
    # From O to I-A, and I-A at the start; all else may be.
    assert crf.forbidden.nonzero().tolist() == [[0, 2]] and crf.forbidden_start.nonzero().tolist() == [[2]]
    free = LabelSet.from_data(["x", "y"]).network(code, 4).crf
    assert not free.forbidden.any() and not free.forbidden_start.any()


def test_labels_are_padded_with_zero_behind_the_end() -> None:
    code, labels = WordFeatures.fit([["x", "y"]] * 2), LabelSet(["a", "b"])
    batch = collate_sentences(code, labels, [["x"], ["y", "x", "x"]], [["b"], ["b", "a", "b"]])
    assert batch.labels.tolist() == [[1, 0, 0], [1, 0, 1]] and batch.inputs.lengths.tolist() == [1, 3]
    assert batch.inputs.words.shape == (2, 3) and batch.inputs.words[0, 1:].tolist() == [0, 0]


def test_the_vocabulary_is_as_large_as_configured() -> None:
    sentences = [[f"w{chr(97 + i)}" for i in range(20)] for _ in range(20)] + [[f"q{i}" * 2 for i in range(9)]]
    words = [[f"{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(400)]]
    assert len(fit_word_features(Config().merged({"text.vocab_size": 300}), words).words) == 300
    assert "wa" in fit_word_features(Config().merged({"text.vocab_size": 300}), sentences).words


def test_sentences_are_taken_and_other_inputs_refused() -> None:
    assert list(sentences_of(sentences_named([["a", "b"]]))) == [("a", "b")]
    for other in (None, texts_of(["a"])):
        with pytest.raises(AssertionError):
            sentences_of(other)
