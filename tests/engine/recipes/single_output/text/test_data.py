"""Texts of a run: encoded by what the training texts have, some of their words hidden in training."""

from collections.abc import Mapping

import pytest
import torch

from capas.data.text.tfidf import SparseFeatures
from capas.data.text.vocabulary import PAD, UNKNOWN
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipes.single_output.linear_baseline import SPARSE_BASELINE
from capas.engine.recipes.single_output.text import data as module
from capas.engine.recipes.single_output.text.data import PreparedTextInputs, drop_words
from capas.engine.recipes.single_output.text.encodings import PaddedTokenIds, SentenceEmbeddings, TfidfEncoding
from tests.engine.recipes.made_work import FLOAT32, parameters_of

TEXTS = ["sea boat", "field", "sea sea ice", "boat field sea", "ice"]
TRAIN = torch.tensor([0, 1, 3])
TARGETS = torch.tensor([0, 1, 0, 1, 0])


def prepared(name: str = "text-cnn", **changes: object) -> PreparedTextInputs:
    settings: Mapping[str, object] = {
        "network.name": name, "network.width": 8, "train.batch_size": 2, "text.word_dropout": 0.0,
        **{key.replace("__", "."): value for key, value in changes.items()},
    }  # fmt: skip
    names = [f"t{i}" for i in range(5)]
    splits = {"train": TRAIN, "validation": torch.tensor([2])}
    return PreparedTextInputs(Config().merged(settings), "classify", names, TEXTS, splits, lambda done, total: None, 2)


def test_about_the_share_of_words_is_hidden_and_padding_never() -> None:
    tokens = torch.full((50, 40), 9)
    tokens[:, 30:] = PAD
    inputs = PaddedTokenIds(tokens=tokens, lengths=torch.full((50,), 30))
    found = drop_words(inputs, 0.2, torch.Generator().manual_seed(0))
    assert isinstance(found, PaddedTokenIds) and torch.equal(found.tokens[:, 30:], tokens[:, 30:])
    hidden = found.tokens[:, :30] == UNKNOWN
    # 1,500 words: 0.2 ± 4 · sqrt(0.16 / 1500).
    assert float(hidden.float().mean()) == pytest.approx(0.2, abs=0.042)
    assert torch.equal(found.tokens[:, :30][~hidden], torch.full((int((~hidden).sum()),), 9))
    assert int(inputs.tokens[0, 0]) == 9 and drop_words(inputs, 0.0, torch.Generator()) is inputs


def test_what_is_no_word_stays() -> None:
    embedded = SentenceEmbeddings(embeddings=torch.ones(1, 2))
    assert drop_words(embedded, 0.9, torch.Generator()) is embedded


def test_words_are_learnt_from_training_texts_alone() -> None:
    held = prepared()
    batch = held.take(torch.tensor([2, 0]))
    assert isinstance(batch, PaddedTokenIds)
    assert (
        batch.tokens[0, 2] == UNKNOWN and UNKNOWN not in batch.tokens[1].tolist() and batch.lengths.tolist() == [3, 2]
    )


def test_batches_have_their_targets_and_hide_words_as_configured() -> None:
    batch = prepared().training(TARGETS, TRAIN, Ranks()).batch(0)
    assert torch.equal(batch.targets, TARGETS[batch.positions])
    assert isinstance(batch.inputs, PaddedTokenIds) and UNKNOWN not in batch.inputs.tokens
    hiding = prepared(text__word_dropout=0.9).training(TARGETS, TRAIN, Ranks())
    assert any(bool((hiding.batch(step).inputs.tokens == UNKNOWN).any()) for step in range(4))


def test_weighted_words_are_the_rows_of_the_positions() -> None:
    held = prepared("text-linear")
    rows = held.take(torch.tensor([1, 4]))
    assert isinstance(rows, SparseFeatures)
    assert isinstance(held.encoding, TfidfEncoding)
    words, letters = held.encoding.tfidf.parts
    # "ice" was never learnt, and of its letters only " i" or "e " might have been.
    assert words.terms == ("boat", "boat field", "field", "field sea", "sea", "sea boat")
    dense = rows.dense(len(words.terms) + len(letters.terms))
    assert dense[0, :6].tolist() == pytest.approx([0, 0, 0.5**0.5, 0, 0, 0]) and dense[1].count_nonzero() == 0


def test_features_of_the_baseline_are_weighted_words_whatever_the_network() -> None:
    found = prepared().features(torch.tensor([1, 4]))
    assert found.shape[0] == 2 and found[0, 2] == pytest.approx(0.5**0.5) and found[1].nnz == 0
    assert prepared().baseline is SPARSE_BASELINE and prepared().head is None


def test_the_card_says_what_the_network_is_made_from() -> None:
    held = prepared("text-bag")
    network = held.network(3)
    card = held.network_card(network, 3)
    assert card.name == "text-bag" and card.settings == {"width": 8, "num_classes": 3}
    assert card.parameters == parameters_of(network) and network.training and held.as_json() == held.encoding.as_json()


def test_the_linear_model_that_has_a_share_is_the_rival_too_and_fitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    real = module.fit_sparse_linear
    monkeypatch.setattr(module, "fit_sparse_linear", lambda *given: fitted.append(1) or real(*given))
    held = prepared("text-linear")
    held.network(2)
    held.fit_parts(TARGETS, FLOAT32)
    rows = held.features(torch.tensor([0, 1]))
    predict = held.baseline.fit(held.features(TRAIN), TARGETS[TRAIN], "class", 2)
    assert held.baseline.names == SPARSE_BASELINE.names and fitted == [1]
    torch.testing.assert_close(predict(rows), real(held.features(TRAIN), TARGETS[TRAIN], "class", 2).predict(rows))
