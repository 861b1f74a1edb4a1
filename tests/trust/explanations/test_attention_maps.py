"""Where attention goes: by hand on two layers, from real readers word by word, and checked in the report."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from capas.data.text.vocabulary import WordVocabulary
from capas.data.text.wordpiece import WordPieceTokenizer
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.single_output.text.encodings import (
    PaddedTokenIds,
    SentenceEmbeddingEncoding,
    TokenIdEncoding,
)
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.networks.sequence.attention import capture_attention
from capas.networks.sequence.bag_of_ngrams import BagOfNgrams, BagOfNgramsConfig
from capas.networks.sequence.minilm import SentenceEncoder, SentenceEncoderConfig
from capas.networks.sequence.text_transformer import TextTransformer, TextTransformerConfig
from capas.trust.explanations.attention_maps import attention_network, attention_to_words, last_layer, rollout
from capas.trust.report import make_report
from capas.trust.subjects.text_inputs import TextInputAdapter
from tests.cli.test_why import TINY
from tests.engine.made_problems import texts_table
from tests.harness import train_here


def reader_of_words(words: str) -> TextReader:
    torch.manual_seed(0)
    vocabulary = WordVocabulary(words.split())
    config = TextTransformerConfig(vocabulary=len(vocabulary), num_classes=2, width=8, heads=2, layers=2)
    return TextReader(DataclassInputAdapter(TextTransformer(config)).eval(), TokenIdEncoding(vocabulary))


def test_rollout_is_the_product_of_half_attention_and_half_residual() -> None:
    first = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])  # the mean over heads: all 0.5
    second = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    # Ā_1 = [[.75, .25], [.25, .75]], Ā_2 = [[.5, .5], [0, 1]].
    assert torch.allclose(rollout([first, second]), torch.tensor([[0.5, 0.5], [0.25, 0.75]]))
    assert torch.equal(last_layer([first, second]), second[0])


def test_each_word_has_the_attention_of_its_own_places() -> None:
    reader = reader_of_words("the sea is blue , and wide")
    text = "The sea, is wide"
    found = attention_to_words(reader, text.split(), text)
    with capture_attention(reader.network) as kept, torch.no_grad():
        reader.network(reader.collate([text]))
    columns = list(kept.values())[-1][0].mean((0, 1))  # the, sea, comma, is, wide
    wanted = torch.stack([columns[0], columns[1] + columns[2], columns[3], columns[4]])
    assert torch.allclose(found["attention_last"], wanted)
    assert all(float(shares.sum()) == pytest.approx(1, abs=1e-5) for shares in found.values())
    first = attention_to_words(reader, ["The"], text)["attention_last"]
    assert torch.allclose(first, wanted[:1]), "the rest of a long text keeps its share"


def test_the_marks_around_pieces_belong_to_no_word() -> None:
    torch.manual_seed(0)
    pieces = WordPieceTokenizer(["[UNK]", "[CLS]", "[SEP]", "sail", "##ing", "far"])
    config = SentenceEncoderConfig(vocabulary=6, places=16, width=8, heads=2, layers=2, feedforward=16)

    class Head(nn.Module):
        def forward(self, vectors: Tensor) -> Tensor:
            return vectors[:, :2]

    reader = TextReader(
        DataclassInputAdapter(Head()).eval(), SentenceEmbeddingEncoding(SentenceEncoder(config).eval(), pieces)
    )
    found = attention_to_words(reader, ["Sailing", "far"], "Sailing far")["attention_last"]
    with capture_attention(reader.encoding.encoder) as kept, torch.no_grad():  # type: ignore[union-attr]
        reader.collate(["Sailing far"])
    columns = list(kept.values())[-1][0].mean((0, 1))  # [CLS], sail, ##ing, far, [SEP]
    assert torch.allclose(found, torch.stack([columns[1] + columns[2], columns[3]])) and float(found.sum()) < 1
    other = TextInputAdapter(reader).randomized(torch.Generator().manual_seed(1)).reader
    moved = attention_to_words(other, ["Sailing", "far"], "Sailing far")["attention_last"]
    assert not torch.allclose(moved, found), "the weights that the attention depends on are random too"


def test_a_network_without_attention_offers_none() -> None:
    vocabulary = WordVocabulary(["sea"])
    bag = BagOfNgrams(BagOfNgramsConfig(vocabulary=len(vocabulary), num_classes=2))
    reader = TextReader(DataclassInputAdapter(bag), TokenIdEncoding(vocabulary))
    assert attention_network(reader) is None and attention_to_words(reader, ["sea"], "sea") == {}
    assert isinstance(reader.collate(["sea"]), PaddedTokenIds)


def test_the_report_shows_attention_with_the_checks_of_all_others(tmp_path: Path) -> None:
    settings = {**TINY, "train.epochs": 4, "data.target": "about", "network.name": "text-transformer"}
    run = train_here(texts_table(tmp_path / "texts.csv"), tmp_path / "run", settings)
    report = make_report(str(run), "quick")
    zones = json.loads(json.dumps(report.tree))["themes"]["explanations"]
    methods = zones["facts"]["methods"]
    assert set(methods) == {"leave_one_out", "attention_rollout", "attention_last", "random"}
    for name in ("leave_one_out", "attention_rollout", "attention_last"):
        one = methods[name]
        assert -1 <= one["random_weights_correlation"] <= 1 and one["better_than_random"]["n"] == zones["facts"]["n"]
        believed = one["better_than_random"]["interval"][0] > 0.5 and one["random_weights_correlation"] <= 0.3
        assert one["reliable"] is believed
    assert methods["leave_one_out"]["deletion"] < methods["random"]["deletion"], "the words decide, and are found"
    page = (run / "report" / "report.html").read_text(encoding="utf-8")
    assert "Jain" in page and "attention through all layers (rollout)" in page
