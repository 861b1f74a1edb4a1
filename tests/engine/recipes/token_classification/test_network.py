"""Labels of sentences are the best path with its marginals, alone as in company, whole as in pieces."""

import pytest
import torch
from torch import nn

from capas.data.text.word_features import WordFeatures
from capas.engine.config import Config
from capas.engine.recipes.token_classification import network as module
from capas.engine.recipes.token_classification.data import LabelSet
from capas.engine.recipes.token_classification.network import build_network, label_sentences
from capas.networks.sequence.bilstm_crf import SequenceLabeller
from tests.engine.recipes.made_work import FLOAT32

CODE = WordFeatures.fit([["ana", "lima", "so", "in"]] * 3)
LABELS = LabelSet.from_data(["O", "B-A", "B-B"])
SENTENCES = [["ana", "in", "lima"], ["so"], [], ["in", "so", "ana", "zzz", "lima"]]


@pytest.fixture(scope="module")
def network() -> SequenceLabeller:
    torch.manual_seed(0)
    made = LABELS.network(CODE, 4)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.8)
    for layer in made.modules():
        if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
            nn.init.zeros_(layer.weight[layer.padding_idx])  # as it stays in training
    return made.eval()


def test_company_changes_no_answer(network: SequenceLabeller, monkeypatch: pytest.MonkeyPatch) -> None:
    together = label_sentences(network, CODE, LABELS, SENTENCES, FLOAT32)
    assert [len(found) for found in together] == [3, 1, 0, 5]
    monkeypatch.setattr(module, "BATCH", 1)
    for words, found in zip(SENTENCES, together, strict=True):
        (alone,) = label_sentences(network, CODE, LABELS, [words], FLOAT32)
        assert [one.label for one in alone] == [one.label for one in found]
        assert [one.probability for one in alone] == pytest.approx([one.probability for one in found], abs=1e-5)
        assert all(0 < one.probability <= 1 for one in found)


def test_of_one_word_the_best_label_has_its_softmax(network: SequenceLabeller) -> None:
    inputs = CODE.encode([["so"]])
    with torch.no_grad():
        scores = network(inputs.words, inputs.characters, inputs.lengths, inputs.features)[0, 0]
        scores = scores + network.crf.start + network.crf.end
    scores[network.crf.forbidden_start] = -torch.inf
    chances = scores.softmax(0)
    (((found,),)) = label_sentences(network, CODE, LABELS, [["so"]], FLOAT32)
    assert found.label == LABELS.labels[int(chances.argmax())]
    assert found.probability == pytest.approx(float(chances.max()), abs=1e-4)


def test_a_long_sentence_is_labelled_in_pieces(network: SequenceLabeller) -> None:
    whole = SENTENCES[3]
    (found,) = label_sentences(network, CODE, LABELS, [whole], FLOAT32, 2)
    pieces = label_sentences(network, CODE, LABELS, [whole[:2], whole[2:4], whole[4:]], FLOAT32)
    assert [one.label for one in found] == [one.label for piece in pieces for one in piece]


def test_weights_follow_from_the_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        made = build_network(Config().merged({"network.width": 4, "train.seed": seed}), CODE, LABELS)
        assert made.training
        return torch.cat([p.flatten() for p in made.parameters()])

    assert torch.equal(first(3), first(3)) and not torch.equal(first(3), first(4))
