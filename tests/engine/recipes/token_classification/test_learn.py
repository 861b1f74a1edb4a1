"""A job of labelled sentences, and the network that answers for it."""

from collections.abc import Mapping

import pytest
import torch

from capas.engine.distributed import Ranks
from capas.engine.recipes.token_classification import learn as module
from capas.engine.recipes.token_classification.data import LabelledWord
from capas.engine.recipes.token_classification.learn import TokenClassificationJob
from tests.engine.recipes.made_work import FLOAT32, parameters_of, sentences_named, spec_of, work_of

SENTENCES = [["unused"], ["Ana", "sings"], ["In", "Lima"], ["so"], ["Ana", "Gil", "sings"], ["in", "Quito"]]
LABELS = [["O"], ["I-PER", "O"], ["O", "I-LOC"], ["O"], ["I-PER", "I-PER", "O"], ["O", "I-LOC"]]
SPLITS = ("train", "train", "validation", "test", "train")
SPEC = spec_of("label", "tokens", classes=("I-LOC", "I-PER", "O"))
SETTINGS: Mapping[str, object] = {
    "network.width": 4, "text.vocab_size": 300, "text.max_words": 50, "train.batch_size": 3,
}  # fmt: skip


def job(**changes: object) -> TokenClassificationJob:
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    work = work_of(sentences_named(SENTENCES), SPEC, SPLITS, settings, targets=sentences_named(LABELS),
                   indices=[1, 2, 3, 4, 5])  # fmt: skip
    return TokenClassificationJob(work, Ranks())


def test_sentences_keep_their_labels_in_iob2() -> None:
    held = job()
    assert held.labels.labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER") and held.batches.examples == 3
    batch = held.batches.batch(0)
    expected = {0: [3, 0], 1: [0, 1], 4: [0, 1]}
    for row, length, position in zip(batch.labels, batch.inputs.lengths, sorted([0, 1, 4]), strict=True):
        assert row[:length].tolist() in expected.values() and int(length) == len(expected[position])
    assert held.head is None and held.has_validation


def test_words_are_learnt_from_training_sentences_alone() -> None:
    words = set(job().code.words)
    assert {"ana", "lima", "quito"} <= {word.lower() for word in words} and "so" not in words and "unused" not in words


def test_long_sentences_are_cut_in_training() -> None:
    assert job(text__max_words=1).batches.batch(0).labels.shape == (3, 1)


def test_the_score_is_that_of_the_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"so": ["O"], "Ana Gil sings": ["B-PER", "O", "B-LOC"]}

    def answers(network: object, code: object, labels: object, sentences: list[list[str]], *rest: object
                ) -> list[list[LabelledWord]]:  # fmt: skip
        return [[LabelledWord(label=label, probability=1.0) for label in said[" ".join(s)]] for s in sentences]

    monkeypatch.setattr(module, "label_sentences", answers)
    found = job().test(FLOAT32)
    # One entity, two predicted, none with the right end; "Ana" was seen as B-PER: the baseline finds no whole one.
    assert found.n == 1 and found.rows[1] == ["s:4", "Ana Gil sings", "B-PER I-PER O", "B-PER O B-LOC"]
    assert found.baseline["most_frequent_label"] == {"entity_f1": 0.0, "token_accuracy": round(2 / 3, 6)}
    score = job().validate(FLOAT32)
    assert (score.metric, score.n) == ("entity_f1", 1) and score.loss > 0


def test_the_loss_is_per_word_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    held = job()
    held.objective.network.eval()
    whole = held._loss(torch.tensor([0, 1, 3]), FLOAT32)
    monkeypatch.setattr(module, "BATCH", 1)
    assert held._loss(torch.tensor([3, 0, 1]), FLOAT32) == pytest.approx(whole, rel=1e-5)


def test_files_and_card() -> None:
    held = job()
    files, card = held.bundle_files(), held.network_card()
    assert files["answers.json"] == {"labels": ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"], "max_words": 50}
    assert files["preparation.json"] == held.code.as_json()
    assert card.settings == {"width": 4} and card.parameters == parameters_of(held.objective.network)
