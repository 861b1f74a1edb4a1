"""Texts as weighted words, as ids of words, or as embeddings of a sentence encoder."""

import math

import pytest
import torch
from torch import nn

from capas.data.text.tfidf import TfIdfVectorizer
from capas.data.text.vocabulary import PAD, SPECIAL_TOKENS, UNKNOWN, WordVocabulary
from capas.data.text.wordpiece import WordPieceTokenizer
from capas.engine.recipes.single_output.text import encodings
from capas.engine.recipes.single_output.text.encodings import (
    MAX_TOKENS,
    EmbeddingsWithTermsEncoding,
    SentenceEmbeddingEncoding,
    SentenceEmbeddings,
    TfidfEncoding,
    TokenIdEncoding,
    fit_terms,
    fit_text_encoding,
    pad_token_ids,
    restore_text_encoding,
)
from capas.networks.sequence.minilm import WEIGHTS_SHA256, SentenceEncoder, SentenceEncoderConfig

CODE = TokenIdEncoding(WordVocabulary(["sea", "boat"]))
FIRST = len(SPECIAL_TOKENS)


def test_words_have_ids_and_an_empty_text_is_one_unknown_word() -> None:
    batch = CODE.encode(["Sea sea ice boat", "", "boat"])
    assert batch.tokens.tolist() == [
        [FIRST, FIRST, UNKNOWN, FIRST + 1], [UNKNOWN, PAD, PAD, PAD], [FIRST + 1, PAD, PAD, PAD],
    ]  # fmt: skip
    assert batch.lengths.tolist() == [4, 1, 1]


def test_of_a_long_text_the_first_400_words_count() -> None:
    batch = CODE.encode(["boat " * 399 + "sea ice ice"])
    assert batch.tokens.shape == (1, MAX_TOKENS) == (1, 400) and batch.tokens[0, -1] == FIRST


def test_rows_are_padded_on_the_right() -> None:
    batch = pad_token_ids([[7], [8, 9]])
    assert batch.tokens.tolist() == [[7, PAD], [8, 9]] and batch.lengths.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["text-bag", "text-cnn", "text-transformer"])
def test_networks_of_words_answer_every_text(name: str) -> None:
    network = CODE.network(name, 3, 8).eval()
    batch = CODE.encode(["sea", "boat boat sea"])
    with torch.no_grad():
        assert network(batch.tokens, batch.lengths).shape == (2, 3)


def test_weights_of_words_are_tf_idf() -> None:
    code = fit_text_encoding("text-linear", ["sea boat", "sea field"])
    assert isinstance(code, TfidfEncoding)
    words, letters = code.tfidf.parts
    assert words.terms == ("boat", "field", "sea", "sea boat", "sea field")
    assert " sea " in letters.terms and "oa" in letters.terms and max(map(len, letters.terms)) == 5
    dense = code.encode(["boat boat sea"]).dense(len(code.tfidf))[0, :5]
    # (1 + ln 2) (ln(3 / 2) + 1) for the rare word, 1 · (ln(3 / 3) + 1) for the common one.
    rare = (1 + math.log(2)) * (math.log(1.5) + 1)
    length = math.hypot(rare, 1) * 2**0.5
    assert dense.tolist() == pytest.approx([rare / length, 0, 1 / length, 0, 0], abs=1e-6)
    rows = code.encode(["boat", "sea boat"])
    assert code.network("text-linear", 5, 0)(rows.indices, rows.weights, rows.offsets).shape == (2, 5)


def test_without_any_word_there_is_a_network_all_the_same() -> None:
    code = fit_text_encoding("text-linear", ["", " "])
    assert isinstance(code, TfidfEncoding) and len(code.tfidf) == 0
    rows = code.encode(["a", "b"])
    assert code.network("text-linear", 2, 0)(rows.indices, rows.weights, rows.offsets).shape == (2, 2)


def test_with_more_than_200_texts_a_word_must_be_there_twice() -> None:
    def words(code: object) -> set[str]:
        assert isinstance(code, TokenIdEncoding)
        return set(code.vocabulary.words[FIRST:])

    few, many = ["rare common"] + ["common"] * 199, ["rare common"] + ["common"] * 200
    assert words(fit_text_encoding("text-cnn", few)) == {"rare", "common"}
    assert words(fit_text_encoding("text-cnn", many)) == {"common"}


