"""Beam search in batches gives each text what it is given alone, in the order of the texts."""

import pytest
import torch
from torch import nn

from capas.data.text.vocabulary import EOS, SubwordVocabulary
from capas.decoding.seq2seq_beam import TranslationHypothesis
from capas.engine.recipes.translation import decode as module
from capas.engine.recipes.translation.decode import translate_encoded
from capas.engine.recipes.translation.network import new_transformer
from capas.networks.sequence.transformer import Transformer
from tests.engine.recipes.made_work import FLOAT32

CODE = SubwordVocabulary.learn(["ab ba"] * 3, size=265)
TEXTS = [[70, 71, 72], [80], [90, 91, 92, 93, 94], [], [81]]


@pytest.fixture(scope="module")
def network() -> Transformer:
    torch.manual_seed(2)
    made = new_transformer(CODE, 8)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.7)
    return made.train()


def test_order_and_company_do_not_matter(network: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    together = translate_encoded(network, TEXTS, FLOAT32, beam=2)
    assert not network.training
    for text, found in zip(TEXTS, together, strict=True):
        (alone,) = translate_encoded(network, [text], FLOAT32, beam=2)
        assert alone.tokens == found.tokens
        assert alone.log_probability == pytest.approx(found.log_probability, abs=1e-4)
    assert len({tuple(one.tokens) for one in together}) > 1


def test_batches_are_of_similar_length_and_every_source_ends(
    network: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[list[list[int]]]()

    def search(net: object, source: torch.Tensor, lengths: torch.Tensor, **rest: object) -> list[TranslationHypothesis]:
        assert rest["width"] == 3 and rest["alpha"] == 0.25
        seen.append([row[:length] for row, length in zip(source.tolist(), lengths.tolist(), strict=True)])
        return [TranslationHypothesis(tokens=tuple(row), log_probability=0.0, score=0.0) for row in seen[-1]]

    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "seq2seq_beam_search", search)
    found = translate_encoded(network, TEXTS, FLOAT32, beam=3, alpha=0.25)
    assert [[len(row) for row in part] for part in seen] == [[1, 2], [2, 4], [6]]
    assert [one.tokens for one in found] == [(*text, EOS) for text in TEXTS]


def test_no_texts_are_none(network: Transformer) -> None:
    assert translate_encoded(network, [], FLOAT32) == []
