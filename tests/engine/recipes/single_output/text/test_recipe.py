"""The recipe of texts, and the reader of its bundles."""

from pathlib import Path

import pytest
import torch

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.learn import SingleOutputJob
from capas.engine.recipes.single_output.text.recipe import recipe
from tests.engine.recipes.made_work import bundle_of, report_of, sentences_named, spec_of, texts_of, work_of
from tests.harness import step_context

SPEC = spec_of("classify", "text", classes=("water", "land"))
TEXTS = ["unused", "sea boat", "field", "boat", "plough field"]


def made(name: str) -> SingleOutputJob[object]:
    settings = {"network.name": name, "network.width": 8, "train.batch_size": 2}
    work = work_of(texts_of(TEXTS), SPEC, ["train", "train", "test", "validation"], settings, labels=[0, 1, 0, 1],
                   indices=[1, 2, 3, 4])  # fmt: skip
    job = recipe.prepare(work, Ranks())
    assert isinstance(job, SingleOutputJob)
    return job


@pytest.mark.parametrize("name", ["text-linear", "text-cnn"])
def test_a_job_s_bundle_answers_as_the_job(name: str, tmp_path: Path) -> None:
    job = made(name)
    network = job._network.eval()
    opened = recipe.reopen(bundle_of(SPEC, job.network_card(), job.bundle_files(), network.state_dict()))
    prepared = [opened.preprocess(Item(name="", content=text)) for text in TEXTS[1:]]
    with torch.no_grad():
        expected = network(job.prepared.take(torch.arange(4)))
        torch.testing.assert_close(opened.network(opened.reader.collate(prepared)), expected)
    (tmp_path / "a.txt").write_text("a boat")
    items = [*opened.items(["a.txt", "two words"], []), opened.item("x", 3)]
    assert [item.name for item in items] == ["a.txt", "two words", "text 3"]
    assert opened.preprocess(items[0]) == "a boat"
    assert opened.exportable(prepared).output == "probabilities"
    assert opened.reader.preprocess_example(texts_of(TEXTS), 4) == "plough field"
    with pytest.raises(AssertionError):
        opened.reader.preprocess_example(sentences_named([["a"]]), 0)


def test_words_are_learnt_from_the_training_texts_of_the_run() -> None:
    words = made("text-cnn").prepared.as_json()["words"]
    assert isinstance(words, list) and set(words) == {"sea", "boat", "field"}


def test_a_trial_batch_is_of_real_texts() -> None:
    report = report_of(texts_of(TEXTS), SPEC, ["test", "train", "train", "train", None], labels=[0, 0, 1, 0, 1])
    settings = {"network.name": "text-cnn", "network.width": 8, "train.batch_size": 2}
    trial = recipe.trial(Config().merged(settings), report)
    assert trial.batch.positions.tolist() == [1, 2] and trial.batch.targets.tolist() == [0, 1] and trial.examples == 2
    (phase,) = trial.objective.phases
    assert trial.objective.losses(trial.batch, phase, step_context())["loss"].isfinite()


def test_a_broken_bundle_is_refused() -> None:
    job = made("text-cnn")
    files = {**job.bundle_files(), "preparation.json": {"kind": "nothing"}}
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, job.network_card(), files))
    assert (error.value.key, error.value.where) == ("bundle_incomplete", "bundle/preparation.json")