def test_embeddings_and_terms_lie_side_by_side() -> None:
    terms = fit_terms(["sea boat", "field"])
    code = EmbeddingsWithTermsEncoding(small_encoder(), terms)
    found = code.encode(["boat sea", "field"])
    expected = terms.encode(["boat sea", "field"])
    assert found.embeddings.shape == (2, 8) and torch.equal(found.indices, expected.indices)
    assert torch.equal(found.weights, expected.weights) and torch.equal(found.offsets, expected.offsets)
    assert code.count_tokens("boat") == 2 and code.encoder is code.own.encoder
    assert code.as_json() == {**code.own.as_json(), "terms": terms.as_json()}


@pytest.mark.parametrize("name", ["text-linear", "text-bag"])
def test_an_encoding_comes_back_from_its_json(name: str) -> None:
    code = fit_text_encoding(name, ["sea boat", "sea field"])
    again = restore_text_encoding(name, code.as_json())
    assert type(again) is type(code) and again.as_json() == code.as_json()
    with pytest.raises(ValueError, match="expected"):
        restore_text_encoding(name, {"kind": "nothing"})


def small_encoder() -> SentenceEmbeddingEncoding:
    torch.manual_seed(0)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "sea", "bo", "##at", "field"]
    config = SentenceEncoderConfig(vocabulary=len(pieces), places=16, width=8, heads=2, layers=1, feedforward=8)
    return SentenceEmbeddingEncoding(SentenceEncoder(config).eval(), WordPieceTokenizer(pieces))


def test_embeddings_are_those_of_each_text_alone_in_its_place() -> None:
    code, steps = small_encoder(), list[tuple[int, int]]()
    texts = ["boat sea boat", "sea", "field boat"] * 12
    found = code.encode(texts, lambda done, total: steps.append((done, total)))
    assert steps == [(32, 36), (36, 36)] and found.embeddings.shape == (36, 8)
    torch.testing.assert_close(found.embeddings.norm(dim=1), torch.ones(36))
    for i in range(3):
        torch.testing.assert_close(found.embeddings[i], code.encode([texts[i]]).embeddings[0], atol=1e-5, rtol=1e-4)
    assert not found.embeddings.requires_grad
    assert torch.equal(found.rows(torch.tensor([2, 0])).embeddings, found.embeddings[[2, 0]])


def test_tokens_of_a_word_are_counted() -> None:
    code = small_encoder()
    assert (code.count_tokens("sea"), code.count_tokens("boat"), code.num_leading_tokens) == (1, 2, 1)
    assert (CODE.count_tokens("sea"), CODE.count_tokens("sea-boat"), CODE.num_leading_tokens) == (1, 3, 0)
    assert TfidfEncoding(TfIdfVectorizer([])).count_tokens("sea") == 1


def test_the_head_on_embeddings_has_the_width_that_was_asked_for() -> None:
    head = small_encoder().network("text-minilm", 3, 5)
    assert head(torch.zeros(2, 384)).shape == (2, 3)
    assert {tuple(p.shape) for p in head.parameters()} == {(5, 384), (5,), (3, 5), (3,)}
    assert isinstance(head, nn.Module)


def test_a_bundle_of_other_weights_is_refused() -> None:
    assert small_encoder().as_json() == {"kind": "minilm", "weights": WEIGHTS_SHA256}
    with pytest.raises(ValueError, match="expected"):
        restore_text_encoding("text-minilm", {"kind": "minilm", "weights": "0" * 64})


def test_embeddings_have_rows() -> None:
    held = SentenceEmbeddings(embeddings=torch.arange(6.0).view(3, 2))
    assert held.rows(torch.tensor([2, 2, 0])).embeddings.tolist() == [[4, 5], [4, 5], [0, 1]]


def test_the_more_outputs_the_fewer_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"word{i} other{i}" for i in range(30)]
    monkeypatch.setattr(encodings, "MAX_WEIGHTS", 40)
    assert [len(part.terms) for part in fit_terms(texts, 2).tfidf.parts] == [20, 20]
    assert [len(part.terms) for part in fit_terms(texts, 8).tfidf.parts] == [5, 5]
