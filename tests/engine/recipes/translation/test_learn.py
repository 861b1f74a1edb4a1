"""A translation job: pairs by position, lengths, and token accuracy under teacher forcing."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from capas.data.text.vocabulary import BOS, EOS
from capas.engine.distributed import Ranks
from capas.engine.recipes.translation.learn import TranslationJob
from tests.engine.recipes.made_work import FLOAT32, parameters_of, spec_of, texts_of, work_of

SOURCES = ["unused", "uno dos", "tres", "dos dos", "uno", "tres uno"]
REFERENCES = ["unused", "one two", "three", "two two", "one", "three one"]
SPLITS = ("train", "test", "validation", "train", "train")
SETTINGS: Mapping[str, object] = {
    "network.width": 8, "text.vocab_size": 300, "text.max_words": 6, "train.batch_size": 3,
    "objective.label_smoothing": 0.0,
}  # fmt: skip


def job(**changes: object) -> TranslationJob:
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    work = work_of(
        texts_of(SOURCES), spec_of("translate", "text"), SPLITS, settings, targets=texts_of(REFERENCES),
        indices=[1, 2, 3, 4, 5],
    )  # fmt: skip
    return TranslationJob(work, Ranks())


def test_pairs_stay_together() -> None:
    held = job(text__max_words=50)
    assert held.batches.examples == 3 and held.has_validation and held.head is None
    batch = held.batches.batch(0)
    pairs = {
        (held.vocabulary.decode(source), held.vocabulary.decode(target))
        for source, target in zip(batch.source.tolist(), batch.target.tolist(), strict=True)
    }
    assert pairs == {("uno dos", "one two"), ("uno", "one"), ("tres uno", "three one")}


def test_longer_texts_are_cut() -> None:
    held = job(text__max_words=2)
    batch = held.batches.batch(0)
    assert int(batch.source_lengths.max()) <= 3 and int(batch.target_lengths.max()) <= 4
    assert int(batch.target[0, 0]) == BOS and all(
        int(row[length - 1]) == EOS for row, length in zip(batch.target, batch.target_lengths.tolist(), strict=True)
    )


def test_the_vocabulary_is_learnt_from_both_sides_of_the_training_pairs() -> None:
    known = set(job().vocabulary.characters)
    # "s", "t" and "d" occur in no more than one training text each, or in both: "h" comes from "three" alone.
    assert {"o", "n", "e", "t", "s"} <= known and "w" not in known


class Knows(torch.nn.Module):
    """Gives every token of the target that is a beginning or a letter a probability of 1/2, but for a wrong token."""

    def __init__(self, right: bool, size: int) -> None:
        super().__init__()
        self.right, self.size = right, size

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        following = torch.cat([target[:, 1:], torch.full((len(target), 1), EOS)], dim=1)
        logits = torch.full((*target.shape, self.size), -40.0)
        logits.scatter_(2, (following if self.right else (following + 1) % self.size)[:, :, None], 0.0)
        return logits


@pytest.mark.parametrize(("right", "accuracy"), [(True, 1.0), (False, 0.0)])
def test_the_score_is_the_share_of_right_tokens(right: bool, accuracy: float) -> None:
    held = job()
    held._network = Knows(right, len(held.vocabulary))  # type: ignore[assignment]
    score = held.validate(FLOAT32)
    assert (score.metric, score.value, score.n) == ("token_accuracy", accuracy, 1)
    assert score.loss == pytest.approx(0.0 if right else 40.0, abs=1e-3)


def test_even_logits_cost_the_logarithm_of_the_vocabulary() -> None:
    held = job()

    class Even(torch.nn.Module):
        def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
            return torch.zeros(*target.shape, 7)

    held._network = Even()  # type: ignore[assignment]
    held._encoded = [[[4], [5], [6], [4], [5]], [[4], [5], [6, 4], [4], [5]]]
    assert held.validate(FLOAT32).loss == pytest.approx(float(torch.log(torch.tensor(7.0))), abs=1e-5)


def test_the_test_split_is_translated() -> None:
    found = job().test(FLOAT32)
    assert found.n == 1 and [row[:3] for row in found.rows[1:]] == [["t:2", "tres", "three"]]
    assert "copy" in found.baseline


def test_files_and_card() -> None:
    held = job()
    files, card = held.bundle_files(), held.network_card()
    assert files["answers.json"] == {"beam": 4, "alpha": 0.6, "longest": 6}
    assert files["preparation.json"] == held.vocabulary.as_json()
    assert card.settings == {"width": 8} and card.name == "transformer"
    assert card.parameters == parameters_of(held.objective.network)
